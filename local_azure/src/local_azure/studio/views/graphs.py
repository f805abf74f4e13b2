"""Graphs of steps and of stages as SVG: layers from top to bottom, a link for every node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from local_azure.studio.views.formats import short
from local_azure.studio.views.statuses import Status

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 200, 52, 28, 36, 4
_CHARACTERS = 24
MOST_NODES = 300  # more are a list only: nobody reads such a picture


@dataclass(frozen=True)
class Node:
    """One box. waits_for: keys of the nodes before it. note: the second line, beside the status."""

    key: str
    title: str
    status: Status
    waits_for: tuple[str, ...] = ()
    note: str = ""
    address: str = ""


def draw(nodes: Sequence[Node], label: str) -> Markup:
    """Return the graph as SVG; an empty text for none or too many nodes."""
    if not nodes or len(nodes) > MOST_NODES:
        return Markup("")
    rows = _rows(nodes)
    widest = max(map(len, rows))
    width = widest * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN
    height = len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    places = {}
    for level, row in enumerate(rows):
        left = (width - len(row) * (_WIDTH + _GAP_X) + _GAP_X) / 2
        for position, node in enumerate(row):
            places[node.key] = (left + position * (_WIDTH + _GAP_X), _MARGIN + level * (_HEIGHT + _GAP_Y))
    edges = Markup("").join(
        _edge(places[before], places[node.key]) for node in nodes for before in node.waits_for if before in places
    )
    boxes = Markup("").join(_box(node, *places[node.key]) for node in nodes)
    return Markup(
        '<svg class="graph" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" role="group" '
        'aria-label="{2}">{3}{4}</svg>'
    ).format(width, height, label, edges, boxes)


def _rows(nodes: Sequence[Node]) -> list[list[Node]]:
    """Layers by the longest way to a node; within one, in the order of what they wait for."""
    known = {node.key: node for node in nodes}
    levels: dict[str, int] = {}
    left = list(nodes)
    while left:
        ready = [node for node in left if not set(node.waits_for) & known.keys() - levels.keys()]
        for node in ready or left:  # a circle, which no server of ours accepts, must not hang the page
            levels[node.key] = 1 + max((levels.get(key, -1) for key in node.waits_for), default=-1)
        left = [node for node in left if node.key not in levels]
    rows: list[list[Node]] = [[] for _ in range(max(levels.values()) + 1)]
    for node in nodes:
        rows[levels[node.key]].append(node)
    return [row for row in rows if row]


def _edge(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    x1, y1 = start[0] + _WIDTH / 2, start[1] + _HEIGHT
    x2, y2 = end[0] + _WIDTH / 2, end[1]
    middle = (y1 + y2) / 2
    path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"
    return Markup('<path class="edge" d="{}"/>').format(path)


def _box(node: Node, x: float, y: float) -> Markup:
    state = f"{node.status.word} · {node.note}" if node.note else node.status.word
    second = Markup('<text class="state" x="12" y="40">{} {}</text>').format(node.status.sign, state)
    inner = Markup(
        '<title>{}{}</title><rect width="{}" height="{}" rx="6"/><text class="name" x="12" y="{}">{}</text>{}'
    ).format(
        node.title, f": {state}" if state else "", _WIDTH, _HEIGHT, 22 if state else 31,
        short(node.title, _CHARACTERS), second if state else "",
    )  # fmt: skip
    group = Markup('<g class="node {}" transform="translate({:.0f} {:.0f})">{}</g>').format(
        node.status.tone, x, y, inner
    )
    return Markup('<a href="{}">{}</a>').format(node.address, group) if node.address else group
