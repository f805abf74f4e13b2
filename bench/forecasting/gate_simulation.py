"""How often is a promotion gate right? Champions and challengers on real series, judged by what happened afterwards.

    python -m bench.forecasting.gate_simulation --data series500.csv.gz

The file has a day a row and a series a column. On each of several days every ordered pair of the contenders plays
champion and challenger. A gate sees the past only; the truth is the mean error over the next five weekly origins.
The gates are the workshop's (each model on its own last 28 days), the margin alone, and ours with its guards, which
is the code of forecasting/decision/gate.py itself. Every guard is also added to the margin alone, to see its cost.

Two questions are asked: one series a problem (mean absolute error), and fifty series a problem (RMSSE).
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasting.decision.gate import decide
from forecasting.evaluation.backtest import Windows, actuals_of, backtest
from forecasting.evaluation.calibration import half_widths_of
from forecasting.evaluation.comparison import Comparison, Setting, Side, compare
from forecasting.evaluation.metrics import Actuals, by_series
from forecasting.models.catalog import make_recipe
from forecasting.models.recipe import Array, History
from forecasting.problem.sections import GatePolicy

HORIZON, SEASON, STEP = 28, 7, 7
FUTURE = 5  # weekly origins after the decision that say what was right
DECISIONS = (207, 221, 235, 249)  # days of history at the decision
OLDER = 56  # days between the workshop's two splits
EARLIEST = 84  # days that the ridge needs
ACTIVE = 100  # active days that a series needs to be a problem by itself
PROBLEM_SERIES = 50
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
WINDOW = make_recipe("window_mean", {"days": 56.0})
CONTENDERS = (
    make_recipe("seasonal_naive", {}),
    *(make_recipe("same_weekday_mean", {"weeks": weeks}) for weeks in (4.0, 8.0, 12.0)),
    *(make_recipe("window_mean", {"days": days}) for days in (28.0, 56.0, 84.0)),
    RIDGE,
    make_recipe("mean_of", {}, [WINDOW, RIDGE]),
)
FITTED = {RIDGE.label, CONTENDERS[-1].label}
FREE = [recipe.label for recipe in CONTENDERS[1:] if recipe.label not in FITTED]
SHRUNK = "window_mean(days=56) x 0.9"  # a contender that is biased on purpose
POLICY = GatePolicy(origins=8, step=STEP)
GRID: dict[str, tuple[object, ...]] = {
    "bias": (0.10, 0.15, 0.20, 0.25, 0.30),
    "coverage": ((0.70, 0.95), (0.65, 0.97), (0.60, 0.98)),
    "segment": (0.05, 0.10, 0.15, 0.20, 0.30),
    "secondary": (0.0, 0.02, 0.05),
    "winkler": (0.0, 0.05, 0.10),
}
PROPOSED = "ours, with whom training proposes"
GUARDS = ("maximum", "bias", "coverage", "winkler", "secondary", "segment", "series_worse")


@dataclass
class Tally:
    """Counts of one gate."""

    asked: int = 0
    promoted: int = 0
    wrong: int = 0
    better: int = 0
    missed: int = 0
    clearly: int = 0
    clearly_missed: int = 0

    def add(self, promoted: bool, ratio: float, instead: float | None = None) -> None:
        """One pair. ratio: challenger's error afterwards over the champion's; instead: that of whom was promoted."""
        better, clearly = ratio < 1, ratio <= 1 - POLICY.margin
        self.asked += 1
        self.promoted += promoted
        self.wrong += promoted and (ratio if instead is None else instead) >= 1
        self.better += better
        self.missed += better and not promoted
        self.clearly += clearly
        self.clearly_missed += clearly and not promoted

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def row(self) -> str:
        """Promotes, promotions that are wrong, better and clearly better challengers missed, wrong of all pairs."""
        shares = ((self.wrong, self.promoted), (self.missed, self.better), (self.clearly_missed, self.clearly))
        cells = [f"{part / whole:.1%}" if whole else "-" for part, whole in shares]
        return " | ".join([f"{self.promoted / self.asked:.1%}", *cells, f"{self.wrong / self.asked:.2%}"])


@dataclass(frozen=True)
class View:
    """Windows with what was true and what every contender forecast."""

    actuals: Actuals
    predictions: dict[str, Array]


@dataclass(frozen=True)
class Scene:
    """All forecasts around one decision: what a gate may see, what came afterwards, and the workshop's old split."""

    past: View
    earlier: View
    after: View
    old: View
    days: NDArray[np.int64]
    highest: Array


