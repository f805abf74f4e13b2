"""Runs the entry script of a ParallelRunStep: `driver` hands mini-batches to worker processes and writes the result.

Imports nothing of the server. Source of names, arguments and log folders: `azureml.pipeline.steps.ParallelRunStep`
and Microsoft's pages about it; the service's own driver is not public, so what it does in detail is assumed.
"""
