"""Numbers that a promotion is decided by, from forecasts of the same windows; nothing is fitted here.

Significance only as far as it is supported: one series has few overlapping origins, so a Diebold-Mariano type test is
reported and never decides; over many series a paired bootstrap over series asks whether the gain is that of a few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import DAILY, Calendar
from forecasting.evaluation.calibration import JUDGED, LEVELS, IntervalScore, interval_score
from forecasting.evaluation.drift import Drift
from forecasting.evaluation.metrics import Actuals, Mask, Metrics, by_series, score
from forecasting.models.recipe import Array, HalfWidth
from forecasting.problem.sections import GatePolicy

MAX_GROUPS = 12
FEW_SERIES_PER_GROUP = 2


@dataclass(frozen=True)
class Segment:
    """One part of the forecasts: how large the error of each side is there, over how many points.

    The error is scaled by series: absolute, or for RMSSE root mean square. usual: the champion's over all parts.
    """

    kind: str
    name: str
    points: int
    challenger: float
    champion: float | None
    usual: float | None

    @property
    def change(self) -> float | None:
        """How much worse the challenger is here; None where there is nothing to compare.

        Against the champion's error here, or over all parts where that is larger: on a weekday on which next to
        nothing happens, twice the error is still next to nothing.
        """
        if self.champion is None or self.usual is None:
            return None
        base = max(self.champion, self.usual)
        return (self.challenger - self.champion) / base if base else float(self.challenger > 0)


@dataclass(frozen=True)
class Side:
    """A contender on the gate's windows. predictions: shape (series, origins, horizon).

    half_widths: of its intervals, empty where it serves none.
    """

    predictions: Array
    half_widths: tuple[HalfWidth, ...] = ()

    def interval(self, actuals: Actuals, lower: float | None) -> IntervalScore | None:
        """How well the judged interval covers on the recent windows; None where none is served."""
        if not self.half_widths:
            return None
        made = self.predictions[:, actuals.year_ago :]
        return interval_score(made, actuals.recent, self.half_widths[LEVELS.index(JUDGED)], JUDGED, lower)


@dataclass(frozen=True)
class Age:
    """How old the champion is. days: of data since its cutoff. clean: origins after its cutoff.

    staleness: error of its frozen model over that of its recipe refitted, minus 1, on the clean origins; None
    where there are too few or the model cannot be given a new history.
    """

    days: int
    clean: int
    staleness: float | None
    parameter_free: bool


@dataclass(frozen=True)
class Comparison:
    """Everything that the rules look at; champion None means that the registry has said that there is none."""

    metric: str
    challenger: Metrics
    champion: Metrics | None
    reference: Metrics
    simple: Mapping[str, Metrics]
    interval: IntervalScore | None
    champion_interval: IntervalScore | None
    segments: Sequence[Segment]
    series: int
    worse: float | None
    better: float | None
    largest: float
    age: Age | None
    drift: Drift | None = None

    def not_finite(self) -> list[str]:
        """Who and what is NaN or infinite."""
        sides = {"challenger": self.challenger, "champion": self.champion, "seasonal naive": self.reference}
        found = [
            f"{who} {name}"
            for who, metrics in {**sides, **self.simple}.items()
            if metrics
            for name in metrics.not_finite()
        ]
        intervals = {"challenger": self.interval, "champion": self.champion_interval}
        numbers: dict[str, float | None] = {}
        numbers |= {f"{who} interval": value.coverage + value.winkler for who, value in intervals.items() if value}
        numbers |= {f"challenger in {part.kind} {part.name}": part.challenger for part in self.segments}
        numbers |= {f"champion in {part.kind} {part.name}": part.champion for part in self.segments}
        numbers |= {f"change in {part.kind} {part.name}": part.change for part in self.segments}
        numbers |= {"worse series": self.worse, "probability": self.better, "largest forecast": self.largest}
        numbers["staleness"] = self.age.staleness if self.age else None
        return found + [name for name, value in numbers.items() if value is not None and not math.isfinite(value)]


@dataclass(frozen=True)
class Setting:
    """What the windows are about. days: of shape (origins, horizon), as numbers of days since 1970-01-01.

    highest: largest value of each series before each origin, shape (series, origins); groups: names by key column.
    """

    metric: str
    days: NDArray[np.int64]
    season: int
    highest: Array
    lower: float | None
    groups: Mapping[str, Sequence[str]]
    calendar: Calendar = DAILY


def compare(
    actuals: Actuals,
    *,
    challenger: Side,
    champion: Side | None,
    simple: Mapping[str, Array],
    setting: Setting,
    policy: GatePolicy,
    age: Age | None = None,
) -> Comparison:
    """Compare both sides. simple: predictions of the parameter-free candidates that a fitted challenger must beat."""
    theirs = score(champion.predictions, actuals) if champion else None
    usable = actuals.usable
    errors = by_series(challenger.predictions[usable], actuals.rows(usable), setting.metric)
    rivals = by_series(champion.predictions[usable], actuals.rows(usable), setting.metric) if champion else None
    many = int(usable.sum()) >= policy.bootstrap.min_series
    with np.errstate(all="ignore"):
        peaks = challenger.predictions.max(axis=2) / setting.highest
        largest = float(peaks[usable[:, None] & (setting.highest > 0)].max(initial=0.0))
    return Comparison(
        metric=setting.metric,
        challenger=score(challenger.predictions, actuals),
        champion=theirs,
        reference=score(actuals.naive, actuals),
        simple={label: score(forecasts, actuals) for label, forecasts in simple.items()},
        interval=challenger.interval(actuals, setting.lower),
        champion_interval=champion.interval(actuals, setting.lower) if champion else None,
        segments=segments(actuals, challenger, champion, setting),
        series=int(usable.sum()),
        worse=float((errors > rivals).mean()) if many and rivals is not None else None,
        better=_bootstrap(errors, rivals, policy) if many and rivals is not None else None,
        largest=largest if np.isfinite(challenger.predictions).all() else math.nan,
        age=age,
    )


def segments(actuals: Actuals, challenger: Side, champion: Side | None, setting: Setting) -> list[Segment]:
    """Error on the recent windows by weekday, by week ahead, and over many series by activity and by group."""
    usable, skipped = actuals.usable, actuals.year_ago
    known = actuals.rows(usable).recent
    if not len(known.values):
        return []

    def sizes(side: Side) -> Array:
        error = side.predictions[usable, skipped:] - known.values
        with np.errstate(all="ignore"):
            if setting.metric == "rmsse":
                return np.asarray(np.square(error) / known.squares[:, :1, None])
            return np.asarray(np.abs(error) * known.weights)

    def mean(values: Array) -> float:
        return float(np.sqrt(values.mean()) if setting.metric == "rmsse" else values.mean())

    ours, theirs = sizes(challenger), sizes(champion) if champion else None
    usual = None if theirs is None else mean(theirs)
    found = []
    recent = replace(setting, days=setting.days[skipped:])
    for kind, name, mask in _masks(known, recent, usable):
        count = int(mask.sum()) * (ours.size // mask.size)
        cells = np.broadcast_to(mask, ours.shape)
        against = mean(theirs[cells]) if theirs is not None and count else None
        if count:
            found.append(Segment(kind, name, count, mean(ours[cells]), against, usual))
    return found


def diebold_mariano(one: Array, other: Array, horizon: int, step: int) -> float | None:
    """Two-sided p of equal accuracy from errors per origin, shape (origins,); None where it cannot be computed.

    Small-sample form of Harvey, Leybourne and Newbold (1997) with Bartlett weights over the lags that overlap.
    """
    from scipy.special import stdtr  # type: ignore[import-untyped]

    loss = one - other
    count, overlap = len(loss), math.ceil(horizon / step)
    if count < 3 or count <= overlap or not np.isfinite(loss).all():
        return None
    centred = loss - loss.mean()
    variance = float(centred @ centred) / count
    for lag in range(1, overlap):
        variance += 2 * (1 - lag / overlap) * float(centred[lag:] @ centred[:-lag]) / count
    correction = (count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count
    if variance <= 0 or correction <= 0:
        return None
    statistic = float(loss.mean()) / math.sqrt(variance / count) * math.sqrt(correction)
    return float(2 * stdtr(count - 1, -abs(statistic)))


def _masks(actuals: Actuals, setting: Setting, usable: Mask) -> list[tuple[str, str, Mask]]:
    """Kind, name and mask of each segment; a mask broadcasts to (series, origins, horizon)."""
    calendar = setting.calendar
    parts = calendar.parts_of(setting.days.astype("datetime64[D]"))
    masks: list[tuple[str, str, Mask]] = [
        (calendar.part, name, (parts == part)[None]) for part, name in enumerate(calendar.part_names)
    ]
    # A week of days, or some of the longer steps: of one step by itself there are too few forecasts.
    together = min(setting.season, calendar.group[0]) if calendar.part == "month" else setting.season
    ahead = np.arange(setting.days.shape[1]) // together
    masks += [("ahead", f"{group + 1}", (ahead == group)[None, None]) for group in range(int(ahead[-1]) + 1)]
    if len(actuals.values) < 2:
        return masks
    busy = (actuals.values != 0).mean(axis=(1, 2))
    for name, low, high in (("sparse", -1.0, 1 / 3), ("medium", 1 / 3, 2 / 3), ("dense", 2 / 3, 1.0)):
        masks.append(("activity", name, ((busy > low) & (busy <= high))[:, None, None]))
    for column, values in setting.groups.items():
        kinds = np.array(values)[usable]
        found = sorted(set(kinds.tolist()))
        if 1 < len(found) <= min(MAX_GROUPS, len(kinds) // FEW_SERIES_PER_GROUP):
            masks += [(column, name, (kinds == name)[:, None, None]) for name in found]
    return masks


def _bootstrap(ours: Array, theirs: Array, policy: GatePolicy) -> float:
    """Share of draws of series, with replacement, in which the challenger's mean error is the smaller one.

    The differences are sorted first, because the order of the series must not matter.
    """
    loss, rule = np.sort(ours - theirs), policy.bootstrap
    if not np.isfinite(loss).all():
        return math.nan
    chance = np.random.default_rng(rule.seed)
    wins = sum(float(loss[chance.integers(0, len(loss), len(loss))].mean()) < 0 for _ in range(rule.draws))
    return wins / rule.draws
