"""What a service or a run's file sends is read up to a cap, whatever it sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from azure_ml import downloads, services
from azure_ml.errors import AzureMlError
from azure_ml.pipelines import runs
from azure_ml.pipelines.runs import Run, StepState
from azure_ml.services import Service, ServiceRefusedError, ServiceState

MOST = 1000
GiB = 1024**3


class Sender(BaseHTTPRequestHandler):
    """Answers /STATUS/SIZE with so many bytes, as long as somebody takes them; counts what was taken."""

    sent = 0

    def do_GET(self) -> None:
        """Send."""
        _, status, size = self.path.split("/")
        self.send_response(int(status))
        self.send_header("Content-Length", size)
        self.end_headers()
        left = int(size)
        try:
            while left > 0:
                left -= self.wfile.write(b"x" * min(left - 1, 65536) or b"y")
                Sender.sent = int(size) - left
        except ConnectionError:
            return

    def do_POST(self) -> None:
        """Send, after the question."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def address() -> Iterator[str]:
    """Where a sender listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Sender) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def service(address: str, status: int, size: int) -> Service:
    sdk = SimpleNamespace(get_keys=lambda: ["key"])
    url = f"{address}/{status}/{size}"
    return Service(sdk, "svc", url, ServiceState("svc", "Healthy", url, (), ""), {}, ())


def run(address: str, size: int) -> Run:
    artifacts = SimpleNamespace(
        get_file_uri=lambda _origin, _container, name: f"{address}/200/{size}" if name else "",
        session=requests.Session(),
    )
    client = SimpleNamespace(artifacts=artifacts)
    sdk: Any = SimpleNamespace(_client=client, _container="dcid.r", id="r")
    return Run(sdk)


def test_an_answer_at_the_cap_is_read_and_above_it_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_ANSWER_BYTES", MOST)
    assert len(services.ask(service(address, 200, MOST), {}).content) == MOST
    with pytest.raises(AzureMlError, match="response of service svc is too large") as caught:
        services.ask(service(address, 200, MOST + 1), {})
    assert f"at most {MOST} bytes" in str(caught.value)


def test_an_endless_answer_is_not_waited_for(address: str) -> None:
    with pytest.raises(AzureMlError, match="too large"):
        services.ask(service(address, 200, 100 * GiB), {})
    with pytest.raises(ServiceRefusedError, match="HTTP 500") as caught:
        services.ask(service(address, 500, 100 * GiB), {}, pauses=())
    assert caught.value.found == "x" * 1000
    assert Sender.sent < GiB


def test_a_file_of_a_run_at_the_cap_is_read_and_above_it_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_FILE_BYTES", MOST)
    assert len(run(address, MOST).read_file("page.html") or b"") == MOST
    for size in (MOST + 1, 100 * GiB):
        with pytest.raises(AzureMlError, match=r"file page\.html of run r is too large"):
            run(address, size).read_file("page.html")


@pytest.mark.parametrize("size", [MOST, 3 * MOST + 1, 200_000])
def test_of_a_long_log_the_end_is_read(address: str, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(runs, "MAX_LOG_BYTES", MOST)
    log = run(address, size).read_end("std_log.txt")
    assert log is not None
    assert len(log) == MOST
    assert log.endswith(b"xy")


def test_what_drips_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_SECONDS", -1.0)
    with pytest.raises(AzureMlError, match="arrives too slowly"):
        services.ask(service(address, 200, MOST), {})


def test_a_step_without_a_log_has_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    child = SimpleNamespace(get_details=lambda: {"logFiles": {}})
    monkeypatch.setattr("azureml.core.Run", lambda *_: child)
    step = StepState("s", "Failed", None, reused=False, run_id="c")
    assert Run(SimpleNamespace(experiment=None)).read_step_log(step) == ""
