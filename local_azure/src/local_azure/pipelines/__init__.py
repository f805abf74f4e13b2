"""A strict local checker, expander and runner of Azure Pipelines YAML."""