def scene_at(values: Array, first: np.datetime64, decision: int) -> Scene:
    """Refit every contender at every origin around the decision."""
    last = first + (values.shape[1] - 1)
    history = History(values, pd.Timestamp(last).date(), SEASON, HORIZON)
    past = tuple(range(decision - HORIZON - 7 * STEP, decision - HORIZON + 1, STEP))
    latest = past[0] - HORIZON
    earlier = tuple(reversed(range(latest, max(EARLIEST, latest - 7 * STEP) - 1, -STEP)))
    after = tuple(range(decision, decision + FUTURE * STEP, STEP))
    views = [_view(history, origins) for origins in (past, earlier, after, (decision - OLDER - HORIZON,))]
    offset = (first - np.datetime64("1970-01-01")).astype(np.int64)
    days = offset + np.array(past)[:, None] + np.arange(HORIZON)
    return Scene(views[0], views[1], views[2], views[3], days, values[:, : past[0]].max(axis=1))


def _view(history: History, origins: tuple[int, ...]) -> View:
    windows = Windows(origins, HORIZON)
    made = backtest(history, CONTENDERS, windows)
    return View(actuals_of(history, windows), {**made, SHRUNK: 0.9 * made[WINDOW.label]})


@dataclass(frozen=True)
class Pair:
    """A champion and a challenger. ratio: challenger's error afterwards over the champion's.

    replaced: training would propose a simpler contender; instead: its ratio and comparison, None where that is the
    champion.
    """

    ratio: float
    own_split: bool
    comparison: Comparison
    replaced: bool
    instead: tuple[float, Comparison] | None


class Problem:
    """Some of the series of a scene, judged together."""

    def __init__(self, scene: Scene, rows: NDArray[np.int64], metric: str) -> None:
        self._scene, self._metric, self._rows = scene, metric, rows
        self._past = scene.past.actuals.rows(rows)
        self._sides = {label: self._side(label) for label in scene.past.predictions}
        self._after, self._old = self._errors(scene.after), self._errors(scene.old)
        newest = self._past.origins(slice(-1, None))
        self._last = {label: _mean(side.predictions[:, -1:], newest, metric) for label, side in self._sides.items()}

    def _side(self, label: str) -> Side:
        earlier = self._scene.earlier
        try:
            half_widths = half_widths_of(earlier.predictions[label][self._rows], earlier.actuals.rows(self._rows))
        except ValueError:
            half_widths = ()
        return Side(self._scene.past.predictions[label][self._rows], half_widths)

    def _errors(self, view: View) -> dict[str, float]:
        actuals = view.actuals.rows(self._rows)
        return {
            label: _mean(forecasts[self._rows], actuals, self._metric)
            for label, forecasts in view.predictions.items()
        }

    def pairs(self) -> Iterator[Pair]:
        """Every ordered pair of contenders."""
        for champion, challenger in itertools.permutations(self._sides, 2):
            theirs = self._after[champion]
            if not (np.isfinite(theirs) and theirs > 0):
                continue
            comparison = self._comparison(champion, challenger)
            own_split = self._last[challenger] < self._old[champion]
            proposed = self._proposed(challenger, comparison)
            instead = None
            if proposed not in (challenger, champion):
                instead = (self._after[proposed] / theirs, self._comparison(champion, proposed))
            yield Pair(self._after[challenger] / theirs, own_split, comparison, proposed != challenger, instead)

    def _comparison(self, champion: str, challenger: str) -> Comparison:
        setting = Setting(self._metric, self._scene.days, SEASON, self._scene.highest[self._rows], 0.0, {})
        return compare(
            self._past,
            challenger=self._sides[challenger],
            champion=self._sides[champion],
            simple={label: self._sides[label].predictions for label in FREE} if challenger in FITTED else {},
            setting=setting,
            policy=POLICY,
        )

    def _proposed(self, challenger: str, comparison: Comparison) -> str:
        """Whom training proposes: a fitted contender only where it beats every simple one by the margin."""
        errors = {label: metrics.value(self._metric) for label, metrics in comparison.simple.items()}
        best = min(errors, key=lambda label: errors[label], default=challenger)
        earns = best == challenger or comparison.challenger.value(self._metric) <= (1 - POLICY.margin) * errors[best]
        return challenger if earns else best


def _mean(forecasts: Array, actuals: Actuals, metric: str) -> float:
    usable = actuals.usable
    errors = by_series(forecasts[usable], actuals.rows(usable), metric)
    return float(errors.mean()) if len(errors) else float("nan")


Gate = Callable[[Comparison], bool]


def _gate(policy: GatePolicy, *, simpler: bool = False, bootstrap: bool = False) -> Gate:
    def promotes(comparison: Comparison) -> bool:
        seen = comparison if simpler else replace(comparison, simple={})
        seen = seen if bootstrap else replace(seen, better=None)
        return decide(seen, policy)[0].outcome == "accepted"

    return promotes


