"""The forecast in the answer of a web service: what it is of, as a chart with its intervals, and as a table.

The studio knows the form only: a list of objects with a date, a number of a usual name and perhaps `series` and
`intervals` ({"0.8": [lower, upper], ...}), and beside it an object `model` with facts of the model that answered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

from markupsafe import Markup

from local_azure.studio.views.charts import MOST_BANDS, MOST_LINES, Axes, Band, Line, drawable, line_chart
from local_azure.studio.views.formats import short

MOST_ROWS = 200
_NAMES = ("value", "forecast", "prediction", "yhat", "mean")
_MOST_FACT = 60  # characters; hashes are longer and say nothing to a reader
_DECIMALS = ((10_000, 0), (100, 1), (10, 2), (1, 3), (0.01, 4))
_STEPS = {1: "one a day", 7: "one a week"}
Document = dict[str, Any]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Forecast:
    """A forecast. of: the model, empty where the answer names none. about: which series and dates, one phrase each.

    texts: how many columns at the left hold no numbers.
    """

    of: str
    about: list[str]
    chart: Markup
    columns: list[str]
    texts: int
    rows: list[list[str]]
    total: int


@dataclass(frozen=True)
class _Row:
    """One forecast value. intervals: bounds by the level of the interval."""

    series: str
    date: str
    value: float | None
    intervals: dict[str, Bounds]

    def texts(self, with_series: bool) -> list[str]:
        """The cells in front of its numbers."""
        return [self.series, self.date] if with_series else [self.date]


def forecast_in(answer: object) -> Forecast | None:
    """Return the first list of dated values in an answer as a forecast; None where there is none."""
    found: list[Document] = next((value for value in _values(answer) if _is_dated(value)), [])
    if not found:
        return None
    name = next(key for key in _NAMES if key in found[0])
    rows = [_row(each, name) for each in found]
    levels = sorted({level for row in rows for level in row.intervals}, key=_share)
    series = list(dict.fromkeys(row.series for row in rows))
    dates = list(dict.fromkeys(row.date for row in rows))
    model = answer.get("model") if isinstance(answer, dict) else None
    facts = model if isinstance(model, dict) else {}
    columns = [*(["series"] if len(series) > 1 else []), "date", name]
    for level in levels:
        columns += [f"{_percent(level)} low", f"{_percent(level)} high"]
    decimals = _decimals(rows)
    return Forecast(
        of=" version ".join(str(facts[key]) for key in ("name", "version") if facts.get(key)),
        about=[*_about(series, dates), *_facts(facts)],
        chart=_chart(rows, name, dates, levels),
        columns=columns,
        texts=2 if len(series) > 1 else 1,
        rows=[[*row.texts(len(series) > 1), *_numbers(row, levels, decimals)] for row in rows[:MOST_ROWS]],
        total=len(rows),
    )


def _values(answer: object) -> list[Any]:
    if isinstance(answer, list):
        return [answer]
    return list(answer.values()) if isinstance(answer, dict) else []


def _is_dated(value: object) -> bool:
    """Tell whether a value is a list of objects with a date and a number of a known name."""
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        return False
    return "date" in value[0] and any(name in value[0] for name in _NAMES)


def _row(found: Document, name: str) -> _Row:
    given = found.get("intervals")
    pairs = given.items() if isinstance(given, dict) else ()
    intervals = {str(level): bounds for level, pair in pairs if (bounds := _bounds(pair)) is not None}
    series = found.get("series")
    told = "" if series is None else short(series, _MOST_FACT)
    return _Row(told, short(found.get("date"), _MOST_FACT), drawable(found.get(name)), intervals)


def _bounds(pair: object) -> Bounds | None:
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    low, high = map(drawable, pair)
    return (low, high) if low is not None and high is not None else None


def _share(level: str) -> float:
    try:
        return float(level)
    except ValueError:
        return 0.0


def _percent(level: str) -> str:
    """Return the level of an interval as people write it: 0.95 is 95%."""
    share = _share(level)
    return f"{100 * share:.4g}%" if 0 < share < 1 else short(level, _MOST_FACT)


def _about(series: Sequence[str], dates: Sequence[str]) -> list[str]:
    found = [f"{dates[0]} to {dates[-1]}"] if len(dates) > 1 else [dates[0]]
    if len(series) > 1:
        shown = f", {MOST_LINES} of them in the chart" if len(series) > MOST_LINES else ""
        return [f"{len(series)} series{shown}", *found]
    return [*([f"series {series[0]}"] if series[0] else []), *found]


def _facts(model: Document) -> list[str]:
    """Return what else is told about the model, without hashes."""
    others = {key: value for key, value in model.items() if key not in ("name", "version")}
    return [
        f"{short(key, _MOST_FACT)} {value}"
        for key, value in others.items()
        if isinstance(value, str | int | float) and len(str(value)) < _MOST_FACT
    ]


def _chart(rows: Sequence[_Row], name: str, dates: Sequence[str], levels: Sequence[str]) -> Markup:
    places = {date: float(place) for place, date in enumerate(dates)}
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.value is not None:
            lines.setdefault(row.series or name, []).append((places[row.date], row.value))
    drawn = [Line(series, tuple(points)) for series, points in lines.items()]
    bands = [_band(rows, level, places) for level in levels[: -MOST_BANDS - 1 : -1]] if len(drawn) == 1 else []
    axes = Axes(f"date{_step(dates)}", f"{name}, in the unit of the data", dates)
    return line_chart(drawn, f"Forecast from {dates[0]} to {dates[-1]}", axes, bands)


def _band(rows: Sequence[_Row], level: str, places: dict[str, float]) -> Band:
    found = ((places[row.date], *row.intervals[level]) for row in rows if level in row.intervals)
    return Band(f"{_percent(level)} prediction interval", tuple(found))


def _step(dates: Sequence[str]) -> str:
    """Return how far the dates are apart, as far as that is a usual step."""
    try:
        days = [dt.date.fromisoformat(date).toordinal() for date in dates]
    except ValueError:
        return ""
    steps = {later - earlier for earlier, later in pairwise(days)}
    word = _STEPS.get(steps.pop()) if len(steps) == 1 else None
    return f", {word}" if word else ""


def _decimals(rows: Sequence[_Row]) -> int:
    """Return as many decimals as give the largest value about four digits, so that all values align."""
    largest = max((abs(row.value) for row in rows if row.value is not None), default=0.0)
    return next((decimals for least, decimals in _DECIMALS if largest >= least), 6)


def _numbers(row: _Row, levels: Sequence[str], decimals: int) -> list[str]:
    bounds = chain.from_iterable(row.intervals.get(level, (None, None)) for level in levels)
    return ["" if value is None else f"{value:,.{decimals}f}" for value in (row.value, *bounds)]
