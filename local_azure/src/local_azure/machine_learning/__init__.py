"""The REST planes of Azure Machine Learning that the unmodified SDK v1 talks to."""
