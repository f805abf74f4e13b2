"""The retention lease: what Azure DevOps is asked, and what is said when it cannot be asked."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from ml_service.audit import retain as module
from ml_service.audit.retain import retain, retain_unsuccessful
from ml_service.errors import FaultError, InvalidRequestError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.production.chain.store import Chain
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings

MakeSettings = Callable[[dict[str, str]], Settings]


class Organisation(HTTPServer):
    """An address that answers with one status and keeps what it was asked."""

    status = 200
    busy = 0
    """How many of the next leases are answered with 503; `grants_when_busy`: although they are granted."""
    grants_when_busy = False
    asked: tuple[str, str, Any] = ("", "", None)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.leases = list[Any]()
        self.calls = list[str]()


class _Handler(BaseHTTPRequestHandler):
    server: Organisation

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked = (self.path, self.headers["Authorization"], body)
        self.server.calls.append("POST")
        is_busy = self.server.busy > 0
        self.server.busy -= is_busy
        if not is_busy or self.server.grants_when_busy:
            self.server.leases += body
        self.answer(503 if is_busy else self.server.status, [])

    def do_GET(self) -> None:
        self.server.calls.append("GET")
        self.answer(200, self.server.leases)

    def answer(self, status: int, value: list[Any]) -> None:
        """A list, as the service answers."""
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"count": len(value), "value": value}).encode())

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def organisation() -> Iterator[Organisation]:
    """A listener on loopback."""
    server = Organisation()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def keep(settings: Settings) -> str:
    """What is printed."""
    out = io.StringIO()
    terminal = Terminal(out=out, err=out)
    retain(settings, Build(settings.build_buildid, "commit"), terminal, Agent(terminal, listens=True))
    return out.getvalue()


def run_of(organisation: Organisation) -> dict[str, str]:
    """The variables of a job there."""
    return {
        "SYSTEM_ACCESSTOKEN": "job-token",
        "SYSTEM_COLLECTIONURI": f"http://127.0.0.1:{organisation.server_port}/",
        "SYSTEM_TEAMPROJECT": "house",
        "SYSTEM_DEFINITIONID": "12",
        "BUILD_BUILDID": "345",
    }


def test_a_lease_for_ever_is_asked_with_the_token_of_the_job(
    organisation: Organisation, make_settings: MakeSettings
) -> None:
    printed = keep(make_settings(run_of(organisation)))
    path, authorization, body = organisation.asked
    lease = {"daysValid": 36500, "definitionId": 12, "ownerId": "Pipeline:12", "protectPipeline": True, "runId": 345}

    assert path == "/house/_apis/build/retention/leases?api-version=7.1"
    assert (authorization, body) == ("Bearer job-token", [lease])
    assert "build 345 is retained" in printed
    assert "job-token" not in printed


def test_a_refusal_is_a_fault(organisation: Organisation, make_settings: MakeSettings) -> None:
    organisation.status = 403

    with pytest.raises(FaultError, match="HTTP 403"):
        keep(make_settings(run_of(organisation)))


@pytest.mark.parametrize(
    ("granted", "calls"), [(False, ["POST", "GET", "POST"]), (True, ["POST", "GET"])], ids=["refused", "granted"]
)
def test_a_busy_service_is_asked_again_unless_it_has_granted_the_lease(
    organisation: Organisation, make_settings: MakeSettings, granted: bool, calls: list[str]
) -> None:
    organisation.busy, organisation.grants_when_busy = 1, granted
    other = {"ownerId": "Pipeline:12", "runId": 344, "definitionId": 12}
    organisation.leases = [other]

    assert "build 345 is retained" in keep(make_settings(run_of(organisation)))
    assert organisation.calls == calls
    assert [lease["runId"] for lease in organisation.leases] == [344, 345], "exactly one"


def test_a_service_that_stays_busy_is_asked_three_times(
    organisation: Organisation, make_settings: MakeSettings
) -> None:
    organisation.busy = 9

    with pytest.raises(FaultError, match="HTTP 503"):
        keep(make_settings(run_of(organisation)))
    assert organisation.calls == ["POST", "GET"] * 3


def test_without_a_token_nothing_is_asked_and_a_warning_says_so(make_settings: MakeSettings) -> None:
    printed = keep(make_settings({"BUILD_BUILDID": "345"}))

    assert "##vso[task.logissue type=warning]no job token" in printed


@pytest.mark.parametrize("faults", [(), ("ledger/p/00000001.json: it is missing",)])
def test_behind_a_damaged_entry_nothing_is_written(
    organisation: Organisation,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    faults: tuple[str, ...],
) -> None:
    monkeypatch.setattr(module, "unsuccessful", lambda _: {"8": "run.failed"})
    monkeypatch.setattr(module, "read_build", lambda *_: SimpleNamespace(definition=3))
    recorded, out = list[Any](), io.StringIO()
    witness: Any = SimpleNamespace(record=recorded.append)

    settings = make_settings(run_of(organisation))
    retain_unsuccessful(settings, Chain("p", faults=faults), witness, Terminal(out=out, err=out))

    assert "build 8 is retained" in out.getvalue()
    assert len(recorded) == (0 if faults else 1)


def test_outside_a_run_it_is_a_mistake(make_settings: MakeSettings) -> None:
    with pytest.raises(InvalidRequestError, match="not part of an Azure Pipelines run"):
        keep(make_settings({"SYSTEM_ACCESSTOKEN": "job-token", "BUILD_BUILDID": "local-1"}))
