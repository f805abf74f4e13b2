"""The rules of the gate over every ordered pair of contenders at once: axes are champion, challenger.

A test compares the verdicts with those of forecasting/decision/gate.py, pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.forecasting.gate_errors import FITTED, LABELS, NAIVE, SEASON, SIMPLE, STEP, Errors
from forecasting.models.recipe import Array
from forecasting.problem.sections import GatePolicy

POLICY = GatePolicy(origins=8, step=STEP)
YEAR = 52  # weekly origins in a year of 364 days
FUTURE = 5  # weekly origins after the decision that say what was right
HELD_BACK = POLICY.origins + 3  # weekly origins from the decision back to the first of the gate's
Rows = NDArray[np.int64]
Pairs = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """What a gate demands of a pair; None: nothing. The defaults are those of the product."""

    origins: int = POLICY.origins
    year_ago: int = POLICY.year_ago
    margin: float = POLICY.margin
    probability: float | None = POLICY.bootstrap.probability
    worse: float | None = POLICY.guards.series_worse
    bias: float | None = POLICY.guards.bias
    coverage: tuple[float, float] | None = POLICY.guards.coverage
    maximum: float | None = POLICY.guards.maximum
    winkler: float | None = None
    secondary: float | None = None
    segment: float | None = None


SECONDARY = {"mae": "rmsse", "mase": "rmsse", "rmsse": "mase"}
MARGIN_ONLY = Rules(year_ago=0, probability=None, worse=None, bias=None, coverage=None, maximum=None)


class Seen:
    """What a gate sees on its origins. errors: by contender and series; largest: forecast over any value before."""

    def __init__(self, errors: Array, largest: Array) -> None:
        self.errors, self.largest = errors, largest
        self._many = errors.shape[1] >= POLICY.bootstrap.min_series

    @cached_property
    def probability(self) -> Array | None:
        """In which share of draws of series the challenger is better; None where there are too few."""
        if not self._many:
            return None
        count = self.errors.shape[1]
        chance = np.random.default_rng(POLICY.bootstrap.seed)
        draws = chance.multinomial(count, np.full(count, 1 / count), POLICY.bootstrap.draws)
        means = (draws @ self.errors.T).T
        return np.array([[float((other < one).mean()) for other in means] for one in means])

    @cached_property
    def worse(self) -> Array | None:
        """Share of series with a larger error than with the champion; None where there are too few."""
        if not self._many:
            return None
        return np.array([[float((other > one).mean()) for other in self.errors] for one in self.errors])


class Scene:
    """Some series of a table at one decision: what a gate may see, and what came afterwards.

    after: error by contender; chosen_on: on the windows that training chooses on, None where none are left.
    """

    def __init__(self, errors: Errors, place: int, rows: Rows, metric: str) -> None:
        parts = errors.parts[metric]
        recent = np.arange(place - HELD_BACK, place - 3)
        known = np.isfinite(parts[0, rows, recent[0]]) if len(rows) > 1 else np.ones(1, dtype=bool)
        self._errors, self._rows, self._recent = errors, rows[known], recent
        last = place - HELD_BACK - 4
        self._selection = np.arange(max(0, last - 7), last + 1)
        parts = parts[:, self._rows]
        self.after = np.nanmean(parts[:, :, place : place + FUTURE], axis=2).mean(axis=1)
        chosen = parts[:, :, self._selection]
        chosen = chosen[:, np.isfinite(chosen[0]).all(axis=1)] if chosen.size else chosen
        self.chosen_on = chosen.mean(axis=(1, 2)) if chosen.size else None
        self.has_year = place >= YEAR
        self._place, self._parts, self._metric = place, parts, metric
        self._seen: dict[tuple[int, int], Seen] = {}

    def _on(self, places: NDArray[np.int64]) -> Seen:
        columns = np.ix_(self._rows, places)
        highest = self._errors.highest[columns]
        above = np.where(highest > 0, highest, np.inf)
        ratios = [(peaks[columns] / above).max(initial=0.0) for peaks in self._errors.peaks]
        return Seen(np.nanmean(self._parts[:, :, places], axis=2), np.array(ratios))

    @property
    def usable(self) -> bool:
        """Whether it can be said who was better."""
        return bool(len(self._rows) and np.isfinite(self.after).all() and (self.after > 0).all())

    def ratio(self) -> Array:
        """Error afterwards of the challenger over that of the champion."""
        return np.asarray(self.after[None, :] / self.after[:, None])

    def seen(self, rules: Rules) -> Seen:
        """On the origins that a gate decides by."""
        key = rules.origins, rules.year_ago if self.has_year else 0
        if key not in self._seen:
            start = self._place - YEAR
            recent = np.arange(self._place - 3 - key[0], self._place - 3)
            self._seen[key] = self._on(np.concatenate([np.arange(start, start + key[1]), recent]))
        return self._seen[key]

    @cached_property
    def secondary(self) -> Array:
        """The other metric by contender, on the recent origins."""
        other = self._errors.parts[SECONDARY[self._metric]][:, self._rows]
        return np.asarray(other[:, :, self._recent].mean(axis=(1, 2)))

    @cached_property
    def winkler(self) -> Array | None:
        """Interval score by contender, in units of the scale; None where nothing is left to calibrate it on."""
        if self._half_widths is None:
            return None
        now, widths = self._errors.residuals[:, self._rows][:, :, self._recent], self._half_widths
        missed = np.maximum(now - widths[:, None, None, None], 0).mean(axis=(1, 2, 3))
        return np.asarray(2 * widths + 2 / 0.2 * missed)

    @cached_property
    def segment(self) -> Array:
        """How much worse the challenger is on its worst weekday or week ahead, champion by challenger."""
        now = self._errors.residuals[:, self._rows][:, :, self._recent]
        weeks = now.reshape(*now.shape[:3], -1, SEASON).mean(axis=(1, 2))
        parts = np.concatenate([weeks.mean(axis=1), weeks.mean(axis=2)], axis=1).astype(np.float64)
        usual = weeks.mean(axis=(1, 2))
        base = np.maximum(parts, usual[:, None])[:, None, :]
        return np.asarray(((parts[None, :, :] - parts[:, None, :]) / base).max(axis=2))

    @cached_property
    def bias(self) -> Array:
        """Absolute mean error over the level, by contender, on the recent origins."""
        errors, columns = self._errors, np.ix_(self._rows, self._recent)
        weights = 1 / errors.scales[self._rows, self._recent[0], None] if len(self._rows) > 1 else np.ones((1, 1))
        level = float((errors.level[columns] * weights).mean())
        signed = np.array([float((bias[columns] * weights).mean()) for bias in errors.bias])
        found: Array = np.abs(signed / level) if level else np.full(len(signed), np.inf)
        return found

    @cached_property
    def coverage(self) -> Array | None:
        """Share of values inside the 80 % interval, by contender; None where nothing is left to calibrate it on."""
        if self._half_widths is None:
            return None
        now = self._errors.residuals[:, self._rows][:, :, self._recent]
        return np.asarray((now <= self._half_widths[:, None, None, None]).mean(axis=(1, 2, 3)))

    @cached_property
    def _half_widths(self) -> Array | None:
        before = self._errors.residuals[:, self._rows][:, :, self._selection]
        before = before[:, np.isfinite(before[0]).all(axis=(1, 2))] if before.size else before
        return np.asarray(np.quantile(before.reshape(len(LABELS), -1), 0.8, axis=1)) if before.size else None


def promotes(scene: Scene, rules: Rules) -> Pairs:
    """Which challengers a gate promotes over which champions."""
    seen = scene.seen(rules)
    errors = seen.errors.mean(axis=1)
    accepted: Pairs = (errors[None, :] < errors[:, None]) & (errors[None, :] <= (1 - rules.margin) * errors[:, None])
    if rules.probability is not None and seen.probability is not None:
        accepted = accepted & (seen.probability >= rules.probability)
    if rules.worse is not None and seen.worse is not None:
        accepted = accepted & (seen.worse <= rules.worse)
    return accepted & sound(scene, rules)


def sound(scene: Scene, rules: Rules) -> Pairs:
    """Whose bias and coverage are within the hard limits, or no further outside than the champion's; sane values."""
    count = len(LABELS)
    passes = np.ones((count, count), dtype=bool)
    if rules.bias is not None:
        passes &= _within(np.nan_to_num(scene.bias, posinf=1e9) - rules.bias)
    if rules.coverage and scene.coverage is not None:
        passes &= _within(np.maximum(rules.coverage[0] - scene.coverage, scene.coverage - rules.coverage[1]))
    if rules.winkler is not None and scene.winkler is not None:
        passes &= _no_worse(scene.winkler, rules.winkler)
    if rules.secondary is not None:
        passes &= _no_worse(scene.secondary, rules.secondary)
    if rules.segment is not None:
        passes &= scene.segment <= rules.segment
    if rules.maximum is not None:
        passes &= (scene.seen(rules).largest <= rules.maximum)[None, :]
    return passes


def _within(excess: Array) -> Pairs:
    return np.asarray((excess <= 0)[None, :] | (excess[None, :] <= excess[:, None]))


def _no_worse(values: Array, limit: float) -> Pairs:
    return np.asarray(values[None, :] <= (1 + limit) * values[:, None])


def proposed(scene: Scene, rules: Rules, margin: float = POLICY.margin) -> tuple[int, list[int]]:
    """Whom training proposes as a first model, then whom the gate proposes instead: indices of LABELS."""
    if scene.chosen_on is None:
        raise ValueError("no origins are left to choose on")
    chosen_on, gate = scene.chosen_on, scene.seen(rules).errors.mean(axis=1)
    simple = min((LABELS.index(label) for label in SIMPLE), key=lambda number: float(chosen_on[number]))
    fitted = min((LABELS.index(label) for label in FITTED), key=lambda number: float(chosen_on[number]))
    baseline = LABELS.index(NAIVE.label)
    if chosen_on[fitted] <= (1 - margin) * chosen_on[simple]:
        better = [fitted] if gate[fitted] <= gate[simple] else []
        return fitted, [*better, simple, baseline]
    return simple, [simple, baseline]
