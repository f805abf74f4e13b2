"""Series that are lost, renamed, new or late, and revised past days: named in decision and report, asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml

from forecasting.data.notes import Change
from forecasting.data.series import TOTALS, Panel, facts_of, totals_of, write_series
from forecasting.decision.blocks import Override, Request
from forecasting.decision.decide import Champion, Decision, decide_candidate
from forecasting.decision.record import parse_decision
from forecasting.decision.report import report
from forecasting.errors import ContractError
from forecasting.models.catalog import fit, make_recipe
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import History, Recipe
from forecasting.problem.problem_file import Problem
from tests.unit.forecasting.candidates import WEEKLY

REQUEST = Request(
    reason="schedule", build_id="1", commit="c", run_id="run-1", step_run_id="step-1", model_name="shops",
    decided_at="2026-01-01T00:00:00+00:00", workspace=None,
)  # fmt: skip
LEVEL = make_recipe("window_mean", {"days": 7})
FIRST, DAYS, MONTH = date(2024, 1, 1), 300, 60


def panel(*keys: str, days: int = DAYS) -> Panel:
    """Shops with a busy weekend, each of another size."""
    chance = np.random.default_rng(5)
    noise = chance.uniform(0.8, 1.2, (len(keys), DAYS + MONTH))
    week = np.where(np.arange(DAYS + MONTH) % 7 < 5, 1.0, 2.0)
    values = (noise * week * np.arange(1, len(keys) + 1)[:, None])[:, :days]
    return Panel(FIRST, values, keys)


def candidate(folder: Path, series: Panel, sha256: str, recipe: Recipe = WEEKLY) -> Path:
    facts = facts_of(series, sha256 * 64, 1000, "shops.csv")
    write_series(folder, series, facts)
    model = fit(recipe, History(series.values, series.last, 7, 28), series.keys)
    about = {"data": facts, "selection": {"last_day": str(series.day(series.days - 78))}, TOTALS: totals_of(series)}
    write_model(folder, model, "shops", 28, about)
    return folder


def shops(folder: Path, **contract: float) -> Problem:
    sections = {
        "source": {"date": "Day", "measures": ["Units"]},
        "series": {"name": "shops", "keys": ["Shop"], "measure": "Units", "aggregation": "sum", "missing": "zero"},
        "contract": contract,
        "training": {
            "horizon": 28, "metric": "mase", "candidates": [{"recipe": "same_weekday_mean", "weeks": 8}],
            "selection": {"origins": 8, "step": 7, "margin": 0.02, "held_back": 77},
        },
        "gate": {"origins": 8, "step": 7},
    }  # fmt: skip
    (folder / "shops.yml").write_text(yaml.safe_dump(sections))
    return Problem(folder / "shops.yml")


def decided(folder: Path, series: Panel, override: Override | None = None, **contract: float) -> Decision:
    """A newer fit against the champion of the shops A and B, which is due to be renewed."""
    champion = read_model(candidate(folder / "champion", panel("A", "B"), "a"))
    newer = candidate(folder / "newer", series, "b")
    return decide_candidate(shops(folder, **contract), newer, Champion(champion), REQUEST, override=override)


def test_the_same_series_are_no_change(tmp_path: Path) -> None:
    evidence = decided(tmp_path, panel("A", "B", days=DAYS + MONTH)).record.evidence
    assert (evidence.outcome, evidence.reason) == ("accepted", "refresh")
    assert (evidence.data.changes, evidence.data.revised, evidence.data.notes) == ({}, None, ())


def test_a_lost_series_asks_a_person_and_is_named_everywhere(tmp_path: Path) -> None:
    decision = decided(tmp_path, panel("A", "C", days=DAYS + MONTH))
    evidence = decision.record.evidence
    assert (evidence.outcome, evidence.reason) == ("kept", "lost-series")
    assert "lost series: B. A person decides" in evidence.sentence
    assert {kind: change.names for kind, change in evidence.data.changes.items()} == {"lost": ("B",), "new": ("C",)}
    page = report(decision.record, read_model(tmp_path / "newer").model, decision.judgement)
    assert "1 series of the champion gone, no longer forecast: B" in page
    assert "1 series new, unknown to the champion: C" in page
    assert parse_decision(decision.record.content).evidence == evidence


def test_a_person_may_accept_the_loss(tmp_path: Path) -> None:
    override = Override(person="Ada", reason="shop B has closed")
    evidence = decided(tmp_path, panel("A", "C", days=DAYS + MONTH), override).record.evidence
    assert (evidence.outcome, evidence.reason, evidence.gate.reason) == ("accepted", "override", "lost-series")


@pytest.mark.parametrize("name", ["b", "B ", "\uff22"])
def test_a_renamed_series_is_told_with_both_names(tmp_path: Path, name: str) -> None:
    evidence = decided(tmp_path, panel("A", name, days=DAYS + MONTH)).record.evidence
    assert evidence.reason == "lost-series"
    assert evidence.data.changes.keys() == {"renamed"}
    assert f"1 series renamed, clients must adapt: 'B' is now {name!a}" in evidence.data.notes


def test_within_the_limit_nobody_is_asked_and_beyond_it_the_data_is_refused(tmp_path: Path) -> None:
    series = panel("A", "C", days=DAYS + MONTH)
    assert decided(tmp_path, series, lost_series=0.5).record.evidence.outcome == "accepted"
    with pytest.raises(
        ContractError, match=r"at B: 1 of 2 series lost; expected at most 40% \(contract.lost_series\)"
    ):
        decided(tmp_path, series, lost_series=0.4)


def test_a_late_series_asks_a_person_too(tmp_path: Path) -> None:
    late = Change("late", ("B",), "1 series late: B: no row since 2024-12-20, 5 days")
    series = replace(panel("A", "B", days=DAYS + MONTH), changes=(late,), notes=(late.said,))
    evidence = decided(tmp_path, series).record.evidence
    assert (evidence.outcome, evidence.reason) == ("kept", "late-series")
    assert decided(tmp_path, series, late_series=0.5).record.evidence.outcome == "accepted"
    with pytest.raises(ContractError, match="1 of 2 series late"):
        decided(tmp_path, series, late_series=0.1)


@pytest.mark.parametrize(("days", "outcome"), [(DAYS, "accepted"), (DAYS - 1, "kept")])
def test_a_challenger_of_older_data_than_the_champions_is_for_a_person(
    tmp_path: Path, days: int, outcome: str
) -> None:
    blind = read_model(candidate(tmp_path / "champion", panel("A", "B"), "a", LEVEL))
    better = candidate(tmp_path / "better", panel("A", "B", days=days), "b")
    problem, champion = shops(tmp_path), Champion(blind)
    evidence = decide_candidate(problem, better, champion, REQUEST).record.evidence
    assert evidence.outcome == outcome
    if outcome == "kept":
        assert evidence.reason == "older-data"
        assert "But its data ends on 2024-10-25, and the champion's on 2024-10-26." in evidence.sentence
        ada = Override(person="Ada", reason="the last day was wrong")
        evidence = decide_candidate(problem, better, champion, REQUEST, override=ada).record.evidence
        assert (evidence.outcome, evidence.gate.reason) == ("accepted", "older-data")


def test_revisions_of_past_days_are_reported_with_share_and_size(tmp_path: Path) -> None:
    series = panel("A", "B", days=DAYS + MONTH)
    values = series.values.copy()
    values[:, :30] *= 1.1
    values[:, DAYS + 5] *= 3  # a new day is no revision
    evidence = decided(tmp_path, replace(series, values=values)).record.evidence
    revised = evidence.data.revised
    assert revised is not None
    assert revised.dates == DAYS
    assert (revised.share, revised.size) == pytest.approx((0.1, 0.1))
    assert "10.0% of 300 past dates revised, by 10.0% of their size on average" in evidence.data.notes


def test_a_later_first_day_is_no_revision(tmp_path: Path) -> None:
    series = panel("A", "B", days=DAYS + MONTH)
    later = Panel(series.day(10), series.values[:, 10:], series.keys)
    assert decided(tmp_path, later).record.evidence.data.revised is None
