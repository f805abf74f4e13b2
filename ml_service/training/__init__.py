"""The training pipeline: its data, its graph, its runs and what they decided."""
