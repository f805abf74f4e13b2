"""Pictures and formats from plain values: every odd value still gives a page."""

from __future__ import annotations

import math
import re

import pytest

from local_azure.studio.views.charts import Line, drawable, line_chart
from local_azure.studio.views.formats import duration, moment, number, size
from local_azure.studio.views.graphs import MOST_NODES, Node, draw
from local_azure.studio.views.previews import kind_of, table_of
from local_azure.studio.views.statuses import status


@pytest.mark.parametrize(
    "values",
    [
        [0.0], [5.0, 5.0], [-1e300, 1e300], [1e-300, 2e-300], [1.0, math.nan, 2.0], [math.inf, 1.0], [1e15, 1e15 + 1],
        [1e17, 1e17], [1e17, 1e17 + 16], [1e308, -1e308, 1.0], [0.0, 5e-324], [1e300] * 2, [-1e300] * 2,
    ],
)  # fmt: skip
def test_a_chart_of_odd_values_has_finite_places(values: list[float]) -> None:
    chart = line_chart([Line("x", tuple((float(n), value) for n, value in enumerate(values)))], "a chart")
    assert "<svg" in chart
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<text.*?</text>|<title>.*?</title>", "", chart))


def test_numbers_of_any_size_can_be_drawn_or_not() -> None:
    values = [1, 2.5, True, "1", None, 10**400, -(10**400), math.inf, math.nan, 1e308]
    assert [drawable(value) for value in values] == [1.0, 2.5, *[None] * 8]
    assert len(number(1e300)) < 10


def test_a_chart_has_round_ticks_and_nothing_gives_none() -> None:
    chart = line_chart([Line("x", ((0.0, 3.0), (1.0, 97.0)))], "a chart")
    assert re.findall(r'text-anchor="end">([^<]+)</text>', chart)[:5] == [
        "0",
        "25",
        "50",
        "75",
        "100",
    ]
    assert line_chart([Line("x", ((0.0, math.nan),))], "a chart") == ""


def test_layers_follow_what_nodes_wait_for_even_in_a_circle() -> None:
    plain = status("Completed")
    nodes = [Node("a", "a", plain), Node("b", "b", plain, ("a",)), Node("c", "c", plain, ("a", "b", "gone"))]
    heights = [float(y) for y in re.findall(r"translate\([0-9]+ ([0-9]+)\)", draw(nodes, "g"))]
    assert heights == sorted(heights) and len(set(heights)) == 3
    assert draw([Node("a", "a", plain, ("b",)), Node("b", "b", plain, ("a",))], "g").count("<rect") == 2
    assert draw([Node(str(n), "x", plain) for n in range(MOST_NODES + 1)], "g") == ""
    assert draw([], "g") == ""


def test_formats() -> None:
    assert [duration(s) for s in (None, 0.004, 59.94, 61, 3_725)] == [
        "-",
        "4 ms",
        "59.9 s",
        "1 min 01 s",
        "1 h 02 min",
    ]
    assert [size(n) for n in (0, 1023, 1536, 5 * 1024**3)] == ["0 bytes", "1,023 bytes", "1.5 KiB", "5.0 GiB"]
    shown = [number(value) for value in (0.1234567, 1234.5, 3.0, 12345, True, None, math.nan)]
    assert shown == ["0.1235", "1,234.50", "3", "12,345", "True", "", "nan"]
    assert 'datetime="2026-11-30T09:00:00Z"' in moment("2026-11-30T10:00:00.5+01:00")
    assert "UTC" not in moment("not a time")


def test_previews_of_files() -> None:
    assert [kind_of(name) for name in ("a/B.CSV", "x.html", "x", "a.b/Makefile")] == [
        "table",
        "page",
        "other",
        "text",
    ]
    table = table_of("a,b\n1,2\n3,", whole=False)
    assert (table.columns, table.rows, table.is_cut) == (["a", "b"], [["1", "2"]], True)
    assert table_of("", whole=True).columns == []
