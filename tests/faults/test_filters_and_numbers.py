"""Filters, page sizes and other words of addresses: capped, read in linear time, and refused with a message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.domain.runs import history_filters
from local_azure.machine_learning.domain.runs.history_filters import (
    MAX_FILTER_CHARS,
    MAX_FILTER_DEPTH,
    MAX_FILTER_TERMS,
    parse,
)
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.routing import Route
from local_azure.machine_learning.planes.table import ROUTES
from local_azure.machine_learning.storage.store import Store
from tests.faults.fault_server import Machine, scope
from tests.processor_time import least_seconds

TERM = '(tags/a eq "b")'
MEGABYTE = 1_000_000
WORST = {
    "blanks after a key": "tags/" + " " * MEGABYTE,
    "blanks after a value": "tags/a eq b" + " " * MEGABYTE + "x",
    "quotes": 'tags/a eq "' + '" ' * (MEGABYTE // 2),
    "single quotes": "tags/a eq '" + "' " * (MEGABYTE // 2),
    "one word": "a" * MEGABYTE,
    "blanks": " " * MEGABYTE + "x",
    "conjunctions": "tags/a eq 1 " + "and " * (MEGABYTE // 4),
    "operators": "tags/a " + "eq " * (MEGABYTE // 3),
    "brackets": "(" * MEGABYTE,
    "digits": "RunNumber eq " + "9" * MEGABYTE,
    "a time": "StartTimeUtc gt " + "2" * MEGABYTE,
    "terms": " and ".join([TERM] * (MEGABYTE // 20)),
    "bare terms": " or ".join(["RunId eq x"] * (MEGABYTE // 14)),
}


def seconds(text: str, enough: float) -> float:
    """How long a filter is read, whatever comes of it."""

    def read() -> None:
        try:
            parse("run", text)
        except ApiError as error:
            assert error.status == 400
            assert len(error.message) < 1_000

    return least_seconds(read, enough)


@pytest.mark.parametrize("kind", WORST)
def test_a_megabyte_of_anything_is_read_in_linear_time(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    assert seconds(WORST[kind], 0.1) < 0.1, "the cap on the length comes first"
    monkeypatch.setattr(history_filters, "MAX_FILTER_CHARS", 10 * MEGABYTE)
    assert seconds(WORST[kind][: MEGABYTE // 50], 2) < 2
    assert seconds(WORST[kind], 30) < 30


def test_a_filter_has_a_length() -> None:
    head = 'tags/a eq "'
    parse("run", head + "x" * (MAX_FILTER_CHARS - len(head) - 1) + '"')
    with pytest.raises(ApiError, match=f"{MAX_FILTER_CHARS}"):
        parse("run", head + "x" * (MAX_FILTER_CHARS - len(head)) + '"')


@pytest.mark.parametrize("word", ["and", "or"])
def test_a_filter_has_a_number_of_comparisons(tmp_path: Path, word: str) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.put("w", "run", "r", {"tags": {"a": "b"}})
    allowed = parse("run", f" {word} ".join([TERM] * MAX_FILTER_TERMS))
    sql = f"SELECT id FROM entity WHERE {allowed.sql}"  # noqa: S608
    assert [row["id"] for row in store.rows(sql, allowed.parameters)] == ["r"], "SQLite takes it"
    store.close()
    with pytest.raises(ApiError, match=f"more than {MAX_FILTER_TERMS} comparisons"):
        parse("run", f" {word} ".join([TERM] * (MAX_FILTER_TERMS + 1)))


def test_a_filter_has_a_depth() -> None:
    parse("run", "(" * MAX_FILTER_DEPTH + "RunId eq x" + ")" * MAX_FILTER_DEPTH)
    with pytest.raises(ApiError, match=f"{MAX_FILTER_DEPTH} levels"):
        parse("run", "(" * (MAX_FILTER_DEPTH + 1) + "RunId eq x" + ")" * (MAX_FILTER_DEPTH + 1))


@pytest.mark.parametrize("value", ["--5", "-", "²", "9" * 30, "1.5", "0x1"])
def test_a_number_in_a_filter_is_one(value: str) -> None:
    with pytest.raises(ApiError, match="not a value"):
        parse("run", f"RunNumber eq {value}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tags/a b eq c d", ("a b", "c d")),
        ("tags/a eq  b  and RunId eq x", ("a", "b")),
        ('(tags/a eq "x) and (y")', ("a", "x) and (y")),
        ("(tags/android eq band)", ("android", "band")),
        ("tags/a eq or", ("a", "or")),
    ],
)
def test_names_and_values_with_blanks(text: str, found: tuple[str, str]) -> None:
    assert parse("experiment", text.replace("RunId", "name")).parameters[1:3] == found


QUERIES = ["$skipToken", "count", "offset", "tail", "pageSize", "continuationToken", "$top", "$orderby", "$filter"]
QUERIES += ["$continuationToken", "tags", "properties", "versionId", "pipelineVersion", "Name", "maxresults"]
ODD = ["x", "-1", "²", "9" * 5000, "1e5", "[5]", "W10=", "NQ==", "bnVsbA==", "%00", "'", '"', "(", "null", "--5"]
SOME = ["-1", "²", "W10=", "%00", '"']
"""A number, a character, coded text, a byte and a quote; `make campaign` sends all."""


@pytest.mark.parametrize(
    "route",
    [
        pytest.param(route, id=route.path.replace("{W}", "W"))
        for route in ROUTES
        if route.method == "GET" and not route.streams and "{W}" in route.path
    ],
)
@pytest.mark.parametrize("words", [SOME, pytest.param(ODD, marks=pytest.mark.campaign)], ids=["some", "all"])
def test_odd_words_in_an_address_are_no_fault_of_the_server(shared: Machine, route: Route, words: list[str]) -> None:
    shared.create_run("queried", "queried")
    known: dict[str, Any] = {"run_id": "queried", "experiment": "queried"}
    known["experiment_id"] = shared.run("queried")["experimentId"]
    path = re.sub(
        r"\{(\w+)(?::path)?\}", lambda part: str(known.get(part[1], "x")), route.path.replace("{W}", scope())
    )

    def status(params: dict[str, str]) -> int:
        answer = shared.send("GET", path, params=params)
        assert answer.status_code < 500, (params, answer.text)
        assert "InternalError" not in answer.text, (params, answer.text)
        return answer.status_code

    for word in words:
        # Where one name is refused the route may not have read the others: each is sent alone then.
        if status(dict.fromkeys(QUERIES, word)) == 400:
            for name in QUERIES:
                status({name: word})
