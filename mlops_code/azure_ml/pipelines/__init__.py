"""Training pipelines: the graph, what is published, and runs."""
