"""Model files: what is written can be read, made again byte for byte, and not tampered with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.data.series import Panel
from forecasting.errors import ModelFileError, UsageError
from forecasting.evaluation.selection import choose, fit_choice
from forecasting.models import model_file
from forecasting.models.catalog import forecast, make_recipe
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import FittedModel, Recipe
from forecasting.problem.problem_file import Problem
from tests.unit.forecasting.candidates import WEEKLY, fitted

GOLDEN = Path(__file__).parent / "golden"  # written before models could hold what is known in advance
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
SCALED = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
TREES = {"rounds": 5.0, "leaves": 4.0, "min_rows": 20.0, "rate": 0.1, "scaled": 1.0}
BOTH = make_recipe("mean_of", {}, [WEEKLY, make_recipe("histgb_direct", TREES)])
MEDIAN = make_recipe("median_of", {}, [WEEKLY, make_recipe("exponential_smoothing", {"year": 1.0}), RIDGE])
RECIPES = pytest.mark.parametrize("recipe", [WEEKLY, RIDGE, SCALED, BOTH, MEDIAN], ids=lambda recipe: recipe.name)
Change = Callable[[dict[str, Any]], object]


def rewrite(folder: Path, change: Change) -> None:
    """Change model.json and make the manifest agree with the new bytes: only the strict reading is left."""
    document = json.loads((folder / "model.json").read_text())
    change(document)
    content = json.dumps(document).encode()
    (folder / "model.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@RECIPES
@pytest.mark.parametrize("size", ["one", "many"])
def test_a_model_read_back_forecasts_the_same_bits(
    tmp_path: Path, panel: Panel, many: Panel, recipe: Recipe, size: str
) -> None:
    model = fitted(panel if size == "one" else many, recipe)
    sha256 = write_model(tmp_path, model, "paid_amount", 28, {})
    stored = read_model(tmp_path)
    assert (stored.sha256, stored.problem, stored.horizon) == (sha256, "paid_amount", 28)
    assert (stored.model.keys, stored.model.lower) == (model.keys, 0.0)
    assert np.array_equal(forecast(stored.model, 366), forecast(model, 366))


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("ridge", RIDGE.label),
        (
            "mean",
            "mean_of(same_weekday_mean(weeks=8), ridge_direct(alpha=1, scaled=1), "
            "histgb_direct(leaves=4, min_rows=20, rate=0.3, rounds=3, scaled=1))",
        ),
    ],
)
def test_a_model_of_an_earlier_version_forecasts_the_same(tmp_path: Path, name: str, recipe: str) -> None:
    content = (GOLDEN / name / "model.json").read_bytes()
    (tmp_path / "model.json").write_bytes(content)
    document = json.loads(content)
    shared = {key: document[key] for key in ("format_version", "problem", "season", "horizon", "cutoff")}
    manifest = {**shared, "recipe": recipe, "model_sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    written = np.array(json.loads((GOLDEN / name / "forecast.json").read_text()))
    assert forecast(read_model(tmp_path).model, 28) == pytest.approx(written, rel=1e-12)


@RECIPES
def test_the_same_data_gives_the_same_bytes(tmp_path: Path, many: Panel, recipe: Recipe) -> None:
    hashes = {write_model(tmp_path / name, fitted(many, recipe), "paid_amount", 28, {}) for name in "ab"}
    assert len(hashes) == 1
    for file in ("model.json", "manifest.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_intervals_travel_with_the_model(tmp_path: Path, panel: Panel, problem: Problem) -> None:
    model = fit_choice(panel, problem.training, choose(panel, problem.training, 0.0), 0.0)
    write_model(tmp_path, model, "paid_amount", 28, {})
    found, made = read_model(tmp_path).model.intervals, model.intervals
    assert found is not None
    assert made is not None
    assert (found.levels, found.half_widths) == (made.levels, made.half_widths)
    assert np.array_equal(found.scales, made.scales)


def test_a_changed_model_is_not_opened(candidate: Path) -> None:
    (candidate / "model.json").write_bytes(b"\x80\x04 not even JSON")
    with pytest.raises(ModelFileError, match="It was not opened"):
        read_model(candidate)


def set_parameter(value: object) -> Change:
    return lambda document: document["parameters"]["profile"][0].__setitem__(0, value)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (set_parameter(float("nan")), "NaN is not a finite number"),
        (set_parameter(float("inf")), "Infinity is not a finite number"),
        (set_parameter("1"), "'1' is not a finite number"),
        (set_parameter(True), "True is not a finite number"),
        (set_parameter([1.0]), "is not a finite number"),
        (lambda document: document["parameters"]["profile"][0].pop(), "shape"),
        (lambda document: document["parameters"].update(extra=[1]), "parameters"),
        (lambda document: document["recipe"].update(name="pickle"), "unknown"),
        (lambda document: document["recipe"].update(parameters={"weeks": -1}), "weeks"),
        (lambda document: document.update(format_version=1), "format version 1"),
        (lambda document: document["recipe"].update(name="histgb_direct", parameters=TREES), "parameters"),
        (lambda document: document.update(series=["a", "b"]), "shape"),
        (lambda document: document.update(series=["a", "a"]), "different names"),
        (lambda document: document.update(series=[]), "different names"),
        (lambda document: document.update(series=[7]), "names that are texts"),
        (lambda document: document.update(lower="0"), "'0' is not a finite number"),
        (lambda document: document.update(intervals={"levels": [0.8], "radii": [-1], "scales": [1]}), "at least 0"),
        (lambda document: document.update(intervals={"levels": [2], "radii": [1], "scales": [1]}), "between 0 and 1"),
        (lambda document: document.update(intervals={"levels": [0.8], "radii": [1], "scales": []}), "shape"),
        (lambda document: document.update(format_version=True), "format version True"),
        (lambda document: document.update(horizon=0), "horizon"),
        (lambda document: document.update(season=7.0), "season"),
        (lambda document: document.update(cutoff="yesterday"), "isoformat"),
        (lambda document: document.update(code="print()"), "unknown"),
        (lambda document: document.pop("cutoff"), "missing"),
        (lambda document: document.update(problem="another"), "differ in problem"),
        (lambda document: document.update(cutoff="2014-06-01"), "differ in cutoff"),
    ],
)
def test_reading_is_strict(candidate: Path, change: Change, part: str) -> None:
    rewrite(candidate, change)
    with pytest.raises(ModelFileError, match=part):
        read_model(candidate)


def test_a_missing_or_huge_file_is_named(candidate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "MAX_BYTES", 1000)
    (candidate / "model.json").write_bytes(b" " * 1001)
    with pytest.raises(ModelFileError, match="not a file of ours"):
        read_model(candidate)
    (candidate / "model.json").unlink()
    with pytest.raises(UsageError, match="no such file"):
        read_model(candidate)


def test_a_model_with_wild_parameters_is_not_written(tmp_path: Path, panel: Panel) -> None:
    model = fitted(panel, WEEKLY)
    wild = FittedModel(model.recipe, 7, model.cutoff, model.keys, {"profile": np.full((1, 7), np.nan)})
    with pytest.raises(ModelFileError, match="nothing was written"):
        write_model(tmp_path / "none", wild, "paid_amount", 28, {})
    assert not (tmp_path / "none").exists()
