"""What a workspace has besides data, runs, pipelines and services: compute, environments, secrets."""
