"""Metrics of runs, through the real client."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.storage.state import ServerInfo

Post = Callable[..., dict[str, Any]]


@pytest.fixture
def run(ws: Any, unique: Callable[[str], str]) -> Iterator[Any]:
    """A running interactive run."""
    from azureml.core import Experiment

    started = Experiment(ws, unique("metrics")).start_logging(snapshot_directory=None)
    yield started
    started.complete()


@pytest.fixture
def post(ws: Any, server: ServerInfo, run: Any) -> Post:
    """A request to the metric plane of the run: `post("batch", values=[...])`."""

    def send(verb: str, **body: Any) -> dict[str, Any]:
        scope = ws.service_context._get_workspace_scope()
        header = ws._auth_object.get_authentication_header()
        address = f"{server.base_url}/metric/v2.0{scope}/runs/{run.id}/{verb}"
        answer = requests.post(address, json=body, headers=header, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return send


def scalar(name: str, value: Any, created: str, kind: str = "double") -> dict[str, Any]:
    """One logged value as the client sends it."""
    entry = {"metricId": new_id(), "createdUtc": created, "data": {name: value}}
    properties = {"uxMetricType": "azureml.v1.scalar"}
    return {"name": name, "columns": {name: kind}, "value": [entry], "properties": properties}


def test_every_inline_kind_reads_back(run: Any) -> None:
    run.log("rows", 5)
    run.log("loss", 0.5, step=1)
    run.log("loss", 0.25, step=2)
    run.log("note", "fine")
    run.log("ok", True)
    run.log_list("folds", [1, 2.5, 3])
    run.log_row("one", day="Monday", mae=1.5)
    run.log_row("many", day="Monday", mae=1.5)
    run.log_row("many", day="Tuesday", mae=2)
    run.log_table("table", {"x": [1, 2, 3], "y": [0.1, 0.2, 0.3]})
    run.flush()
    assert run.get_metrics() == {
        "rows": 5,
        "loss": [0.5, 0.25],
        "note": "fine",
        "ok": True,
        "folds": [1.0, 2.5, 3.0],
        "one": {"day": "Monday", "mae": 1.5},
        "many": {"day": ["Monday", "Tuesday"], "mae": [1.5, 2.0]},
        "table": {"x": [1, 2, 3], "y": [0.1, 0.2, 0.3]},
    }
    assert run.get_metrics(name="rows") == {"rows": 5}
    assert run.get_metrics(name="unknown") == {}


def test_numbers_that_json_does_not_know(run: Any) -> None:
    for value in (math.nan, math.inf, -math.inf, 1.0):
        run.log("odd", value)
    run.flush()
    first, *others = run.get_metrics()["odd"]
    assert math.isnan(first)
    assert others == [math.inf, -math.inf, 1.0]


def test_rows_need_not_agree_in_their_columns(run: Any) -> None:
    run.log_row("rows", a=1.5, label="x")
    run.log_row("rows", b=2.5)
    run.flush()
    rows = run.get_metrics()["rows"]
    assert rows["label"] == ["x", None]
    assert math.isnan(rows["a"][1])
    assert math.isnan(rows["b"][0])


def test_values_come_in_the_order_of_their_times(post: Post) -> None:
    late = scalar("loss", 2.0, "2026-01-31T11:00:00+01:00")
    later = scalar("loss", 3.0, "2026-01-31T10:00:00.5Z")
    early = scalar("loss", 1.0, "2026-01-31T09:59:59Z")
    for batch in (later, late, early):
        assert post("batch", values=[batch], reportErrors=True) == {"errors": []}
    full = post("full", metricName="loss")
    assert [value["data"]["loss"] for value in full["value"]] == [1.0, 2.0, 3.0]
    since = post("full", metricName="loss", startTime="2026-01-31T10:00:00Z", endTime="2026-01-31T10:00:00Z")
    assert [value["data"]["loss"] for value in since["value"]] == [2.0]


def test_a_batch_sent_twice_counts_once(post: Post) -> None:
    batch = [scalar("loss", 1.0, "2026-01-31T10:00:00Z")]
    post("batch", values=batch)
    post("batch", values=batch)
    assert len(post("full", metricName="loss")["value"]) == 1


def test_whole_numbers_become_decimal_ones(run: Any) -> None:
    run.log("mixed", 1)
    run.log("mixed", 2.5)
    run.flush()
    assert run.get_metrics()["mixed"] == [1.0, 2.5]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (scalar("m", "text", "2026-01-31T10:00:00Z", "string"), "cannot take a value of string"),
        ({**scalar("m", 1.0, "2026-01-31T10:00:00Z"), "properties": {"uxMetricType": "azureml.v1.table"}}, "kind"),
        ({**scalar("m", 1.0, "2026-01-31T10:00:00Z"), "properties": {"uxMetricType": "own"}}, "'own'"),
        ({**scalar("m", 1.0, "2026-01-31T10:00:00Z"), "columns": {}}, "none of its columns"),
    ],
)
def test_what_contradicts_is_reported_and_the_rest_is_kept(post: Post, second: dict[str, Any], said: str) -> None:
    post("batch", values=[scalar("m", 1.0, "2026-01-31T10:00:00Z")])
    errors = post("batch", values=[second, scalar("n", 1.0, "2026-01-31T10:00:00Z")], reportErrors=True)["errors"]
    assert [error["metric"]["name"] for error in errors] == ["m"]
    assert said in errors[0]["errorResponse"]["error"]["message"]
    assert len(post("full", metricName="m")["value"]) == 1
    assert len(post("full", metricName="n")["value"]) == 1


def test_a_long_series_comes_in_pages(run: Any, post: Post) -> None:
    table = {f"x{number % 2}": [] for number in range(2)} | {"x0": list(range(6000)), "x1": [0.5] * 6000}
    run.log_table("long", table)
    run.flush()
    page = post("full", metricName="long")
    assert len(page["value"]) == 5000
    assert page["continuationToken"]
    assert run.get_metrics()["long"]["x0"] == list(range(6000))


def test_metrics_of_children(run: Any) -> None:
    child = run.child_run()
    child.log("depth", 1)
    child.complete()
    run.log("depth", 0)
    run.flush()
    assert run.get_metrics(recursive=True) == {run.id: {"depth": 0}, child.id: {"depth": 1}}


@pytest.mark.parametrize("kind", ["confusion_matrix", "accuracy_table", "residuals", "predictions"])
def test_kinds_that_live_in_artifacts(run: Any, kind: str) -> None:
    value = {
        "schema_type": kind,
        "schema_version": "v1",
        "data": {"matrix": [[1, 2], [3, 4]], "class_labels": ["a", "b"]},
    }
    getattr(run, f"log_{kind}")("shape", value)
    run.flush()
    assert run.get_metrics() == {"shape": f"aml://artifactId/ExperimentRun/dcid.{run.id}/shape"}
    artifact = run.get_metrics(populate=True)["shape"]
    assert artifact.convert_to_object() == value


def test_an_image_is_logged_by_reference(run: Any, folder: Path) -> None:
    pixel = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    (folder / "plot.png").write_bytes(pixel)
    run.log_image("plot", path="plot.png")
    run.flush()
    assert run.get_metrics() == {"plot": f"aml://artifactId/ExperimentRun/dcid.{run.id}/plot.png"}
    run.download_file("plot.png", str(folder / "back.png"))
    assert (folder / "back.png").read_bytes() == pixel
