"""What changed in the data since the champion was trained: its series, and the values of past dates.

A service answers 422 for a series that its model has lost, and a forecast from a series that came late is a guess. So
both are named, and beyond the limits of the contract they refuse the data. Without a limit a person is asked: the
champion stays until somebody overrides the gate or sets a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from forecasting.data.delivery import check_series
from forecasting.data.notes import LATE, LOST, RENAMED, set_changes
from forecasting.data.series import TOTALS, Panel
from forecasting.decision.blocks import ACCEPTED, KEPT, Verdict
from forecasting.decision.gate import ASKED, OLDER
from forecasting.errors import Finding
from forecasting.models.model_file import StoredModel
from forecasting.problem.sections import Contract

UNCHANGED = 1e-9  # relative difference of two sums of the same numbers
Facts = dict[str, Any]


def with_changes(facts: Mapping[str, Any], panel: Panel, champion: StoredModel) -> Facts:
    """The facts of a panel with what differs from the data that the champion was trained on."""
    changes = set_changes(panel.keys, champion.model.keys)
    revised = _revised(panel, champion)
    notes = [*facts.get("notes", ()), *(change.said for change in changes)]
    told: Facts = {**facts.get("changes", {}), **{change.kind: change.as_json() for change in changes}}
    if revised is not None:
        share, size = revised["share"], revised["size"]
        notes.append(f"{share:.1%} of {revised['dates']} past dates revised, by {size:.1%} of their size on average")
    found = {"notes": notes, "changes": told, "revised": revised}
    return {**facts, **{name: value for name, value in found.items() if value}}


def check_presence(facts: Mapping[str, Any], champion: StoredModel | None, contract: Contract) -> list[Finding]:
    """Find more late or lost series than the contract admits; a renamed one is lost under its old name."""
    changes = facts.get("changes", {})
    late, lost, renamed = (changes.get(kind, {"count": 0, "names": []}) for kind in (LATE, LOST, RENAMED))
    findings = check_series(LATE, late["names"], late["count"], facts["series"], contract)
    if champion is not None:
        names, count = [*lost["names"], *renamed["names"]], lost["count"] + renamed["count"]
        findings += check_series(LOST, names, count, len(champion.model.keys), contract)
    return findings


def asking(verdict: Verdict, facts: Mapping[str, Any], contract: Contract) -> Verdict:
    """The verdict where series are lost or late and nobody has said how many may be: the champion stays."""
    changes = facts.get("changes", {})
    for reason, kinds, limit in (
        (ASKED[0], (LOST, RENAMED), contract.lost_series),
        (ASKED[1], (LATE,), contract.late_series),
    ):
        names = [name for kind in kinds if kind in changes for name in changes[kind]["names"]]
        if verdict.outcome == ACCEPTED and names and limit is None:
            key = f"contract.{reason.replace('-', '_')}"
            said = f"{' and '.join(kind for kind in kinds if kind in changes)} series: {', '.join(names)}"
            asked = f"A person decides: override the gate, or set {key} to the share that is right."
            return Verdict(outcome=KEPT, reason=reason, sentence=f"{verdict.sentence} But {said}. {asked}")
    return verdict


def keeping_newer(verdict: Verdict, challenger: StoredModel, champion: StoredModel) -> Verdict:
    """The verdict where the challenger's data ends before the champion's: the champion stays; a person may decide.

    Users would get forecasts that know less than those of yesterday, and the windows that the two were compared on
    leave out the champion's newest data.
    """
    ours, theirs = challenger.model.cutoff, champion.model.cutoff
    if verdict.outcome != ACCEPTED or ours >= theirs:
        return verdict
    said = f"its data ends on {ours}, and the champion's on {theirs}"
    asked = "Train on the newest data, or override the gate."
    return Verdict(outcome=KEPT, reason=OLDER, sentence=f"{verdict.sentence} But {said}. {asked}")


def _revised(panel: Panel, champion: StoredModel) -> Facts | None:
    """How many of the dates that both have differ, and by how much; None where none does or the series are others."""
    totals = champion.manifest.get(TOTALS)
    if totals is None or set(panel.keys) != set(champion.model.keys) or panel.calendar != champion.model.calendar:
        return None
    start = panel.calendar.between(panel.first, date.fromisoformat(totals["first_date"]))
    before = np.array(totals["values"], dtype=np.float64)[max(0, -start) :]
    now = panel.values.sum(axis=0)[max(0, start) :]
    dates = min(len(before), len(now))
    before, now = before[:dates], now[:dates]
    size = np.abs(now - before) / np.where(before == 0, 1.0, np.abs(before))
    changed = size > UNCHANGED
    if not changed.any():
        return None
    return {"dates": dates, "share": float(changed.mean()), "size": float(size[changed].mean())}
