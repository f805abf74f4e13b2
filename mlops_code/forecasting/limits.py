"""Bounds that the data contract, the model file and the web service share."""

from __future__ import annotations

from datetime import date

LARGEST = 1e15  # beyond it a double no longer tells cents apart, and squares of sums leave its range
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)
MAX_SERIES = 20_000
MAX_HORIZON = 366  # days; a season has at most as many
