"""How often is the promotion gate right? Real series of several families, judged by what happened afterwards.

    python -m bench.forecasting.gate_simulation [--data FILE --metric mase] ...

At each of several decisions every ordered pair of the contenders plays champion and challenger. A gate sees the past
only; the truth is the mean error over the next five weekly origins. `--data` judges a family of your own: a file with
a day a row and a series a column, .csv or .csv.gz. Prints the tables of README.md.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from bench.forecasting.gate_data import Table, table_of, tables, wide
from bench.forecasting.gate_errors import LABELS, NAIVE, Errors, errors_of
from bench.forecasting.gate_rules import (
    FUTURE,
    MARGIN_ONLY,
    YEAR,
    Pairs,
    Rows,
    Rules,
    Scene,
    promotes,
    proposed,
    sound,
)
from forecasting.models.recipe import Array

FIRST_DECISION = 203  # days of history: the ridge's 84, and the windows of choice and gate
POOLED, ALONE = 50, 60  # series of a pooled problem; series that are judged one by one
BUSY = 1 / 3  # of the days that a series must be active to be judged alone
MANY_DAYS = 600  # beyond, every fourth decision is taken
PRODUCT, CLEARLY = Rules(), 0.98
Setting = dict[str, Rules]
PROBABILITIES = (None, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
WORSE = (None, 0.7, 0.6, 0.55, 0.5)
BANDS = ((0.2, 1.0), (0.6, 0.98))
WITH_YEAR = replace(MARGIN_ONLY, year_ago=PRODUCT.year_ago)
COSTS: Setting = {
    "margin alone, 8 weekly origins": MARGIN_ONLY,
    **{f"{count} weekly origins": replace(MARGIN_ONLY, origins=count) for count in (4, 12)},
    **{f"8 weekly, {count} of a year ago": replace(MARGIN_ONLY, year_ago=count) for count in (3, 5, 8)},
    **{f"8 + 5, significance {limit}": replace(WITH_YEAR, probability=limit) for limit in PROBABILITIES[1:]},
    **{f"8 + 5, series_worse {limit}": replace(WITH_YEAR, worse=limit) for limit in WORSE[1:]},
    **{f"8 + 5, bias {limit}": replace(WITH_YEAR, bias=limit) for limit in (3.0, 0.2)},
    **{f"8 + 5, coverage {low:g} to {high:g}": replace(WITH_YEAR, coverage=(low, high)) for low, high in BANDS},
    **{f"8 + 5, maximum {limit}": replace(WITH_YEAR, maximum=limit) for limit in (5.0, 3.0)},
    "8 + 5, winkler 0.05": replace(WITH_YEAR, winkler=0.05),
    "8 + 5, secondary 0.02": replace(WITH_YEAR, secondary=0.02),
    "8 + 5, segment 0.2": replace(WITH_YEAR, segment=0.2),
}
FRONTIER: Setting = {
    f"margin {margin:.0%}, {8 + year} origins": replace(PRODUCT, margin=margin, year_ago=year)
    for year in (0, PRODUCT.year_ago)
    for margin in (0.0, 0.01, 0.02, 0.03, 0.05)
}


@dataclass
class Tally:
    """Counts of one gate over pairs of a champion and a challenger."""

    asked: int = 0
    promoted: int = 0
    wrong: int = 0
    clearly: int = 0
    missed: int = 0

    def add(self, accepted: Pairs, ratio: Array) -> None:
        """All pairs of a scene. ratio: challenger's error afterwards over the champion's."""
        pairs = ~np.eye(len(LABELS), dtype=bool)
        clearly = pairs & (ratio <= CLEARLY)
        self.asked += int(pairs.sum())
        self.promoted += int((accepted & pairs).sum())
        self.wrong += int((accepted & pairs & (ratio >= 1)).sum())
        self.clearly += int(clearly.sum())
        self.missed += int((clearly & ~accepted).sum())

    @property
    def wrong_share(self) -> float:
        """Wrong promotions, of all decisions."""
        return self.wrong / max(1, self.asked)

    @property
    def missed_share(self) -> float:
        """Challengers better by 2 % or more that were not promoted."""
        return self.missed / max(1, self.clearly)


@dataclass
class First:
    """Counts of first models and of refreshes."""

    asked: int = 0
    better: int = 0
    refused: int = 0
    replaced: int = 0
    refreshes: int = 0
    blocked: int = 0


@dataclass
class Results:
    """Everything that is counted of one family, by gate."""

    name: str
    year: bool
    pairs: dict[str, Tally] = field(default_factory=dict)
    cross: dict[tuple[float | None, float | None], Tally] = field(default_factory=dict)
    first: First = field(default_factory=First)

    def add(self, scene: Scene, *, grid: bool) -> None:
        """Let every gate decide. grid: also those that the cross-validation chooses from."""
        ratio = scene.ratio()
        gates = {"margin only": MARGIN_ONLY, "gate": PRODUCT, **COSTS, **FRONTIER}
        for name, rules in gates.items():
            self.pairs.setdefault(name, Tally()).add(promotes(scene, rules), ratio)
        for probability in PROBABILITIES if grid else ():
            for worse in WORSE:
                rules = replace(WITH_YEAR, probability=probability, worse=worse)
                self.cross.setdefault((probability, worse), Tally()).add(promotes(scene, rules), ratio)
        self._first_model(scene)

    def _first_model(self, scene: Scene) -> None:
        """What is proposed without a champion, and whether a refit of the same recipe may replace an old one."""
        counts, baseline = self.first, LABELS.index(NAIVE.label)
        passes = sound(scene, replace(PRODUCT, bias=None, coverage=None))
        counts.refreshes += len(LABELS)
        counts.blocked += int((~np.diag(passes)).sum())
        if scene.chosen_on is None:
            return
        chosen, others = proposed(scene, PRODUCT)
        errors = scene.seen(PRODUCT).errors.mean(axis=1)
        counts.asked += 1
        counts.better += bool(scene.after[chosen] < scene.after[baseline])
        serves = next(number for number in others if errors[number] <= errors[baseline])
        counts.replaced += serves != chosen
        counts.refused += not _first_passes(scene, serves)


def _first_passes(scene: Scene, number: int) -> bool:
    """Whether the hard limits let a first model pass, which has no champion beside it."""
    coverage, bias = scene.coverage, scene.bias[number]
    band = PRODUCT.coverage or (0.0, 1.0)
    inside = coverage is None or band[0] <= coverage[number] <= band[1]
    return bool(
        inside
        and bias <= (PRODUCT.bias or np.inf)
        and scene.seen(PRODUCT).largest[number] <= (PRODUCT.maximum or np.inf)
    )


def simulate(table: Table, problems: int) -> list[Results]:
    """Pooled problems and single series, on histories without and with origins of a year ago."""
    errors, found = errors_of(table), []
    for alone in (False, True)[: 1 + table.alone]:
        kind = "one by one" if alone else f"{min(POOLED, max(5, len(table.values) // 2))} pooled"
        for year in (False, True):
            results = Results(f"{table.name}, {kind}", year)
            for scene in _scenes(table, errors, year=year, alone=alone, problems=problems):
                results.add(scene, grid=not alone)
            if results.pairs:
                found.append(results)
    return found


def _scenes(table: Table, errors: Errors, *, year: bool, alone: bool, problems: int) -> Iterator[Scene]:
    chance = np.random.default_rng(1)
    places = [
        place
        for place in range(len(errors.days) - FUTURE + 1)
        if errors.days[place] >= FIRST_DECISION and (place >= YEAR) == year
    ]
    step = 4 if table.values.shape[1] > MANY_DAYS else 1
    for place in places[::step]:
        for rows in _singles(table) if alone else _draws(table, problems, chance):
            scene = Scene(errors, place, rows, "mae" if alone else table.metric)
            if scene.usable:
                yield scene


def _draws(table: Table, problems: int, chance: np.random.Generator) -> Iterator[Rows]:
    count = len(table.values)
    for _ in range(problems):
        yield chance.choice(count, min(POOLED, max(5, count // 2)), replace=False)
    yield np.arange(count)


def _singles(table: Table) -> Iterator[Rows]:
    busy = np.flatnonzero((table.values > 0).mean(axis=1) >= BUSY)
    for row in busy[:: max(1, len(busy) // ALONE)]:
        yield np.array([row])


def _table(title: str, columns: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for cells in rows:
        print(f"| {' | '.join(cells)} |")


def _history(results: Results) -> str:
    return "a year" if results.year else "short"


def show_pairs(found: Sequence[Results]) -> None:
    """Wrong promotions and missed challengers of the margin alone and of the gate."""

    def rows() -> Iterator[Sequence[str]]:
        for results in found:
            base, gate = results.pairs["margin only"], results.pairs["gate"]
            limit = 0.15 if results.year else base.missed_share + 0.01
            kept = gate.wrong_share <= base.wrong_share and gate.missed_share <= limit
            yield (
                results.name, _history(results), f"{gate.asked}",
                f"{base.wrong_share:.2%}", f"{gate.wrong_share:.2%}",
                f"{base.missed_share:.1%}", f"{gate.missed_share:.1%}", f"{limit:.1%}", "yes" if kept else "no",
            )  # fmt: skip

    columns = (
        "family", "history", "decisions", "wrong: margin only", "wrong: gate", "missed: margin only", "missed: gate",
        "limit", "kept",
    )  # fmt: skip
    _table("Promotions", columns, rows())


def show_first(found: Sequence[Results]) -> None:
    """First models that are refused, and refreshes that are blocked."""

    def rows() -> Iterator[Sequence[str]]:
        for results in found:
            first = results.first
            asked = max(1, first.asked)
            yield (
                results.name, _history(results), f"{first.asked}", f"{first.better / asked:.1%}",
                f"{first.replaced / asked:.1%}", f"{first.refused / asked:.1%}",
                f"{first.blocked / max(1, first.refreshes):.2%}",
            )  # fmt: skip

    columns = (
        "family", "history", "first models", "truly better than seasonal naive", "a simpler one proposed by the gate",
        "refused", "refreshes blocked",
    )  # fmt: skip
    _table("First models and refreshes", columns, rows())


def show_settings(title: str, found: Sequence[Results], names: Sequence[str]) -> None:
    """Wrong promotions and missed challengers by setting, a family a column."""

    def rows() -> Iterator[Sequence[str]]:
        for name in names:
            cells = (f"{one.pairs[name].wrong_share:.2%} / {one.pairs[name].missed_share:.1%}" for one in found)
            yield (name, *cells)

    _table(title, ("wrong / missed", *(f"{one.name}, {_history(one)}" for one in found)), rows())


def show_cross(found: Sequence[Results]) -> None:
    """The tightest limits that cost at most a point on the other families, and their cost on the one left out."""
    pooled = [results for results in found if results.cross and not results.year]
    free = (None, None)

    def cost(results: Results, limits: tuple[float | None, float | None]) -> float:
        return results.cross[limits].missed_share - results.cross[free].missed_share

    def rows() -> Iterator[Sequence[str]]:
        for held in pooled:
            others = [results for results in pooled if results is not held]
            fair = [limits for limits in held.cross if all(cost(other, limits) <= 0.01 for other in others)]
            tightest = min(fair, key=lambda limits: sum(other.cross[limits].wrong for other in others))
            wrong, base = held.cross[tightest].wrong_share, held.cross[free].wrong_share
            yield (
                held.name,
                f"{tightest[0]}",
                f"{tightest[1]}",
                f"{cost(held, tightest):+.1%}",
                f"{base:.2%}",
                f"{wrong:.2%}",
            )

    columns = ("left out", "significance", "series_worse", "missed more", "wrong without", "wrong with")
    _table("Limits chosen without a family, and their cost on it", columns, rows())


def main() -> int:
    """Run the simulation and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder of the two retail files")
    parser.add_argument(
        "--packages", type=Path, default=Path("build/gate_packages"), help="folder to install data to"
    )
    parser.add_argument("--problems", type=int, default=20, help="problems drawn for each decision")
    parser.add_argument("--data", type=Path, help="judge this family alone: a day a row, a series a column")
    parser.add_argument("--metric", choices=("mase", "rmsse"), default="mase", help="of --data, pooled")
    args = parser.parse_args()
    threadpool_limits(1)  # the products are small: threads would wait for each other
    warnings.simplefilter("ignore", RuntimeWarning)  # a series that has not varied has no error
    started = time.perf_counter()
    own = [table_of(args.data.name, wide(args.data), args.metric, alone=True)] if args.data else None
    found = [
        results for table in own or tables(args.shared, args.packages) for results in simulate(table, args.problems)
    ]
    show_pairs(found)
    show_first(found)
    pooled = [results for results in found if "pooled" in results.name]
    show_settings("Cost of each setting", pooled, list(COSTS))
    show_settings("Frontier", [one for one in found if one.year] or found, list(FRONTIER))
    if len(pooled) > 1:
        show_cross(found)
    print(f"\n{time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
