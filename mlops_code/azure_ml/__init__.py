"""Typed adapter of the Azure ML SDK v1: the only place that imports `azureml`, on the compute and on the build agent.

The SDK takes a second to import, so every function imports what it needs. Objects of the SDK stay in fields named
`sdk`; what leaves this package is plain data.
"""
