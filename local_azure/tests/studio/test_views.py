"""Pictures and formats from plain values: every odd value still gives a page."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from local_azure.studio.pages.published import rhythm
from local_azure.studio.reading.run_facts import name_of
from local_azure.studio.views.charts import Axes, Band, Line, drawable, line_chart
from local_azure.studio.views.formats import dated, duration, hashed, moment, number, parted, size, unpacked
from local_azure.studio.views.graphs import MOST_NODES, Node, draw
from local_azure.studio.views.metrics import shared_ends
from local_azure.studio.views.previews import kind_of, table_of
from local_azure.studio.views.statuses import Status, status

AXES = Axes("day", "amount")


@pytest.mark.parametrize(
    "values",
    [
        [0.0], [5.0, 5.0], [-1e300, 1e300], [1e-300, 2e-300], [1.0, math.nan, 2.0], [math.inf, 1.0], [1e15, 1e15 + 1],
        [1e17, 1e17], [1e17, 1e17 + 16], [1e308, -1e308, 1.0], [0.0, 5e-324], [1e300] * 2, [-1e300] * 2,
    ],
)  # fmt: skip
def test_a_chart_of_odd_values_has_finite_places(values: list[float]) -> None:
    chart = line_chart([Line("x", tuple((float(n), value) for n, value in enumerate(values)))], "a chart", AXES)
    assert "<svg" in chart
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<text.*?</text>|<title>.*?</title>", "", chart))


def test_numbers_of_any_size_can_be_drawn_or_not() -> None:
    values = [1, 2.5, True, "1", None, 10**400, -(10**400), math.inf, math.nan, 1e308]
    assert [drawable(value) for value in values] == [1.0, 2.5, *[None] * 8]
    assert len(number(1e300)) < 10


def test_a_chart_has_round_ticks_and_nothing_gives_none() -> None:
    chart = line_chart([Line("x", ((0.0, 3.0), (1.0, 97.0)))], "a chart", AXES)
    assert re.findall(r'text-anchor="end">([^<]+)</text>', chart)[:5] == [
        "0",
        "25",
        "50",
        "75",
        "100",
    ]
    assert line_chart([Line("x", ((0.0, math.nan),))], "a chart", AXES) == ""


def test_a_chart_names_its_axes_and_draws_bands_within_its_scale() -> None:
    band = Band("80%", ((0, 0, 10), (1, -8, 9)))
    chart = line_chart([Line("x", ((0.0, 3.0), (1.0, 5.0)))], "a chart", AXES, [band])
    assert re.findall(r'<text class="axis"[^>]*>([^<]+)<', chart) == ["amount", "day"]
    corners = re.findall(r'<polygon class="band0" points="([^"]+)"', chart)[0].split()
    heights = [float(corner.split(",")[1]) for corner in corners]
    assert len(heights) == 4 and min(heights) >= 0 and max(heights) <= 340
    assert re.findall("</span> ([^<]+)</li>", chart) == ["x", "80%"], "the legend"


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
    assert table_of("a,b,c,d\n1,x,,-1.5e3\n.2,2,,\n", whole=True).numeric == {0, 3}


def test_a_preview_says_how_many_rows_there_are() -> None:
    many = "a\n" + "1\n" * 889
    assert [table_of(text, whole=whole).extent for text, whole in (
        ("a\n1\n", True), ("a\n" + "1\n" * 28, True), (many, True), (many, False), ("", True),
    )] == ["1 row", "28 rows", "200 of 889 rows", "the first 200 rows", "0 rows"]  # fmt: skip


def test_amounts_of_a_preview_have_separators_and_years_and_identifiers_have_none() -> None:
    table = table_of(
        "amount,year,customer_id,zip,day\n-1234567.50,2014,123456,01234,2014-05-31\n5,2015,7,12345,x\n", whole=True
    )
    assert [table.cell(place, text) for place, text in enumerate(table.rows[0])] == [
        "-1,234,567.50", "2014", "123456", "01234", "2014-05-31",
    ]  # fmt: skip
    assert table.cell(0, "1e5") == "1e5" and table.cell(0, "") == ""


def test_timestamps_and_hashes_in_values_of_others() -> None:
    assert "2026-12-01 04:22:53 UTC" in str(unpacked("2026-12-01T04:22:53.797253+00:00"))
    assert "2026-12-01 04:22:53 UTC" in dated("2026-12-01T04:22:53Z")
    for value in ("2026-13-01T04:22:53Z", "2026-12-01", "x"):
        assert unpacked(value) == dated(value) == value
    sha = "4f884bac" * 8
    assert hashed(f"8:{sha}") == f'<span class="mono" title="8:{sha}">8:4f884bac…</span>'
    assert hashed("plain") == "plain" and hashed(3) == 3


def test_packed_texts_are_read_and_others_left_alone() -> None:
    assert unpacked("base64_TWFya2V0aW5nIG5lZWRzIGl0") == "Marketing needs it"
    for value in ("base64_", "base64_!", "base64_AAEC", "base64_TWFya2V0aW5nIG5lZWRzI", "plain", 3, None):
        assert unpacked(value) == value


def test_names_break_between_their_words() -> None:
    assert parted("a_<b>_c") == "a_<wbr>&lt;b&gt;_<wbr>c"
    assert parted("runSource.__x/y") == "run<wbr>Source.__<wbr>x/<wbr>y"


@pytest.mark.parametrize(
    ("recurrence", "told"),
    [
        (("Day", 1, {"Hours": [2, 14], "Minutes": [5]}), "every day at 02:05, 14:05 UTC"),
        (("1", 2, {"WeekDays": ["Monday"]}), "every 2 weeks on Monday at 10:20 UTC"),
        (("Month", 1, {}), "every month on day 30 at 10:20 UTC"),
        (("Minute", 15, {}), "every 15 minutes"),
        (("Hour", 1, {}), "every hour"),
    ],
)
def test_when_a_schedule_fires_is_said_in_words(recurrence: tuple[str, int, dict[str, Any]], told: str) -> None:
    document = dict(zip(("Frequency", "Interval", "Schedule"), recurrence, strict=True))
    created = "2026-11-30T10:20:00.6598252+00:00"
    assert rhythm({"Recurrence": document, "CreatedDate": created, "DataStoreTriggerInfo": None}) == told


def test_a_node_without_a_status_is_a_name_alone() -> None:
    drawn = draw([Node("a", "prepare", Status("", "soft", ""))], "steps")
    assert "<title>prepare</title>" in drawn and 'class="state"' not in drawn


def test_runs_without_a_name_go_by_the_beginning_of_their_id() -> None:
    assert name_of({"runId": "0878ec1b-a18e-4322-99d8-f6b92f363523"}) == "run 0878ec1b"
    assert name_of({"runId": "training_1700000000_abcdef"}) == "run training_1700000000_abcdef"
    assert name_of({"runId": "x", "displayName": "a release"}) == "a release"


@pytest.mark.parametrize(("count", "ticks"), [(1, ["0"]), (3, ["0", "1", "2"]), (40, ["0", "10", "20", "29", "39"])])
def test_values_are_counted_in_whole_numbers(count: int, ticks: list[str]) -> None:
    chart = line_chart([Line("x", tuple((float(n), 0.5 * n) for n in range(count)))], "a chart", AXES)
    assert re.findall(r'<text[^>]* y="306"[^>]*>([^<]+)</text>', chart) == ticks


def test_metrics_whose_names_end_alike_are_one_table() -> None:
    values = {f"{who}_{what}": n for n, who in enumerate(("a", "b", "c_d")) for what in ("mae", "rel_mae")}
    found = shared_ends([*values.items(), ("a_bias", 7), ("rows", 8)])
    assert found.columns == ["a", "b", "c_d"]
    assert found.rows == [("mae", [0, 1, 2]), ("rel_mae", [0, 1, 2])]
    assert found.names == values.keys()


def test_few_or_ambiguous_metrics_stay_tiles() -> None:
    assert shared_ends([("a_mae", 1), ("b_mae", 2), ("_mae", 3), ("mae_", 4), ("x", 5)]).rows == []
    twice = [("a_mae", 1), ("a_mae", 2), ("b_mae", 3), ("c_mae", 4)]
    assert shared_ends(twice).rows == [], "two steps have logged one name"
    part = shared_ends([("a_x", 1), ("b_x", 2), ("c_x", 3), ("b_y", 4), ("c_y", 5), ("d_y", 6)])
    assert part.rows == [("x", [1, 2, 3, None]), ("y", [None, 4, 5, 6])]
