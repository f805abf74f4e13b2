"""The data contract: every check of a delivered table, made before anything is trained from it.

| what        | where          | checks                                                                              |
|-------------|----------------|-------------------------------------------------------------------------------------|
| file        | reading.py     | one table, whole archive, encoding, separator, cells as in the header, rows    |
| cells       | rows.py        | `CELL_CHECKS`: day, type, key, finite, large, not negative, count                   |
| rows        | rows.py        | totals; duplicates; days in the future                                              |
| series      | regular.py     | days of the problem; no missing day, or day of a series; number of series           |
| delivery    | delivery.py    | change in rows; order; length; age; sums that are too large                         |

A file that cannot be read is refused at once. Of all other checks every finding is collected first, so that whoever
delivers the data corrects it once, not five times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from forecasting.data.delivery import (
    check_history,
    check_order,
    check_rows,
    check_series,
    check_sums,
    without_delivery,
)
from forecasting.data.future import with_known, without_ahead
from forecasting.data.notes import LATE
from forecasting.data.reading import PLAIN, find_table, read_cells
from forecasting.data.regular import panel_of
from forecasting.data.rows import check_duplicates, short_last_day, typed_rows, without_future
from forecasting.data.series import Panel, sha256_of
from forecasting.errors import ContractError, UsageError
from forecasting.problem.reading import Reading
from forecasting.problem.sections import Contract, Future, SeriesRule, Source, demand_columns, demand_future

CONTRACT_VERSION = "3"


@dataclass(frozen=True)
class Delivery:
    """What is known beside the table. as_of: the day of the run, for freshness and the future; None: not checked.

    accepted_rows: rows of the last accepted data version; None: there is none. newest: last day of the newest data
    version, before which a delivery may not end; None: not checked.
    """

    as_of: date | None = None
    accepted_rows: int | None = None
    newest: date | None = None


def waived(contract: Contract, delivery: Delivery) -> tuple[Contract, Delivery]:
    """Both without what judges the delivery as a whole, its order too; a person has accepted it."""
    return without_delivery(contract), replace(delivery, accepted_rows=None, newest=None)


def read_table(
    path: Path,
    source: Source,
    rule: SeriesRule,
    contract: Contract | None = None,
    delivery: Delivery | None = None,
    *,
    reading: Reading = PLAIN,
    future: Future | None = None,
) -> tuple[Panel, str, int]:
    """Check the table and make the daily series of it.

    Returns the series, the sha256 of the file and its number of rows.
    Raises: ContractError with all findings, UsageError (no such file; the problem names a measure that the
    source does not have).
    """
    future = future or Future()
    try:
        demand_columns(source, rule)
        demand_future(future, source, rule)
    except ValueError as mistake:
        raise UsageError(f"{mistake}.") from None
    table = find_table(path)
    sha256 = sha256_of(table)
    try:
        panel, rows = _check(
            table, source, rule, contract or Contract(), delivery or Delivery(), reading=reading, future=future
        )
    except ContractError as refusal:
        refusal.facts["data_sha256"] = sha256
        raise
    return panel, sha256, rows


def _check(
    table: Path,
    source: Source,
    rule: SeriesRule,
    contract: Contract,
    delivery: Delivery,
    *,
    reading: Reading,
    future: Future,
) -> tuple[Panel, int]:
    """Make every check of the contract, in the order in which findings are listed."""
    raw = read_cells(table, [*_columns(source, rule), *future.names], reading)
    every = raw if future else None
    raw = without_ahead(raw, source, reading) if future else raw
    rows = len(raw)
    frame, findings = typed_rows(raw, source, rule, contract, reading)
    del raw  # the text of a large table is several times its numbers
    findings += [] if reading.several_rows else check_duplicates(frame, source, rule)
    frame, ahead = without_future(frame, source, rule, delivery.as_of)
    findings += ahead
    findings += check_rows(rows, delivery.accepted_rows, contract)
    named = (frame[list(rule.keys)] != "").all(axis=1)
    # A day that cannot be read would be reported again, as one without a row, and a row without a name as a series.
    if frame[source.date].isna().any() or (len(frame) and not named.any()):
        raise ContractError(str(table), findings)
    panel, irregular = panel_of(frame[named], source, rule, contract)
    findings += irregular
    if panel is not None:
        findings += check_history(panel, source, contract, delivery.as_of)
        findings += check_order(panel.last, source, delivery.newest)
        late = [name for change in panel.changes if change.kind == LATE for name in change.names]
        findings += check_series(LATE, late, len(late), len(panel.keys), contract)
        findings += [] if findings else check_sums(panel, rule.measure)
        if every is not None and not findings:
            panel, findings = with_known(panel, every, source, rule, future, reading=reading)
        if reading.several_rows:
            panel = replace(panel, notes=(*panel.notes, *short_last_day(frame[source.date])))
    if findings or panel is None:
        raise ContractError(str(table), findings)
    return panel, rows


def _columns(source: Source, rule: SeriesRule) -> list[str]:
    """The columns that are read, each once."""
    optional = [name for name in (source.type, source.count) if name]
    return list(dict.fromkeys([source.date, *optional, *rule.keys, *source.measures]))
