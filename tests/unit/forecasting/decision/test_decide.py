"""Decisions about candidate folders: what is recorded, what is refused, what a record is bound to."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from forecasting.data.series import Panel, facts_of, write_series
from forecasting.decision import words
from forecasting.decision.blocks import Override, Request
from forecasting.decision.decide import Champion, decide_candidate
from forecasting.decision.record import parse_decision, read_decision
from forecasting.decision.report import report
from forecasting.errors import ContractError, ModelFileError, RefusedError, UsageError
from forecasting.json_text import strict_json
from forecasting.models.model_file import read_model
from forecasting.problem.problem_file import Problem
from tests.unit.forecasting.candidates import WEEKLY, write_candidate

REQUEST = Request(
    reason="manual", build_id="1", commit="c", run_id="run-1", step_run_id="step-1", model_name="paid-amount",
    decided_at="2026-01-01T00:00:00+00:00", workspace=None,
)  # fmt: skip


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
    assert (policy["guards"]["coverage"], policy["warnings"]["coverage"]) == ([0.2, 1.0], [0.6, 0.98])
    assert evidence["data"]["data_sha256"] == "d" * 64
    assert evidence["windows"]["origins"][0] == "2014-03-16"
    assert evidence["windows"]["last_day"] == "2014-05-31"
    assert evidence["champion"] is None
    assert set(evidence["baselines"]) == {"seasonal_naive"}
    assert [rule["code"] for rule in evidence["rules"]] == [
        "nan", "floor", "maximum", "bias", "coverage", "simpler", "winkler", "secondary", "segment", "series",
        "margin", "significance", "drift",
    ]  # fmt: skip
    assert {rule["status"] for rule in evidence["rules"]} == {"passed", "off"}
    assert evidence["significance"]["p_against_seasonal_naive"] < 0.05
    assert len(evidence["by_origin"]) == 8
    assert evidence["by_origin"][0]["errors"].keys() == {WEEKLY.label, "seasonal_naive()"}
    assert sum(evidence["residuals"]["counts"]) == 8 * 28
    assert decision.metrics["challenger_mae"] == pytest.approx(246.7, rel=0.01)
    assert document["context"] == {**dict(REQUEST), "champion": None}
    assert decision.override_tags == {}
    assert words.error(decision.evidence, None) == (
        "MAE 246.7 against 311.7 of the seasonal naive forecast: 20.9% better"
    )


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
    assert decision.override_tags == {"override_by": signed.person, "override_reason": signed.reason}
    with pytest.raises(UsageError, match="a person and a reason"):
        decide_candidate(problem, candidate, champion, REQUEST, override=Override(person="A. Turing", reason=""))


def test_the_error_names_the_champion_of_that_time(candidate: Path, problem: Problem) -> None:
    decision = decide_candidate(problem, candidate, Champion(read_model(candidate), "m", "3"), REQUEST).record
    told = words.error(decision.evidence, decision.context.champion)
    assert told.endswith(" of m:3, the champion then: equal")


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
    facts = json.loads((candidate / "facts.json").read_text())
    for judged in ({"rows_before": 880}, {"rows_before": 300, "accepted_by": "Ada", "reason": "two new shops"}):
        (candidate / "facts.json").write_text(json.dumps({**facts, "delivery": judged}))
        decide_candidate(
            problem, candidate, Champion(read_model(tmp_path / "small")), REQUEST, as_of=date(2014, 7, 1)
        )


def test_a_decision_is_bound_to_its_model_and_to_its_evidence(candidate: Path, problem: Problem) -> None:
    decision = decide_candidate(problem, candidate, None, REQUEST).record
    path = decision.write(candidate)
    sha256 = read_model(candidate).sha256
    again = read_decision(candidate, sha256)
    assert (again.sha256, again.verdict) == (decision.sha256, decision.verdict)
    with pytest.raises(ModelFileError, match="is about model sha256"):
        read_decision(candidate, "f" * 64)
    path.write_text(path.read_text().replace('"floor": 1.0', '"floor": 0.9'))
    with pytest.raises(ModelFileError, match="changed after it was hashed"):
        read_decision(candidate, sha256)
    path.write_text("{}")
    with pytest.raises(ModelFileError, match="not a decision record"):
        read_decision(candidate, sha256)
    path.unlink()
    with pytest.raises(UsageError, match="does not exist"):
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


def test_what_is_noted_of_the_series_is_in_evidence_and_report(tmp_path: Path, many: Panel, problem: Problem) -> None:
    """The champion knows a series that is gone, and not one that is new; the facts hold a note of the table."""
    keyed = tmp_path / "keyed.yml"
    text = problem.path.read_text(encoding="utf-8").replace("series:\n", "series:\n  keys: [Kind, Product]\n")
    keyed.write_text(text, encoding="utf-8")
    told = "1 series left out, fewer than 10 days that are not zero: S/1"
    write_candidate(tmp_path / "old", many.rows(range(1, 40)), WEEKLY)
    write_candidate(tmp_path / "new", replace(many.rows(range(39)), notes=(told,)), WEEKLY)
    champion = Champion(read_model(tmp_path / "old"))
    decision = decide_candidate(Problem(keyed), tmp_path / "new", champion, REQUEST)
    gone, new = many.keys[39], many.keys[0]
    assert decision.record.evidence.data.notes == (
        told,
        f"1 series of the champion gone, no longer forecast: {gone}",
        f"1 series new, unknown to the champion: {new}",
    )
    assert parse_decision(decision.record.content) == decision.record
    page = report(decision.record, read_model(tmp_path / "new").model)
    assert f"no longer forecast: {gone}" in page
    decided = decide_candidate(Problem(keyed), tmp_path / "new", None, REQUEST).record
    assert decided.evidence.data.notes == (told,)
    first = report(decided, read_model(tmp_path / "new").model)
    assert "or no champion" not in first
    assert "There was no champion to compare with." in first
    with_none = decide_candidate(Problem(keyed), tmp_path / "old", champion, REQUEST).record
    assert "notes" not in strict_json(with_none.content)["evidence"]["data"], "as before where there is none"
