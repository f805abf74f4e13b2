"""Everything that is checked about a pipeline before it runs."""
