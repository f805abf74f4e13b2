"""Recipes and the models that they fit.

To add a recipe: write its family as a subclass of `recipe.RecipeFamily` in a new module here, give it a line in
`catalog.FAMILIES`, and a row in the table of recipes in docs/problems.md. Nothing else names a recipe: training,
gate, model file, service and snapshots take it from the catalog. `baselines.py` is the shortest example.
"""
