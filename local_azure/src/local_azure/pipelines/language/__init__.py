"""YAML with positions and the expression language."""
