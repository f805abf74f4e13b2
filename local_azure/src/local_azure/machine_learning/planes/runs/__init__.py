"""Experiments, run history, metrics, script runs."""
