"""Workspaces and what each of them has besides data, runs, pipelines and services: compute, environments, secrets."""
