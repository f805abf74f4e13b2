"""Is it noticed that rows were not delivered yet? False notes and power of the note on the newest week.

    python -m bench.forecasting.late_simulation

The families of the gate simulation are cut every week; at each cut nothing is late, or a share of the series ends one
or two weeks early. *By series* is the share of those series that the rule for single series finds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.forecasting.gate_data import Table, tables
from forecasting.calendars import DAILY
from forecasting.data.notes import COMPARED, FEW_SERIES, SKIPPED, edges_of, thin_end_notes
from forecasting.models.recipe import Array

WEEK = DAILY.season
LATE = (0.2, 0.3, 0.5)  # shares of the series
MOST_WEEKS = 2


def cuts(table: Table) -> Iterator[Array]:
    """The table as it was at the end of each week, NaN where there is no row; from the first that is compared on."""
    rows = np.where(table.values > 0, table.values, np.nan)
    days = rows.shape[1]
    for cut in range(days - (days // WEEK - COMPARED - SKIPPED - 1) * WEEK, days + 1, WEEK):
        seen = rows[:, :cut]
        yield seen[~np.isnan(seen).all(axis=1)]


def late(rows: Array, share: float, chance: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """Rows of which a share of the series ends one or two weeks early, and which those are."""
    chosen = np.flatnonzero(chance.random(len(rows)) < share)
    without = rows.copy()
    for row, weeks in zip(chosen, chance.integers(1, MOST_WEEKS + 1, len(chosen)), strict=True):
        without[row, -WEEK * weeks :] = np.nan
    return without, chosen[~np.isnan(without[chosen]).all(axis=1)]


def row_of(table: Table, chance: np.random.Generator) -> str:
    """One row of the table."""
    noted: list[list[bool]] = []
    found = total = 0
    for rows in cuts(table):
        if len(rows) < FEW_SERIES:
            continue
        row = [bool(thin_end_notes(rows, DAILY))]
        for share in LATE:
            without, chosen = late(rows, share, chance)
            kept = without[~np.isnan(without).all(axis=1)]
            row.append(bool(thin_end_notes(kept, DAILY)))
        edges = edges_of(without[chosen], DAILY)
        found, total = found + len(edges.late) + len(edges.ended), total + len(chosen)
        noted.append(row)
    shares = (f"{share:.1%}" if place == 0 else f"{share:.0%}" for place, share in enumerate(np.mean(noted, axis=0)))
    return f"| {table.name} | {len(noted)} | {' | '.join(shares)} | {found / total:.0%} |"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder of the two retail files")
    parser.add_argument("--packages", type=Path, default=Path("build/gate_packages"), help="folder of the others")
    given = parser.parse_args()
    columns = ["family", "cuts", "false notes", *(f"{share:.0%} late" for share in LATE), "by series"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    chance = np.random.default_rng(0)
    for table in tables(given.shared, given.packages):
        print(row_of(table, chance), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
