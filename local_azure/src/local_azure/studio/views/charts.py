"""Line charts with bands, and bars of a timeline, as SVG without style of their own: studio.css colors them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from local_azure.studio.views.formats import number

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 340, 64, 12, 34, 54
_TICKS = 4
_BETWEEN = Markup(' class="between"')  # left out where there is little room
_MOST_DOTS = 60
MOST_LINES = 6  # colors that a reader can tell apart
MOST_BANDS = 2  # shades
_MOST_VALUE, _LEAST_SPAN = 1e300, 1e-300  # beyond these, distances and steps are infinite or zero


@dataclass(frozen=True)
class Line:
    """One line: its name, and points from left to right."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Band:
    """An interval around the first line: its name, and (place, lower bound, upper bound) from left to right."""

    name: str
    points: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Axes:
    """What the axes show, with units. labels: texts of the horizontal axis at 0, 1, ...; its numbers without them."""

    across: str
    up: str
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return self.start + (value - self.low) / span * (self.end - self.start)


def line_chart(lines: Sequence[Line], label: str, axes: Axes, bands: Sequence[Band] = ()) -> Markup:
    """Return a chart of drawable points. bands: the widest first, behind the lines."""
    shown = [Line(line.name, _finite(line.points)) for line in lines[:MOST_LINES]]
    behind = bands[:MOST_BANDS]
    points = [point for line in shown for point in line.points]
    if not points:
        return Markup("")
    bounds = [bound for band in behind for _, low, high in band.points for bound in (low, high)]
    across = _scale([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    up, step = _round_scale([*bounds, *(y for _, y in points)], _HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(up, step), _axis(across, axes.labels), _titles(axes)]
    parts += [_area(band, place, across, up) for place, band in enumerate(behind)]
    parts += [_path(line, place, across, up) for place, line in enumerate(shown)]
    drawn = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, label, Markup("").join(parts)
    )
    return drawn + _legend(shown, behind)


def _legend(lines: Sequence[Line], bands: Sequence[Band]) -> Markup:
    """Return what each line and band is; nothing for a single line, which the title of the vertical axis names."""
    if len(lines) + len(bands) < 2:
        return Markup("")
    signs = [("line", place, "━", line.name) for place, line in enumerate(lines)]
    signs += [("band", place, "", band.name) for place, band in enumerate(bands)]
    found = [Markup('<li class="{}{}"><span aria-hidden="true">{}</span> {}</li>').format(*sign) for sign in signs]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(found))


def _titles(axes: Axes) -> Markup:
    up = Markup('<text class="axis" x="4" y="16">{}</text>').format(axes.up)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    across = Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>')
    return up + across.format(middle, _HEIGHT - 8, axes.across)


def _area(band: Band, place: int, across: _Scale, up: _Scale) -> Markup:
    lower = [(across(x), up(low)) for x, low, _ in band.points]
    upper = [(across(x), up(high)) for x, _, high in band.points]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*lower, *reversed(upper)])
    return Markup('<polygon class="band{}" points="{}"/>').format(place, drawn)


def _finite(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in points if drawable(x) is not None and drawable(y) is not None)


def drawable(value: object) -> float | None:
    """Return a number that has a place in a chart; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST_VALUE:
        return None
    return float(value)


def _scale(values: Sequence[float], start: float, end: float) -> _Scale:
    low, high = min(values), max(values)
    if high - low < _LEAST_SPAN:
        half = max(0.5, abs(low) * 1e-9)
        low, high = low - half, high + half
    return _Scale(low, high, start, end)


def _round_scale(values: Sequence[float], start: float, end: float) -> tuple[_Scale, float]:
    """Return a scale that begins and ends at round numbers, and the step between two lines of its grid."""
    plain = _scale(values, start, end)
    rough = (plain.high - plain.low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough * 0.999)
    low, high = math.floor(plain.low / step) * step, math.ceil(plain.high / step) * step
    return _Scale(low, high, start, end), step


def _grid(up: _Scale, step: float) -> Markup:
    parts = []
    for tick in range(round((up.high - up.low) / step) + 1):
        value = up.low + step * tick
        parts.append(
            Markup(
                '<path class="grid" d="M{0} {2:.1f}H{1}"/><text x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>'
            ).format(_LEFT, _WIDTH - _RIGHT, up(value), _LEFT - 8, up(value) + 4, number(value))
        )
    return Markup("").join(parts)


def _axis(across: _Scale, labels: Sequence[str]) -> Markup:
    """Return the texts below a chart, at whole numbers: points are counted, or named by `labels`."""
    found = []
    spread = [across.low + (across.high - across.low) * tick / _TICKS for tick in range(_TICKS + 1)]
    ticks = sorted({round(value) for value in spread if across.low <= round(value) <= across.high})
    for place, value in enumerate(ticks):
        text = labels[value] if labels and 0 <= value < len(labels) else number(value)
        anchor = {across.low: "start", across.high: "end"}.get(value, "middle")
        found.append(
            Markup('<text{} x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                _BETWEEN if place % 2 and place < len(ticks) - 1 else "", across(value), _HEIGHT - 34, anchor, text
            )
        )
    return Markup("").join(found)


def _path(line: Line, place: int, across: _Scale, up: _Scale) -> Markup:
    places = [(across(x), up(y)) for x, y in line.points]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [Markup('<polyline class="line{}" points="{}"/>').format(place, drawn)]
    if len(places) <= _MOST_DOTS:
        for (x, y), (_, value) in zip(places, line.points, strict=True):
            parts.append(
                Markup('<circle class="line{}" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}</title></circle>').format(
                    place, x, y, number(value)
                )
            )
    return Markup("").join(parts)


def bar(start: float, end: float, whole: float, tone: str) -> Markup:
    """Return the bar of one row of a timeline: from second `start` to second `end` of `whole` seconds."""
    whole = max(whole, 0.001)
    left, width = 1000 * start / whole, max(1000 * (end - start) / whole, 4)
    return Markup(
        '<svg class="bar {}" viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true">'
        '<rect x="{:.1f}" y="1" width="{:.1f}" height="12" rx="2"/></svg>'
    ).format(tone, min(left, 996), width)
