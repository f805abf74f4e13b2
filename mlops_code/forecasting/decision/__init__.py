"""The promotion gate, its decision record and the report."""
