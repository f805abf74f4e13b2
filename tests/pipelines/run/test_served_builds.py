"""What a run leaves behind is read by a later run, over the routes of Azure DevOps and with the token of its job."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.run.builds import server
from local_azure.pipelines.run.builds.record import RECORD_FILE, BuildRecord, Decision, read_record
from local_azure.pipelines.run.builds.server import ServedBuilds, serving
from local_azure.pipelines.run.results import Result

Run = Callable[..., Any]

ASKING = """
    stages:
    - stage: Train
      jobs: [{job: train, steps: [{bash: echo trained}]}]
    - stage: Production
      dependsOn: Train
      jobs:
      - deployment: release
        environment: production
        strategy: {runOnce: {deploy: {steps: [{bash: echo deployed}]}}}
"""
READING = """
    steps:
    - bash: |
        apis="$SYSTEM_COLLECTIONURI$SYSTEM_TEAMPROJECT/_apis"
        ask() { curl -fsS -H "Authorization: Bearer $SYSTEM_ACCESSTOKEN" "$apis/$1"; }
        approval=$(ask build/builds/1/timeline | python3 -c 'import json, sys
        print(next(r["id"] for r in json.load(sys.stdin)["records"] if r["type"] == "Checkpoint.Approval"))')
        ask "pipelines/approvals?approvalIds=$approval&\\$expand=steps" > approvals.json
        ask "build/builds/$BUILD_BUILDID" > own.json
        mkdir kept && mv *.json kept
      env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}
    - publish: kept
      artifact: kept
    - bash: test -z "$SYSTEM_ACCESSTOKEN"