def _only(**guards: object) -> GatePolicy:
    """The margin alone and the guards named."""
    off = dict.fromkeys(GUARDS)
    changed = POLICY.guards.model_copy(update={**off, **guards})
    return POLICY.model_copy(update={"floor": 1e9, "guards": changed})


def gates() -> dict[str, Gate]:
    """The gates by name; each "margin and ..." adds one rule to the margin alone."""
    found = {"margin alone": _gate(_only()), "ours": _gate(POLICY, simpler=True, bootstrap=True)}
    found["ours, without simpler first"] = _gate(POLICY, bootstrap=True)
    found["margin and simpler first"] = _gate(_only(), simpler=True)
    found["margin and bootstrap"] = _gate(_only(), bootstrap=True)
    found["margin and floor"] = _gate(_only().model_copy(update={"floor": 1.0}))
    for name in GUARDS:
        for limit in GRID.get(name, (getattr(POLICY.guards, name),)):
            found[f"margin and {name} {limit}"] = _gate(_only(**{name: limit}))
    found["margin and segment 0.2, 30 points"] = _gate(_only(segment=0.20, segment_points=30))
    return found


def run(problems: Iterator[tuple[int, Problem]]) -> dict[str, dict[int, Tally]]:
    """Counts by gate and decision day."""
    tallies: dict[str, dict[int, Tally]] = {}
    judges = gates()
    for decision, problem in problems:
        for pair in problem.pairs():
            verdicts = {"workshop: own split, lower wins": pair.own_split}
            verdicts |= {name: gate(pair.comparison) for name, gate in judges.items()}
            for name, promoted in verdicts.items():
                tallies.setdefault(name, {}).setdefault(decision, Tally()).add(promoted, pair.ratio)
            ratio, comparison = pair.instead or (pair.ratio, pair.comparison)
            promoted = judges["ours"](comparison) and (pair.instead is not None or not pair.replaced)
            tally = tallies.setdefault(PROPOSED, {}).setdefault(decision, Tally())
            tally.add(promoted, pair.ratio, ratio)
    return tallies


def show(title: str, tallies: dict[str, dict[int, Tally]]) -> None:
    """A table of all gates, then the three that matter for each day."""
    asked = sum(tally.asked for tally in next(iter(tallies.values())).values())
    print(f"\n### {title}: {asked} decisions\n")
    print(
        "| gate | promotes | promotions that are wrong | better challengers missed | better by 2 % or more, missed "
        "| wrong of all decisions |"
    )
    print("|---|---|---|---|---|---|")
    order = sorted(tallies, key=lambda name: name.startswith("margin and"))
    for name, by_day in ((name, tallies[name]) for name in order):
        print(f"| {name} | {sum_of(by_day).row()} |")
    print(
        "\n| days of history | wrong of all decisions: workshop | margin alone | ours | missed: margin alone | ours |"
    )
    print("|---|---|---|---|---|---|")
    names = ("workshop: own split, lower wins", "margin alone", "ours")
    for decision in tallies["ours"]:
        three = [tallies[name][decision] for name in names]
        wrong = " | ".join(f"{tally.wrong / tally.asked:.2%}" for tally in three)
        missed = " | ".join(f"{tally.missed / tally.better:.1%}" for tally in three[1:])
        print(f"| {decision} | {wrong} | {missed} |")


def sum_of(by_day: dict[int, Tally]) -> Tally:
    """Over all days."""
    total = Tally()
    for tally in by_day.values():
        total = total.plus(tally)
    return total


def main() -> int:
    """Run both simulations and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="day a row, series a column (.csv or .csv.gz)")
    parser.add_argument("--problems", type=int, default=20, help="problems of fifty series drawn for each day")
    parser.add_argument("--single", type=int, default=60, help="about so many series by themselves")
    args = parser.parse_args()
    started = time.perf_counter()
    frame = pd.read_csv(args.data, index_col=0, parse_dates=True)
    values, first = frame.to_numpy(np.float64).T.copy(), frame.index[0].to_datetime64().astype("datetime64[D]")
    scenes = {decision: scene_at(values, first, decision) for decision in DECISIONS}
    chance = np.random.default_rng(1)
    drawn = [chance.choice(len(values), PROBLEM_SERIES, replace=False) for _ in range(args.problems)]
    groups = [*drawn, np.arange(len(values))]
    pooled = ((day, Problem(scene, rows, "rmsse")) for day, scene in scenes.items() for rows in groups)
    show("Fifty series a problem, RMSSE", run(pooled))
    busy = np.flatnonzero((values > 0).sum(axis=1) >= ACTIVE)
    busy = busy[:: max(1, len(busy) // args.single)]
    alone = ((day, Problem(scene, np.array([row]), "mae")) for day, scene in scenes.items() for row in busy)
    show("One series a problem, MAE", run(alone))
    print(f"\n{time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
