"""Datasets: their definitions, names and versions."""
