"""Azure Machine Learning and Azure Pipelines on a laptop, for the unmodified SDK v1 and unmodified YAML."""
