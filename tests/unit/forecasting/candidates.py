"""Candidate folders as train.py writes them."""

from __future__ import annotations

from pathlib import Path

from forecasting.data.series import Panel, facts_of, write_series
from forecasting.models.catalog import fit, make_recipe
from forecasting.models.model_file import write_model
from forecasting.models.recipe import FittedModel, History, Recipe

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})


def fitted(panel: Panel, recipe: Recipe) -> FittedModel:
    return fit(recipe, History(panel.values, panel.last, 7, 28), panel.keys)


def write_candidate(folder: Path, panel: Panel, recipe: Recipe, problem: str = "paid_amount") -> str:
    facts = facts_of(panel, "d" * 64, 889, "daily.csv")
    write_series(folder, panel, facts)
    extra = {"data": facts, "selection": {"last_day": "2014-03-15"}}
    return write_model(folder, fitted(panel, recipe), problem, 28, extra)
