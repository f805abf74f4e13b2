"""Our answers beside those of the real service: keys, kinds of values, headers, order.

A difference that docs/fidelity.md does not state fails, and so does a stated one that is gone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import requests
from recordings import (  # type: ignore[import-not-found]  # beside this file
    differences,
    exchange,
    missing_headers,
    stated,
    xml_of,
)

from local_azure.machine_learning.planes.table import ROUTES
from local_azure.machine_learning.storage.state import ServerInfo

HISTORY = "pipeline_job_failed_children.json"
BLOBS = "blob_list_and_download.json"
W = "{W}"
FAIL = "raise SystemExit(1)"
Get = Callable[..., requests.Response]
COMPARED = {
    ("GET", "/discovery"),
    ("GET", "{W}"),
    ("GET", "{W}/computes/{name}"),
    ("PUT", "{W}/computes/{name}"),
    ("DELETE", "{W}/computes/{name}"),
    ("GET", "{W}/computeOperations/{name}"),
    ("GET", "/datastore/v1.0{W}/datastores"),
    ("GET", "/history/v1.0{W}/runs/{run_id}"),
    ("GET", "/history/v1.0{W}/runs/{run_id}/children"),
    ("GET", "/azureml-{rest}"),
    ("GET", "/azureml-{rest}/{blob:path}"),
    ("HEAD", "/azureml-{rest}/{blob:path}"),
}


@pytest.fixture
def send(server: ServerInfo, ws: Any) -> Get:
    """A call on the workspace: `send("GET", "/computes/x")`, with `plane` in front of its address."""
    scope = ws.service_context._get_workspace_scope()

    def call(method: str, path: str, plane: str = "", **more: Any) -> requests.Response:
        headers = ws._auth.get_authentication_header()
        return requests.request(method, f"{server.base_url}{plane}{scope}{path}", headers=headers, timeout=60, **more)

    return call


def check(found: Iterable[str], *objects: str) -> None:
    """Fail where what was found is not what docs/fidelity.md states."""
    seen, known = set(found), stated(set(objects))
    lines = "\n".join(sorted(seen - known))
    assert not lines, f"match the service, or state these differences with a reason in docs/fidelity.md:\n{lines}"
    lines = "\n".join(sorted(known - seen))
    assert not lines, f"docs/fidelity.md states differences that are gone:\n{lines}"


def compare(name: str, recorded: dict[str, Any], answer: requests.Response) -> None:
    """Status, body and headers of an answer of ours beside a recorded one."""
    assert answer.status_code == recorded["status"]
    body = answer.json() if answer.content else None
    found = [*differences(recorded["response_body"], body, name)]
    check([*found, *missing_headers(recorded["headers"], answer.headers, name)], name)


def test_every_route_that_coverage_calls_recorded_is_compared() -> None:
    assert {route.key for route in ROUTES if route.recorded} == COMPARED


def test_discovery(server: ServerInfo) -> None:
    recorded = exchange(HISTORY, "GET", "/discovery")
    compare("discovery", recorded, requests.get(f"{server.base_url}/discovery", timeout=30))


def test_workspace(send: Get) -> None:
    recorded, answer = exchange(HISTORY, "GET", W, nth=1), send("GET", "")
    compare("workspace", recorded, answer)
    for moment in (answer.json()["properties"]["creationTime"], answer.json()["systemData"]["createdAt"]):
        assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}(\.[0-9]{0,6}[1-9])?Z", moment)


def test_the_life_of_a_compute_target(send: Get) -> None:
    made = exchange("compute_create_delete.json", "PUT", W, 201)
    asked = {
        "location": "local",
        "properties": {
            "computeType": "AmlCompute",
            "description": "d",
            "properties": {
                "vmSize": "Standard_DS2_v2",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT100S"},
            },
        },
    }
    answer = send("PUT", "/computes/recorded", json=asked)
    compare("compute that is created", made, answer)
    cluster = answer.json()["properties"]["properties"]
    assert cluster["scaleSettings"]["nodeIdleTimeBeforeScaleDown"] == "PT1M40S"  # as recorded
    compare("compute", exchange(HISTORY, "GET", f"{W}/computes"), send("GET", "/computes/recorded"))
    done = exchange("compute_create_delete.json", "GET", "/subscriptions", nth=1)
    compare("compute operation", done, send("GET", "/computeOperations/recorded"))
    gone = send("DELETE", "/computes/recorded")
    compare("compute that is deleted", exchange("compute_create_delete.json", "DELETE", W, 202), gone)
    unknown = exchange("errors.json", "GET", f"{W}/computes", 404)
    compare("unknown compute", unknown, send("GET", "/computes/recorded"))


def test_datastores_come_with_the_workspace_newest_first(send: Get) -> None:
    recorded = exchange("datastores.json", "GET", f"{W}/datastores", nth=1)["response_body"]["value"][-4:]
    ours = send("GET", "/datastores", "/datastore/v1.0").json()["value"][-4:]
    assert [one["name"] for one in ours] == [one["name"] for one in recorded]
    for one, theirs in zip(ours, recorded, strict=True):
        section, properties = one["azureStorageSection"], theirs["properties"]
        assert one["dataStoreType"] == properties["datastoreType"]
        assert (one["tags"], one["isDefault"]) == (properties["tags"], properties["isDefault"])
        assert section["serviceDataAccessAuthIdentity"] == properties["serviceDataAccessAuthIdentity"]
        assert (section["subscriptionId"] is None) == (properties["subscriptionId"] is None)


def test_runs_of_steps(project: Any, experiment: Any, send: Get) -> None:
    """A step that ran and failed, and one that is reused; the children of a run come oldest first."""
    pipeline = project.pipeline(project.step("ok", "print('once')", allow_reuse=True))
    for _ in range(2):
        run = project.finished(experiment.submit(pipeline))
    reused = next(iter(run.get_steps())).id
    compare(
        "reused run",
        exchange("history_reused_child.json", "GET", "/history/v1.0{W}/runs/{reused}"),
        send("GET", f"/runs/{reused}", "/history/v1.0"),
    )
    failed = experiment.submit(project.pipeline(project.step("bad", FAIL), project.step("worse", FAIL)))
    failed.wait_for_completion(show_output=False, raise_on_error=False)
    children = send("GET", f"/runs/{failed.id}/children", "/history/v1.0").json()
    recorded = exchange(HISTORY, "GET", "/history/v1.0{W}/runs/{job}/children")["response_body"]
    check(differences(recorded, children, "children"), "children")
    created = [child["createdUtc"] for child in children["value"]]
    assert created == sorted(created)
    for child in children["value"]:
        assert child["runNumber"] == int(dt.datetime.fromisoformat(child["createdUtc"]).timestamp())
        assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}(\.[0-9]{0,6}[1-9])?\+00:00", child["createdUtc"])


@pytest.fixture
def blob(ws: Any, server: ServerInfo, unique: Callable[[str], str]) -> Callable[..., requests.Response]:
    """A signed call on blobs below a folder of this test's own, or with `listed=` on their container."""
    store, folder = ws.get_default_datastore(), unique("recorded")

    def call(method: str, name: str, *, listed: str = "", **more: Any) -> requests.Response:
        path = f"{store.container_name}" + ("" if listed else f"/{folder}/{name}")
        query = listed.format(folder=folder)
        return requests.request(method, f"{server.base_url}/{path}?{store.sas_token}&{query}", timeout=30, **more)

    return call


