"""Model and decision files: what is written can be read, made again byte for byte, and not tampered with."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.decision.blocks import Override, Request
from forecasting.decision.decide import Champion, decide_candidate
from forecasting.decision.record import read_decision
from forecasting.errors import ContractError, ModelFileError, RefusedError, UsageError
from forecasting.evaluation.selection import choose, fit_choice
from forecasting.json_text import strict_json
from forecasting.models import model_file
from forecasting.models.catalog import dated_forecast, fit, forecast, make_recipe
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import FittedModel, History, Recipe
from forecasting.problem.problem_file import Problem
from forecasting.serving.live_check import difference

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
SCALED = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
TREES = {"rounds": 5.0, "leaves": 4.0, "min_rows": 20.0, "rate": 0.1, "scaled": 1.0}
BOTH = make_recipe("mean_of", {}, [WEEKLY, make_recipe("histgb_direct", TREES)])
RECIPES = pytest.mark.parametrize("recipe", [WEEKLY, RIDGE, SCALED, BOTH], ids=lambda recipe: recipe.name)
REQUEST = Request(
    reason="manual", build_id="1", commit="c", run_id="run-1", step_run_id="step-1", model_name="paid-amount",
    decided_at="2026-01-01T00:00:00+00:00", workspace=None,
)  # fmt: skip
Change = Callable[[dict[str, Any]], object]


def fitted(panel: Panel, recipe: Recipe) -> FittedModel:
    return fit(recipe, History(panel.values, panel.last, 7, 28), panel.keys)


def write_candidate(folder: Path, panel: Panel, recipe: Recipe) -> str:
    facts = facts_of(panel, "d" * 64, 889, "daily.csv")
    write_series(folder, panel, facts)
    extra = {"data": facts, "selection": {"last_day": "2014-03-15"}}
    return write_model(folder, fitted(panel, recipe), "paid_amount", 28, extra)


@pytest.fixture
def candidate(tmp_path: Path, panel: Panel) -> Path:
    write_candidate(tmp_path / "candidate", panel, WEEKLY)
    return tmp_path / "candidate"


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


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[1]", "1", '{"a": 1e999}', "{", '{"a": -Infinity}'])
def test_json_that_means_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_json(text.encode())


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


@pytest.mark.parametrize("size", ["one", "many"])
def test_the_series_travel_without_losing_a_bit(tmp_path: Path, panel: Panel, many: Panel, size: str) -> None:
    chosen = panel if size == "one" else Panel(many.first, many.values / 3, many.keys)
    facts = facts_of(chosen, "0" * 64, 889, "daily.csv")
    write_series(tmp_path, chosen, facts)
    again, found = read_series(tmp_path)
    assert (again.first, again.keys) == (chosen.first, chosen.keys)
    assert np.array_equal(again.values, chosen.values)
    assert found == facts


def test_many_series_edited_by_hand_are_refused(tmp_path: Path, many: Panel) -> None:
    write_series(tmp_path, many, facts_of(many, "0" * 64, 889, "daily.csv"))
    path = tmp_path / "series.csv"
    whole = path.read_text()
    for old, new, part in (
        ("S/700,", "S/700,1,", "unreadable"),
        ("P/701", "S/700", "occurs twice"),
        ("2013-08-02,", "2013-08-03,", "does not follow"),
        ("S/700,", "S/700,nan,", "unreadable"),
    ):
        path.write_text(whole.replace(old, new, 1))
        with pytest.raises(ContractError, match=part):
            read_series(tmp_path)
    path.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    with pytest.raises(ContractError, match="differ from"):
        read_series(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("2013-08-02,", "2013-08-03,", "does not follow"),
        ("date,value", "day,value", "unreadable"),
        ("2013-08-01,", "2013-08-01,nan\n2013-08-02,1\n2013-08-03,", "NaN or infinite"),
        ("2013-08-01,", "2013-08-01;", "unreadable"),
    ],
)
def test_a_series_edited_by_hand_is_refused(candidate: Path, old: str, new: str, part: str) -> None:
    path = candidate / "series.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ContractError, match=part):
        read_series(candidate)


def test_the_live_answer_is_compared_to_the_last_digit_that_counts(candidate: Path) -> None:
    stored = read_model(candidate)
    days: list[dict[str, Any]] = [
        {"date": day.isoformat(), "value": value} for day, value in dated_forecast(stored.model, 28)
    ]
    answer: dict[str, Any] = {"forecast": days, "model": {"sha256": stored.sha256}}
    assert difference(answer, stored, 28) is None
    assert "expected 27 days" in str(difference(answer, stored, 27))
    assert "expected 28 days" in str(difference({"error": {"status": 500}}, stored, 28))
    assert "serves the model" in str(difference({**answer, "model": {"sha256": "other"}}, stored, 28))
    off = [*days[:3], {**days[3], "value": days[3]["value"] * (1 + 1e-8)}, *days[4:]]
    assert "2014-06-04" in str(difference({**answer, "forecast": off}, stored, 28))
    late = [{**days[0], "date": "2014-07-01"}, *days[1:]]
    assert "expected the day 2014-06-01" in str(difference({**answer, "forecast": late}, stored, 28))


def test_the_evidence_depends_on_data_policy_and_recipes_alone(
    tmp_path: Path, candidate: Path, problem: Problem
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(candidate, moved)
    champion = Champion(read_model(candidate), "paid-amount", "3")
    one = decide_candidate(problem, candidate, champion, REQUEST).record
    later = REQUEST.model_copy(update={"run_id": "run-2"})
    other = decide_candidate(problem, moved, Champion(read_model(moved)), later).record
    assert one.evidence == other.evidence
    assert one.evidence_sha256 == other.evidence_sha256
    assert one.context.champion is not None
    assert one.context.champion.version == "3"
    assert one.sha256 != other.sha256


def test_the_record_holds_what_an_auditor_asks(candidate: Path, problem: Problem) -> None:
    decision = decide_candidate(problem, candidate, None, REQUEST).record
    document = strict_json(decision.content)
    evidence = document["evidence"]
    assert (evidence["outcome"], evidence["reason"]) == ("accepted", "first-model")
    assert evidence["gate"]["reason"] == "first-model"
    assert evidence["override"] is None
    policy = evidence["policy"]
    assert (policy["origins"], policy["step"], policy["floor"], policy["margin"]) == (8, 7, 1.0, 0.02)
    assert policy["guards"]["coverage"] == [0.6, 0.98]
    assert evidence["data"]["data_sha256"] == "d" * 64
    assert evidence["windows"]["origins"][0] == "2014-03-16"
    assert evidence["windows"]["last_day"] == "2014-05-31"
    assert evidence["champion"] is None
    assert set(evidence["baselines"]) == {"seasonal_naive"}
    assert [rule["code"] for rule in evidence["rules"]] == [
        "nan", "floor", "maximum", "bias", "coverage", "simpler", "winkler", "secondary", "segment", "series",
        "margin", "significance",
    ]  # fmt: skip
    assert {rule["status"] for rule in evidence["rules"]} == {"passed", "off"}
    assert evidence["significance"]["p_against_seasonal_naive"] < 0.05
    assert len(evidence["by_origin"]) == 8
    assert evidence["by_origin"][0]["errors"].keys() == {WEEKLY.label, "seasonal_naive()"}
    assert sum(evidence["residuals"]["counts"]) == 8 * 28
    assert decision.metrics["challenger_mae"] == pytest.approx(246.7, rel=0.01)
    assert document["context"] == {**dict(REQUEST), "champion": None}


def test_an_override_is_recorded_beside_what_the_gate_said(candidate: Path, problem: Problem) -> None:
    champion = Champion(read_model(candidate))
    signed = Override(person="A. Turing", reason="the new tariff starts on Monday")
    decision = decide_candidate(problem, candidate, champion, REQUEST, override=signed).record
    evidence = strict_json(decision.content)["evidence"]
    assert (evidence["outcome"], evidence["reason"]) == ("accepted", "override")
    assert (evidence["gate"]["outcome"], evidence["gate"]["reason"]) == ("kept", "no-new-data")
    assert evidence["override"] == {"person": "A. Turing", "reason": "the new tariff starts on Monday"}
    decision.write(candidate)
    assert read_decision(candidate, read_model(candidate).sha256).verdict.reason == "override"
    with pytest.raises(UsageError, match="a person and a reason"):
        decide_candidate(problem, candidate, champion, REQUEST, override=Override(person="A. Turing", reason=""))


def test_changed_data_is_a_new_decision(tmp_path: Path, candidate: Path, problem: Problem, panel: Panel) -> None:
    write_candidate(tmp_path / "other", Panel(panel.first, panel.values + 1, panel.keys), WEEKLY)
    one, other = (decide_candidate(problem, folder, None, REQUEST) for folder in (candidate, tmp_path / "other"))
    assert one.record.evidence_sha256 != other.record.evidence_sha256


def test_stale_data_and_a_jump_in_rows_are_refused_by_the_gate_too(
    tmp_path: Path, candidate: Path, problem: Problem, panel: Panel
) -> None:
    """A reused step has not looked at the day of the run, nor at the champion."""
    path = tmp_path / "fresh.yml"
    path.write_text(problem.path.read_text().replace("  # max_age_days: 7 ", "  max_age_days: 7 "))
    decide_candidate(Problem(path), candidate, None, REQUEST, as_of=date(2014, 6, 7))
    with pytest.raises(ContractError, match=r"newest day is 2014-05-31, 8 days before") as caught:
        decide_candidate(Problem(path), candidate, None, REQUEST, as_of=date(2014, 6, 8))
    assert caught.value.facts["data_sha256"] == "d" * 64
    write_candidate(tmp_path / "small", panel, WEEKLY)
    manifest = json.loads((tmp_path / "small/manifest.json").read_text())
    manifest["data"]["rows"] = 300
    (tmp_path / "small/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ContractError, match=r"889 rows, \+196% against"):
        decide_candidate(problem, candidate, Champion(read_model(tmp_path / "small")), REQUEST)


def test_a_decision_is_bound_to_its_model_and_to_its_evidence(candidate: Path, problem: Problem) -> None:
    decision = decide_candidate(problem, candidate, None, REQUEST).record
    path = decision.write(candidate)
    sha256 = read_model(candidate).sha256
    again = read_decision(candidate, sha256)
    assert (again.sha256, again.verdict) == (decision.sha256, decision.verdict)
    with pytest.raises(ModelFileError, match="decides about the model"):
        read_decision(candidate, "f" * 64)
    path.write_text(path.read_text().replace('"floor": 1.0', '"floor": 0.9'))
    with pytest.raises(ModelFileError, match="changed after it was hashed"):
        read_decision(candidate, sha256)
    path.write_text("{}")
    with pytest.raises(ModelFileError, match="not a decision record"):
        read_decision(candidate, sha256)
    path.unlink()
    with pytest.raises(UsageError, match="no such file"):
        read_decision(candidate, sha256)


def test_a_model_and_a_series_of_different_data_are_refused(candidate: Path, problem: Problem, panel: Panel) -> None:
    write_series(candidate, panel, facts_of(panel, "e" * 64, 889, "daily.csv"))
    with pytest.raises(RefusedError, match="not trained on the series"):
        decide_candidate(problem, candidate, None, REQUEST)


def test_a_model_of_another_problem_is_refused(tmp_path: Path, candidate: Path, problem: Problem) -> None:
    other = tmp_path / "other.yml"
    other.write_text(problem.path.read_text().replace("name: paid_amount", "name: sales"))
    with pytest.raises(UsageError, match="model of the problem paid_amount"):
        decide_candidate(Problem(other), candidate, None, REQUEST)
