"""What is not strict JSON, or not of the form that a route expects, is a clear 400 and is not stored."""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.http.routing import Route
from local_azure.machine_learning.http.shapes import Items, Pairs, Record, Shape, sample
from local_azure.machine_learning.planes.table import ROUTES
from tests.faults.conftest import copied_server
from tests.faults.fault_server import Machine, await_true, scope
from tests.processor_time import least_seconds

WRITES = [route for route in ROUTES if route.method != "GET" and not route.streams and "{W}" in route.path]
NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"]
NO_TEXTS = [rb'"\ud800"', rb'"\udfff!"', b'"\xed\xa0\x80"', b'"\xff"']
FORMS = [b'{"name": %s}', b'{"tags": {"a": %s}}', b"[%s]", b"%s", b"{%s: 1}"]
# The first route of each of the two ways in which a body is parsed.
PARSED_IN_FULL = [
    next(route.key for route in WRITES if route.lenient_numbers == lenient) for lenient in (False, True)
]
WRONG: list[Any] = [[1], [[]], "text", 5, {"a": 1}, True, ["a"], [None], [{"a": 1}]]
Facts = dict[str, str]


def named(routes: list[Route]) -> list[Any]:
    """Parameters with readable names."""
    return [pytest.param(route, id=_name(route)) for route in routes]


def in_a_campaign(routes: list[Route]) -> list[Any]:
    """Parameters that `make test` leaves out."""
    return [pytest.param(route, id=_name(route), marks=pytest.mark.campaign) for route in routes]


def _name(route: Route) -> str:
    return f"{route.method} {route.path}".replace("{W}", "W")