def test_blobs_and_their_listing(blob: Callable[..., requests.Response]) -> None:
    place = "/azureml-blobstore-{workspaceId}"
    blob("PUT", "a.csv", data=b"Hello World\n")
    for name, query, nth in (("listing", "include=metadata", 0), ("folded listing", "delimiter=/", 1)):
        recorded = exchange(BLOBS, "GET", place, nth=nth)
        answer = blob("GET", "", listed=f"restype=container&comp=list&prefix={{folder}}/&{query}")
        answer.encoding = "utf-8"
        assert answer.text.startswith("\ufeff")
        theirs, ours = xml_of(recorded["response_body"]), xml_of(answer.text)
        headers = missing_headers(recorded["headers"], answer.headers, name)
        check([*differences(theirs, ours, name), *headers], name)
        their_blob, our_blob = theirs["Blobs"]["Blob"], ours["Blobs"]["Blob"]
        assert list(our_blob) == list(their_blob)
        assert list(our_blob["Properties"]) == list(their_blob["Properties"])
    ranged = blob("GET", "a.csv", headers={"x-ms-range": "bytes=0-33554431"})
    check(missing_headers(exchange(BLOBS, "GET", place, 206)["headers"], ranged.headers, "range"), "range")
    whole = exchange(BLOBS, "GET", "/azureml/ExperimentRun/dcid.{run}/user_logs")
    check(missing_headers(whole["headers"], blob("GET", "a.csv").headers, "blob"), "blob")
    absent = exchange(BLOBS, "HEAD", place, 404)
    missing = blob("HEAD", "b", headers={"x-ms-version": "2021-08-06"})
    check(missing_headers(absent["headers"], missing.headers, "absent blob"), "absent blob")


def test_a_range_outside_of_a_blob(blob: Callable[..., requests.Response]) -> None:
    recorded = exchange(BLOBS, "GET", "/azureml", 416)
    blob("PUT", "empty", data=b"")
    asked = {"x-ms-range": "bytes=0-33554431", "x-ms-version": "2021-06-08"}
    answer = blob("GET", "empty", headers=asked)
    answer.encoding = "utf-8"
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, recorded["headers"]["Content-Range"])
    assert xml_of(answer.text).keys() == xml_of(recorded["response_body"]).keys()
    assert answer.text.startswith("\ufeff")
    assert re.search(r"\nRequestId:[0-9a-f-]{36}\nTime:[0-9T:.-]+Z</Message>", answer.text)
    found = missing_headers(recorded["headers"], answer.headers, "outside")
    check(found, "outside")
