"""Make a copy of this template one's own: the problem, its settings and pipelines, and the sample out of the way."""
