"""What pipelines and their runs consist of: documents of the pipelines plane, the plan of a graph, reuse of steps."""
