"""Charts of the report as inline SVG: no script, no asset, colours by class so that a page can be light or dark."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 10, 26
WANTED_TICKS = 6
MAX_LABELS = 8
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
"""First digits of the distance between two ticks."""
Values = Sequence[float | None]
"""One value for each place of the horizontal axis; None leaves a gap."""


@dataclass(frozen=True)
class Line:
    """A line. kind: its CSS class, which gives the colour."""

    kind: str
    name: str
    values: Values


@dataclass(frozen=True)
class Band:
    """An area between two lines."""

    name: str
    low: Values
    high: Values


def line_chart(title: str, labels: Sequence[str], lines: Sequence[Line], bands: Sequence[Band] = ()) -> str:
    """Lines over bands, with a legend; labels: of the places of the horizontal axis."""
    drawn = [line.values for line in lines] + [side for band in bands for side in (band.low, band.high)]
    known = [value for values in drawn for value in values if value is not None]
    if not known or not math.isfinite(max(0.0, *known) - min(0.0, *known)):
        return ""
    frame = _Frame(len(labels), ticks(min(0.0, *known), max(0.0, *known)))
    marks = [*(_area(frame, band) for band in bands), *(_path(frame, line) for line in lines)]
    named = [("band", band.name) for band in bands[:1]] + [(line.kind, line.name) for line in lines]
    legend = "".join(f'<span class="key {kind}">{html.escape(name)}</span>' for kind, name in named)
    every = max(1, math.ceil(len(labels) / MAX_LABELS))
    below = [(frame.x(place), labels[place]) for place in range(0, len(labels), every)]
    return _figure(f"{html.escape(title)} {legend}", frame.svg(title, below, marks))


def histogram(title: str, edges: Sequence[float], counts: Sequence[int]) -> str:
    """Bars between edges, one more edge than counts, ascending."""
    if not counts or edges[0] >= edges[-1]:
        return ""
    frame = _Frame(len(counts), ticks(0.0, float(max(*counts, 1))))
    wide = (WIDTH - LEFT - RIGHT) / len(counts)
    bars = [
        f'<rect class="bar" x="{LEFT + place * wide + 0.5:.1f}" y="{frame.y(count):.1f}" width="{wide - 1:.1f}" '
        f'height="{frame.y(0) - frame.y(count):.1f}"/>'
        for place, count in enumerate(counts)
    ]
    first, last = edges[0], edges[-1]
    scale = (WIDTH - LEFT - RIGHT) / (last - first)
    marks = [(LEFT + (tick - first) * scale, _shown(tick)) for tick in ticks(first, last) if first <= tick <= last]
    return _figure(html.escape(title), frame.svg(title, marks, bars))


def _figure(caption: str, svg: str) -> str:
    """A picture that a keyboard can scroll, because it is wider than a phone."""
    return f"<figure tabindex=0><figcaption>{caption}</figcaption>{svg}</figure>"


def meter(share: float) -> str:
    """A bar of a table cell; share: 0 to 1 of its width."""
    wide = 120 * min(max(share, 0.0), 1.0)
    return (
        '<svg class="meter" viewBox="0 0 120 10" width="120" height="10" aria-hidden="true">'
        f'<rect class="bar" width="{wide:.1f}" height="10"/></svg>'
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances, from at most `low` to at least `high`; at most seven."""
    least = (high - low) / (WANTED_TICKS - 1) or 1.0
    size = 10.0 ** math.floor(math.log10(least))
    step = next(size * digit for digit in ROUND if size * digit >= least * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _shown(tick: float) -> str:
    """A tick without noise of the last bits: thousands apart, millions as M."""
    if abs(tick) >= 1e6:
        return f"{tick / 1e6:,.4g}M"
    return f"{round(tick):,}" if abs(tick) >= 1000 else f"{tick:.3g}"


@dataclass(frozen=True)
class _Frame:
    """The mapping of places and values to the picture. ticks: of the vertical axis, ascending."""

    places: int
    ticks: Sequence[float]

    def x(self, place: int) -> float:
        return LEFT + (place + 0.5) * (WIDTH - LEFT - RIGHT) / max(self.places, 1)

    def y(self, value: float) -> float:
        span = self.ticks[-1] - self.ticks[0]
        return TOP + (1 - (value - self.ticks[0]) / span) * (HEIGHT - TOP - BOTTOM)

    def svg(self, title: str, below: Sequence[tuple[float, str]], marks: Sequence[str]) -> str:
        """The picture with its axes. below: labels of the horizontal axis with their places in the picture."""
        parts = []
        for tick in self.ticks:
            height = self.y(tick)
            parts.append(f'<path class="grid" d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text class="end" x="{LEFT - 6}" y="{height + 4:.1f}">{_shown(tick)}</text>')
        for place, label in below:
            parts.append(f'<text class="mid" x="{place:.1f}" y="{HEIGHT - 8}">{html.escape(label)}</text>')
        inside = "".join([*parts, *marks])
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{inside}</svg>'


def _pieces(values: Values) -> list[list[tuple[int, float]]]:
    """Runs of known values with their places."""
    pieces: list[list[tuple[int, float]]] = []
    gap = True
    for place, value in enumerate(values):
        if value is not None:
            if gap:
                pieces.append([])
            pieces[-1].append((place, value))
        gap = value is None
    return pieces


def _steps(frame: _Frame, points: Sequence[tuple[int, float]]) -> str:
    """A line through points, in the language of SVG paths."""
    return "M" + "L".join(f"{frame.x(place):.1f} {frame.y(value):.1f}" for place, value in points)


def _path(frame: _Frame, line: Line) -> str:
    steps = [_steps(frame, piece) for piece in _pieces(line.values)]
    return f'<path class="line {line.kind}" d="{"".join(steps)}"/>'


def _area(frame: _Frame, band: Band) -> str:
    pieces = zip(_pieces(band.low), _pieces(band.high), strict=True)
    shapes = [_steps(frame, [*low, *reversed(high)]) + "Z" for low, high in pieces]
    return f'<path class="band" d="{"".join(shapes)}"/>'
