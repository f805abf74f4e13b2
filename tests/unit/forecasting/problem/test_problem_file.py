"""A problem file is read section by section, and all its mistakes come in one message."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from forecasting.errors import UsageError
from forecasting.problem.problem_file import Problem


def written(tmp_path: Path, text: str) -> Problem:
    path = tmp_path / "problem.yml"
    path.write_text(text)
    return Problem(path)


def test_the_default_problem_says_what_the_workshop_did(problem: Problem) -> None:
    assert problem.series.name == "paid_amount"
    assert problem.series.aggregation == "mean"
    assert (problem.training.horizon, problem.training.season) == (28, 7)
    assert [candidate.recipe for candidate in problem.training.candidates] == [
        "same_weekday_mean",
        "holt_winters",
        "ridge_direct",
        "median_of",
    ]
    assert (problem.gate.origins, problem.gate.margin, problem.gate.floor) == (8, 0.02, 1.0)


def test_a_section_that_is_not_asked_for_may_be_missing(tmp_path: Path, problem: Problem) -> None:
    document = yaml.safe_load(problem.path.read_text())
    cut = written(tmp_path, yaml.safe_dump({name: document[name] for name in ("source", "series")}))
    assert cut.source == problem.source
    assert cut.series == problem.series
    with pytest.raises(UsageError, match="section training is missing"):
        _ = cut.training


def test_all_mistakes_of_a_section_come_together(tmp_path: Path) -> None:
    bad = written(tmp_path, "series: {name: Paid Amount, types: S, aggregation: median, colour: red}")
    with pytest.raises(UsageError) as caught:
        _ = bad.series
    message = str(caught.value)
    for part in ("problem.yml", "measure: missing", "colour: unknown", "name: expected", "types: expected", "median"):
        assert part in message


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "true", "'7'", ".nan"])
def test_a_horizon_must_be_a_whole_number_of_days(tmp_path: Path, problem: Problem, value: str) -> None:
    text = problem.path.read_text().replace("horizon: 28 ", f"horizon: {value} ")
    with pytest.raises(UsageError, match="horizon: expected"):
        _ = written(tmp_path, text).training


@pytest.mark.parametrize("value", [".nan", ".inf", "-0.1", "2", "yes"])
def test_a_margin_must_be_a_ratio(tmp_path: Path, problem: Problem, value: str) -> None:
    document = yaml.safe_load(problem.path.read_text())
    document["gate"]["margin"] = yaml.safe_load(value)
    with pytest.raises(UsageError, match="margin: expected"):
        _ = written(tmp_path, yaml.safe_dump(document)).gate


def test_the_gate_must_not_look_at_days_that_training_chose_on(tmp_path: Path, problem: Problem) -> None:
    document = yaml.safe_load(problem.path.read_text())
    document["gate"]["origins"] = 9
    with pytest.raises(UsageError, match="Set it to 84"):
        _ = written(tmp_path, yaml.safe_dump(document)).gate


def test_days_in_the_wrong_order_are_refused(tmp_path: Path, problem: Problem) -> None:
    document = yaml.safe_load(problem.path.read_text())
    document["series"]["first_date"], document["series"]["last_date"] = (
        document["series"]["last_date"],
        document["series"]["first_date"],
    )
    with pytest.raises(UsageError, match="is after"):
        _ = written(tmp_path, yaml.safe_dump(document)).series


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "\x00"])
def test_what_is_no_problem_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"problem\.yml"):
        written(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such problem file"):
        Problem(tmp_path / "none.yml")


EARLIER = """
  guards:
    bias: 0.20
    coverage: [0.60, 0.98]
    winkler: 0.05
    secondary: 0.02
    segment: 0.20
    segment_points: 100
    series_worse: 0.5
    maximum: 3.0
"""


def test_a_policy_of_the_earlier_form_keeps_its_guards_blocking_and_is_offered_the_new_form(
    tmp_path: Path, problem: Problem
) -> None:
    text = problem.path.read_text(encoding="utf-8")
    start = text.index("gate:")
    earlier = written(tmp_path, text[:start] + "gate:\n  origins: 8\n  step: 7" + EARLIER)
    guards = earlier.gate.guards
    assert (guards.bias, guards.coverage, guards.winkler, guards.segment) == (0.2, (0.6, 0.98), 0.05, 0.2)
    assert (guards.series_worse, guards.maximum) == (0.5, 3.0)
    hints = earlier.gate.hints
    assert [hint.split()[0] for hint in hints] == [
        f"gate.guards.{name}" for name in ("bias", "coverage", "secondary", "segment", "winkler")
    ]
    assert hints[0] == "gate.guards.bias blocks a challenger; as gate.warnings.bias it only warns."
    assert problem.gate.hints == ()


def test_a_policy_that_names_no_guard_has_the_limits_far_out_and_the_warnings(
    tmp_path: Path, problem: Problem
) -> None:
    text = problem.path.read_text(encoding="utf-8")
    short = written(tmp_path, text[: text.index("gate:")] + "gate: {origins: 8, step: 7}").gate
    assert short == problem.gate, "the default problem writes the defaults out"
    assert (short.guards.bias, short.warnings.bias, short.guards.winkler) == (3.0, 0.2, None)
    assert short.hints == ()
