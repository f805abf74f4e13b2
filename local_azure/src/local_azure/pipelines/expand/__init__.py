"""Templates and expressions, expanded as the service does before a run."""
