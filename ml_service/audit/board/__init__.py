"""The board: what `status` says of a problem's production, candidates, data and forecasts."""
