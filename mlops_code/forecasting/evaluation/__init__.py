"""Rolling-origin backtests, error measures, intervals and the choice of a recipe."""