@pytest.fixture(scope="module")
def shared(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A server for these tests alone: they change, and disable, whatever a route reaches."""
    yield from copied_server(published, tmp_path_factory.mktemp("strict") / "state")


@pytest.fixture(scope="module")
def facts(shared: Machine) -> Facts:
    """Names and ids of objects that exist, by the names of the parts of paths."""
    shared.create_run("strict", "strict")
    pipeline = shared.get(f"/pipelines/v1.0{scope()}/Pipelines")[0]["Id"]
    body = {"PipelineId": pipeline, "Name": "strict"}
    endpoint = shared.post(f"/pipelines/v1.0{scope()}/PipelineEndpoints/Create", body)["Id"]
    body = {
        "PipelineId": pipeline,
        "Name": "strict",
        "ScheduleType": "Recurrence",
        "PipelineSubmissionInfo": {"ExperimentName": "strict"},
        "Recurrence": {"Frequency": "Month", "Interval": 1, "StartTime": "2100-01-01T00:00:00"},
    }
    schedule = shared.post(f"/pipelines/v1.0{scope()}/Schedules/Create", body)["Id"]
    shared.post(f"/environment/v1.0{scope()}/environments/strict", {"name": "strict"}, "PUT")
    return {
        "experiment": "strict",
        "run_id": "strict",
        "experiment_id": shared.run("strict")["experimentId"],
        "pipeline_id": pipeline,
        "endpoint_id": endpoint,
        "schedule_id": schedule,
        "name": "strict",
        "version": "1",
        "compute": "cluster",
    }


@pytest.fixture
def reader(shared: Machine) -> Iterator[sqlite3.Connection]:
    """Sees what is stored."""
    connection = sqlite3.connect(f"file:{shared.state.database}?mode=ro", uri=True)
    yield connection
    connection.close()


def address(route: Route, facts: Facts) -> str:
    """A path that the route matches; objects that exist wherever there are some."""

    def fill(found: re.Match[str]) -> str:
        return facts.get(found[1], "anything")

    return re.sub(r"\{(\w+)(?::path)?\}", fill, route.path.replace("{W}", scope()))


def stored(reader: sqlite3.Connection) -> int:
    """A number that changes with every commit of another process."""
    return int(reader.execute("PRAGMA data_version").fetchone()[0])


def open_runs(reader: sqlite3.Connection) -> int:
    """Runs that write to the store by themselves."""
    sql = "SELECT count(*) FROM entity WHERE kind IN ('pipeline_run', 'script_run') AND parent = 'open'"
    return int(reader.execute(sql).fetchone()[0])


Ask = Callable[[Route, bytes], requests.Response]


@pytest.fixture
def ask(shared: Machine, facts: Facts, reader: sqlite3.Connection) -> Ask:
    """Send a body; what is refused is refused with a message and leaves the store as it was."""

    def send(route: Route, body: bytes, tries: int = 2) -> requests.Response:
        await_true(lambda: not open_runs(reader), "the end of what runs")
        before = stored(reader)
        answer = shared._session.request(
            route.method,
            shared.info.base_url + address(route, facts),
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        assert answer.status_code < 500, answer.text
        assert "InternalError" not in answer.text, (body, answer.text)
        if answer.status_code >= 400 and stored(reader) != before:
            # The end of an earlier run may be stored meanwhile; a refused request that stores does so each time.
            assert tries > 1, (body, answer.text)
            return send(route, body, tries - 1)
        return answer

    return send


def bodies_without_strict_json(route: Route) -> list[bytes]:
    """Every value in every form where a route is the first of its parser, else each value once and each form."""
    values = [word.encode() for word in NO_NUMBERS] + NO_TEXTS
    if route.lenient_numbers:
        values = [value for value in values if value not in (b"NaN", b"Infinity", b"-Infinity")]
    if route.key in PARSED_IN_FULL:
        return [form % value for value in values for form in FORMS]
    return [FORMS[number % len(FORMS)] % value for number, value in enumerate(values)]


def demand_refusal(ask: Ask, route: Route, bodies: list[bytes]) -> None:
    """Each body is a 400 that speaks of JSON."""
    for body in bodies:
        answer = ask(route, body)
        assert answer.status_code == 400, (body, answer.status_code)
        assert "JSON" in answer.text


@pytest.mark.parametrize("route", named(WRITES))
def test_what_is_not_strict_json_is_refused_before_anything_is_stored(ask: Ask, route: Route) -> None:
    bodies = bodies_without_strict_json(route)
    # One parser reads the bodies of all routes: that a route uses it shows in two of them.
    demand_refusal(ask, route, bodies if route.key in PARSED_IN_FULL else bodies[:: len(bodies) - 1])


@pytest.mark.campaign
@pytest.mark.parametrize("route", named([route for route in WRITES if route.key not in PARSED_IN_FULL]))
def test_nothing_but_strict_json_is_stored_by_any_route(ask: Ask, route: Route) -> None:
    demand_refusal(ask, route, bodies_without_strict_json(route))


@pytest.mark.parametrize("route", named(WRITES))
def test_bodies_of_the_wrong_kind_are_400_in_words(ask: Ask, route: Route) -> None:
    for body in [b"", b"null", *(json.dumps(wrong).encode() for wrong in WRONG), b"{}"]:
        ask(route, body)


def places(shape: Shape, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document of a shape."""
    yield path
    if isinstance(shape, Record):
        for key, inner in shape.fields.items():
            yield from places(inner, (*path, key))
    elif isinstance(shape, Items):
        yield from places(shape.of, (*path, 0))
    elif isinstance(shape, Pairs):
        yield from places(shape.of, (*path, "key"))


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at a place; Ellipsis removes what is there."""
    if not path:
        return value
    head, *rest = path
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    if rest or value is not ...:
        copy[head] = changed(copy[head], tuple(rest), value)
    else:
        del copy[head]
    return copy


def wrong_anywhere(shape: Shape) -> Iterator[list[Any]]:
    """For each place in a document of a shape, the documents that have something else there, or nothing."""
    whole = sample(shape)
    for path in places(shape):
        if path:
            yield [changed(whole, path, wrong) for wrong in (None, *WRONG, ...)]


WITH_FORM = [route for route in WRITES if route.body is not None]
ONE_OF_A_PLANE = {route.path.removeprefix("/").partition("/")[0]: route.key for route in WITH_FORM}.values()


@pytest.mark.parametrize("route", named(WITH_FORM))
def test_a_form_says_what_is_wrong_anywhere(route: Route) -> None:
    assert route.body is not None
    found = [
        fault for documents in wrong_anywhere(route.body) for one in documents if (fault := route.body.fault(one))
    ]
    assert all(re.match(r"[^ ]* (must be|is|has) ", str(fault)) for fault in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "route",
    [
        *named([route for route in WITH_FORM if route.key in ONE_OF_A_PLANE]),
        *in_a_campaign([route for route in WITH_FORM if route.key not in ONE_OF_A_PLANE]),
    ],
)
def test_a_value_of_the_wrong_kind_anywhere_is_a_400_in_words(ask: Ask, route: Route) -> None:
    assert route.body is not None
    ask(route, json.dumps(sample(route.body)).encode())
    for documents in wrong_anywhere(route.body):
        refused = [document for document in documents if route.body.fault(document)]
        # Forms refuse before a handler is called, all alike: one request shows it. What they let pass is all sent.
        for document in [*refused[:1], *(one for one in documents if one not in refused)]:
            ask(route, json.dumps(document).encode())


@pytest.mark.parametrize("route", named(WITH_FORM))
def test_what_was_found_and_what_was_expected_is_said(ask: Ask, route: Route) -> None:
    assert route.body is not None
    wrong = b'"a text"' if not isinstance(route.body, Items) else b"{}"
    if route.body.fault("a text") is None:
        pytest.skip("a text is a body of this route")
    answer = ask(route, wrong)
    assert answer.status_code == 400
    assert re.search(r"must be .*, not ", answer.text), answer.text


def test_every_route_that_reads_a_body_says_its_form() -> None:
    """A route without a form gets no body: `Call.document` refuses."""
    missing = [route.key for route in WRITES if route.body is None and "call.document" in _source(route)]
    assert missing == []


def _source(route: Route) -> str:
    return inspect.getsource(route.handler)


@pytest.mark.parametrize("text", ["%ED%A0%80", "%FF", "a%C0%AFb", "%E2%82"])
def test_addresses_that_are_no_utf_8_are_refused(shared: Machine, reader: sqlite3.Connection, text: str) -> None:
    before = stored(reader)
    token = shared._session.headers["Authorization"]
    for method, path in [
        ("PUT", f"/environment/v1.0{scope()}/environments/{text}"),
        ("POST", f"/history/v1.0{scope()}/experiments/{text}"),
        ("GET", f"/modelmanagement/v1.0{scope()}/models?tags={text}"),
        ("PUT", f"{scope(text)}"),
    ]:
        request = requests.Request(method, shared.info.base_url, headers={"Authorization": str(token)}, json={})
        prepared = request.prepare()
        prepared.url = shared.info.base_url + path
        answer = requests.Session().send(prepared, timeout=20)
        assert answer.status_code == 400, (path, answer.text)
        assert "UTF-8" in answer.text
    assert stored(reader) == before


def test_numbers_that_json_does_not_have_are_metrics_all_the_same(shared: Machine) -> None:
    shared.create_run("odd-metrics")
    path = f"/metric/v2.0{scope()}/runs/odd-metrics"
    body = (
        '{"values": [{"name": "m", "columns": {"m": "double"}, "properties": {"uxMetricType": "azureml.v1.scalar"},'
        ' "value": [{"metricId": "%s", "data": {"m": %s}}]}]}'
    )
    for word in ("NaN", "Infinity", "-Infinity"):
        answer = shared._session.post(shared.info.base_url + path + "/batch", data=body % (word, word), timeout=20)
        assert answer.json() == {"errors": []}
    found = shared.post(path + "/full", {"metricName": "m"})
    assert [value["data"]["m"] for value in found["value"]] == ["NaN", "Infinity", "-Infinity"]
    answer = shared._session.post(shared.info.base_url + path + "/batch", data=body % ("x", "1e999"), timeout=20)
    assert answer.status_code == 400


# --- the parser itself


@pytest.mark.parametrize("form", ["[%s]", '{"a": %s}', '{"[": %s}'])
def test_json_has_a_depth(form: str) -> None:
    def nested(levels: int) -> bytes:
        opening, closing = form.split("%s")
        return (opening * levels + "1" + closing * levels).encode()

    strict_json.parse(nested(strict_json.MAX_DEPTH))
    for levels in (strict_json.MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(ValueError, match=str(strict_json.MAX_DEPTH)):
            strict_json.parse(nested(levels))


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ('{"a": 1, "a": 1}', "a", (1, 1)),
        ('[{"b": {"a": 1, "x": [],\n "a": 2}}]', "a", (1, 2)),
        ('{"a": 1,\n\n "\\u0061" : 2}', "a", (1, 3)),
        ('{"a": {"b": "x\\"}\\\\"},\r\n "b": "b",\n "c": [{"b": 1}],\n "b"\n: 3}', "b", (2, 4)),
    ],
)
def test_a_key_that_occurs_twice_is_named_with_both_lines(text: str, key: str, lines: tuple[int, int]) -> None:
    said = f"the key {key!r} occurs twice, in line {lines[0]} and in line {lines[1]}; keep one of the two"
    with pytest.raises(ValueError, match=re.escape(said)):
        strict_json.parse(text.encode())


def test_the_lines_of_a_large_body_are_found_in_linear_time() -> None:
    text = b'[{"x": "' + b'\\"' * 500_000 + b'"},\n{"a": [' + b"{}," * 100_000 + b'{}],\n"a": 2}]'

    def refuse() -> None:
        with pytest.raises(ValueError, match="in line 2 and in line 3"):
            strict_json.parse(text)

    assert least_seconds(refuse, 4) < 4


def test_brackets_inside_of_texts_are_no_depth() -> None:
    text = json.dumps({"a": "[" * 500 + '"' + "{" * 500})
    assert strict_json.parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize("document", [{"a": float("nan")}, [float("inf")], {"a": "\ud800"}, {"\udfff": 1}])
def test_nothing_else_is_ever_written(document: Any) -> None:
    with pytest.raises(ValueError):
        strict_json.text(document)


@pytest.mark.parametrize("text", ["\U0001f600", "ü", "\u0000", "\\ud800", "a\u2028b"])
def test_texts_of_every_kind_come_back(text: str) -> None:
    assert strict_json.parse(strict_json.text([text]).encode()) == [text]
