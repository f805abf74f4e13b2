"""Checks of a delivery as a whole: its size against the last accepted one, its order, its length, its age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from forecasting.calendars import MONTHLY
from forecasting.data.notes import LATE, LOST
from forecasting.data.series import Panel
from forecasting.errors import Finding
from forecasting.limits import LARGEST
from forecasting.problem.sections import Contract, Source

DELIVERY, BEFORE, ACCEPTED = "delivery", "rows_before", "accepted_by"
"""Key of a table's facts, and what stands there: the rows of the version before it, and who has accepted it."""


def without_delivery(contract: Contract) -> Contract:
    """The contract without what judges a delivery as a whole, which a person has accepted: size, length, age.

    Checks of the file, its cells, rows and series stay: no person can make these readable.
    """
    nothing = {"rows_change": None, "min_days": None, "max_age_days": None, "late_series": None}
    return contract.model_copy(update=nothing)


def check_rows(rows: int, accepted: int | None, contract: Contract) -> list[Finding]:
    """Find a jump in the number of rows, which a person checks first; accepted None: nothing to compare."""
    if contract.rows_change is None or not accepted:
        return []
    change = rows / accepted - 1
    if abs(change) <= contract.rows_change:
        return []
    found = f"has {rows} rows, {change:+.0%} against the last accepted version's {accepted}"
    expected = f"a change of at most {contract.rows_change:.0%}"
    return [Finding("", (), found, expected, "Check the delivery; widen contract.rows_change if it is right.")]


def check_series(kind: str, names: Sequence[str], count: int, of: int, contract: Contract) -> list[Finding]:
    """Find more late or lost series than the contract admits; without a limit a person is asked later.

    names: of some of them; count: how many there are, of so many.
    """
    limit = {LATE: contract.late_series, LOST: contract.lost_series}[kind]
    if limit is None or count <= limit * of:
        return []
    found, fix = f"{count} of {of} series {kind}", f"Deliver their rows, or raise contract.{kind}_series."
    return [Finding("", tuple(names), found, f"at most {limit:.0%} (contract.{kind}_series)", fix)]


def check_history(panel: Panel, source: Source, contract: Contract, as_of: date | None) -> list[Finding]:
    """Find too little history, and data that is too old where a day of the run is given."""
    findings = []
    after = panel.day(panel.days)
    if contract.min_days is not None and (after - panel.first).days < contract.min_days:
        found = f"{panel.calendar.count(panel.days)} from {panel.first} to {panel.last}"
        findings.append(
            Finding(source.date, (), found, f"at least {contract.min_days} days", "Deliver a longer history.")
        )
    if contract.max_age_days is not None and as_of is not None and (as_of - panel.last).days > contract.max_age_days:
        found = f"the newest day is {panel.last}, {(as_of - panel.last).days} days before {as_of}"
        expected = f"at most {contract.max_age_days} days (contract.max_age_days)"
        fix = f"Deliver the newest {panel.calendar.units}."
        findings.append(Finding(source.date, (), found, expected, fix))
    if panel.calendar == MONTHLY and as_of is not None and panel.last <= as_of < after:
        fix = "Deliver it after the end of the month, or set series.last_date."
        found = f"the month of {panel.last} has not ended on {as_of}"
        findings.append(Finding(source.date, (), found, "whole months", fix))
    return findings


def check_order(last: date, source: Source, newest: date | None) -> list[Finding]:
    """Find a table that ends before the newest data version does: an old file that was delivered again.

    last: the last day of the table; newest: that of the version, None: nothing to compare.
    """
    if newest is None or last >= newest:
        return []
    found, expected = f"ends on {last}", f"{newest}, the last day of the newest data version, or later"
    return [Finding(source.date, (), found, expected, "Deliver the newest table.")]


def check_sums(panel: Panel, measure: str) -> list[Finding]:
    """Find steps whose sum is too large to compute with; a row by itself is bounded by contract.max_value."""
    large = np.argwhere(np.abs(panel.values) > LARGEST)
    if not len(large):
        return []
    places = tuple(f"{panel.keys[row]} {panel.day(column)}" for row, column in large.tolist())
    found = f"a {panel.calendar.unit} that is too large"
    return [Finding(measure, places, found, f"up to {LARGEST:g}", "Use a larger unit.")]