"""


def test_a_later_run_reads_the_rejection_of_an_earlier_one(run: Run) -> None:
    assert run(ASKING, reject=("production",), comment="not before Monday", approver="Grace").code == 3
    read = run(READING)
    assert read.code == 0, read.logs
    kept = Path(read.document["folder"], "artifacts/kept")
    (approval,) = json.loads((kept / "approvals.json").read_text())["value"]
    (step,) = approval["steps"]
    assert (approval["status"], approval["pipeline"]["owner"]["id"]) == ("rejected", 1)
    assert (step["actualApprover"]["displayName"], step["comment"]) == ("Grace", "not before Monday")
    assert approval["rehearsal"] == "local rehearsal"
    own = json.loads((kept / "own.json").read_text())
    assert (own["id"], own["status"], own["requestedFor"]["displayName"]) == (
        2,
        "inProgress",
        "local rehearsal, no person recorded",
    )


def test_the_record_of_a_run_tells_its_stages_and_its_end(run: Run, tmp_path: Path) -> None:
    run(ASKING, approve=("production",), approver="Ada")
    record = read_record(tmp_path / "state/pipelines/1")
    assert record is not None
    assert (record["build"]["status"], record["build"]["result"]) == ("completed", "succeeded")
    stages = {one["identifier"]: one["result"] for one in record["timeline"]["records"] if one["type"] == "Stage"}
    assert stages == {"Train": "succeeded", "Production": "succeeded"}
    assert [one["status"] for one in record["approvals"]] == ["approved"]


def asked(folder: Path) -> tuple[BuildRecord, str]:
    """A run that waits for an approval."""
    folder.mkdir(parents=True)
    record = BuildRecord(folder, int(folder.name), lambda text: text.replace("secret", "***"))
    record.begin("7", {"Production": "Production"}, {})
    record.stage_began("Production")
    return record, record.ask("Production", "production")


def test_a_build_carries_its_tags(tmp_path: Path) -> None:
    record, _ = asked(tmp_path / "1")
    record.tag("ledger.p.1.aa")
    record.tag("verified")
    found = read_record(tmp_path / "1")
    assert found is not None
    assert found["build"]["tags"] == ["ledger.p.1.aa", "verified"]
    record.end(Result.SUCCEEDED)


def test_an_approval_is_pending_while_its_run_lives_and_canceled_once_it_was_killed(tmp_path: Path) -> None:
    record, approval = asked(tmp_path / "1")
    living = read_record(tmp_path / "1")
    assert living is not None
    assert [(one["id"], one["status"]) for one in living["approvals"]] == [(approval, "pending")]
    content = (tmp_path / "1" / RECORD_FILE).read_bytes()
    record.end(Result.CANCELED)
    (tmp_path / "1" / RECORD_FILE).write_bytes(content)  # what a killed process leaves: no end, and no lock
    dead = read_record(tmp_path / "1")
    assert dead is not None
    assert (dead["build"]["status"], dead["build"]["result"]) == ("completed", "canceled")
    assert dead["approvals"][0]["status"] == "canceled"
    assert {one["state"] for one in dead["timeline"]["records"]} == {"completed"}


def test_secrets_are_masked_and_comments_cut(tmp_path: Path) -> None:
    record, approval = asked(tmp_path / "1")
    record.decide(approval, Decision(approved=False, person="a secret person", comment="secret" + "x" * 5_000))
    record.end(Result.FAILED)
    text = (tmp_path / "1" / RECORD_FILE).read_text()
    assert "secret" not in text
    assert "x" * 1_900 in text
    assert "x" * 2_001 not in text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b'{"build": {}}', b" " * 5_000_000])
def test_a_record_that_is_none_any_more_is_absent(tmp_path: Path, content: bytes) -> None:
    record, _ = asked(tmp_path / "1")
    record.end(Result.FAILED)
    (tmp_path / "1" / RECORD_FILE).write_bytes(content)
    assert read_record(tmp_path / "1") is None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedBuilds]:
    """A folder without runs, served."""
    with serving(tmp_path_factory.mktemp("runs")) as opened:
        yield opened


def answer(served: ServedBuilds, path: str, token: str | None = None, body: bytes | None = None) -> tuple[int, Any]:
    """Status and document of an answer."""
    headers = {"Authorization": f"Bearer {served.token if token is None else token}".encode().decode("latin-1")}
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}{path}", body, headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as found:
            return found.status, json.load(found)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/local/local/_apis/build/builds/1", 404, "build 1 could not be found"),
        ("/local/local/_apis/build/builds/1/timeline", 404, "build 1 could not be found"),
        ("/local/local/_apis/build/builds/../../etc", 400, "NotImplemented: GET"),
        ("/local/local/_apis/build/builds?statusFilter=all", 400, "NotImplemented: GET /_apis/build/builds with"),
        ("/local/local/_apis/build/folders", 400, "NotImplemented: GET /_apis/build/folders"),
        ("/other/local/_apis/build/builds/1", 400, "NotImplemented: GET"),
        ("/local/local/_apis/pipelines/approvals", 400, "1 to 100 approvals"),
        (f"/local/local/_apis/pipelines/approvals?approvalIds={'a,' * 101}", 400, "1 to 100 approvals"),
    ],
)
def test_what_is_not_there_is_refused_by_name(served: ServedBuilds, path: str, status: int, said: str) -> None:
    found, document = answer(served, path)
    assert (found, said in document["message"]) == (status, True), document


def test_ended_builds_of_some_pipelines_are_listed_the_newest_first(tmp_path: Path) -> None:
    for number, definition in ((1, 7), (2, 8), (3, 7), (4, 7), (5, 7)):
        (tmp_path / str(number)).mkdir()
        record = BuildRecord(tmp_path / str(number), number, str)
        record.begin(str(number), {"Train": "Train"}, {"definition": {"id": definition, "name": "release"}})
        if number != 5:
            record.end(Result.SUCCEEDED)
    listing = "/local/local/_apis/build/builds?statusFilter=completed&queryOrder=finishTimeDescending&definitions=7,9"
    with serving(tmp_path) as opened:
        second = answer(opened, "/local/local/_apis/build/builds/2")[1]["finishTime"].replace("Z", "%2B00:00")
        lists = [answer(opened, f"{listing}&{more}") for more in ("$top=100", "$top=1", f"minTime={second}")]
        wrong = [answer(opened, f"{listing}&{more}")[0] for more in ("$top=x", "minTime=yesterday")]
    assert [(status, [build["id"] for build in found["value"]]) for status, found in lists] == [
        (200, [4, 3, 1]),
        (200, [4]),
        (200, [4, 3]),
    ]
    assert wrong == [400, 400]
    record.end(Result.CANCELED)


def test_nobody_reads_without_the_token_of_the_job(served: ServedBuilds) -> None:
    for token in ("", "x", served.token[:-1], "ü"):
        assert answer(served, "/local/local/_apis/build/builds/1", token)[0] == 401
    assert served.token not in repr(served)


def test_a_lease_is_granted_and_a_body_has_a_limit(served: ServedBuilds) -> None:
    path = "/local/local/_apis/build/retention/leases"
    status, document = answer(served, path, body=b'[{"runId": 1}]')
    assert (status, document["value"][0]["runId"], document["value"][0]["rehearsal"]) == (200, 1, "local rehearsal")
    for body in (b"{}", b"[1]", b"[", b"[" * server.MOST_BODY_BYTES, b" " * (server.MOST_BODY_BYTES + 1)):
        assert answer(served, path, body=body)[0] == 400


def send(served: ServedBuilds, method: str, path: str, content: bytes) -> int:
    """The status of a change of the organization."""
    address = served.variables["System.CollectionUri"] + path
    headers = {"Authorization": f"Bearer {served.token}"}
    request = urllib.request.Request(address, content, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as found:  # noqa: S310
            return int(found.status)
    except urllib.error.HTTPError as error:
        assert json.loads(error.read())["message"]
        return int(error.code)


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "local/_apis/build/definitions", b"[]"),
        ("POST", "local/_apis/build/definitions", b'{"name": "a"}'),
        ("POST", "local/_apis/build/definitions", b"{" * 9_000),
        ("POST", "_apis/serviceendpoint/endpoints", b'{"name": 1, "type": 2, "url": 3, "authorization": 4}'),
        ("POST", "local/_apis/distributedtask/environments?api-version=7.1", b'{"name": "without the preview flag"}'),
        (
            "PATCH",
            "local/_apis/pipelines/pipelinePermissions/endpoint/x?api-version=7.1-preview.1",
            b'{"pipelines": 1}',
        ),
        ("PATCH", "local/_apis/build/retention", b'{"runRetention": {"value": 9999}}'),
        ("PATCH", "local/_apis/build/generalsettings", b'{"enforceJobAuthScope": "yes"}'),
        ("PUT", "local/_apis/build/retention", b"{}"),
    ],
)
def test_a_change_of_another_form_is_refused_and_changes_nothing(
    served: ServedBuilds, method: str, path: str, content: bytes
) -> None:
    assert send(served, method, path, content) == 400
    assert answer(served, "/local/local/_apis/build/definitions")[1]["count"] == 0
    assert answer(served, "/local/local/_apis/build/retention")[1]["purgeRuns"]["value"] == 30


def test_what_does_not_exist_is_neither_changed_nor_removed(served: ServedBuilds) -> None:
    assert send(served, "DELETE", "local/_apis/policy/configurations/7", b"{}") == 404
    assert send(served, "PUT", "local/_apis/policy/configurations/7", b"{}") == 404
    assert send(served, "DELETE", "local/_apis/nothing/of/the/kind", b"{}") == 400
