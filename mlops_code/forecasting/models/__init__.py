"""The recipes, what they fit, and the file that a fitted model is kept in."""
