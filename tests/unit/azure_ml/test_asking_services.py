"""A call of a service that fails is repeated with a bound: a blip is no verdict, a refusal is one at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from azure_ml.services import NoAnswerError, Service, ServiceRefusedError, ServiceState, ask

AT_ONCE = (0.0, 0.0)
"""Two repetitions, without a pause."""


class Scripted(BaseHTTPRequestHandler):
    """Answers POSTs with the statuses of the server's list, one after the other; 0 hangs up."""

    def do_POST(self) -> None:
        """Answer with the next status."""
        self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0)  # type: ignore[attr-defined]
        if status == 0:
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server that answers as its list `statuses` says."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening
        listening.shutdown()


def service(server: ThreadingHTTPServer, *statuses: int) -> Service:
    """A service that answers so."""
    server.statuses = list(statuses)  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{server.server_port}/score"
    sdk = SimpleNamespace(get_keys=lambda: ["s3cret-key"])  # pragma: allowlist secret
    return Service(sdk, "svc", url, ServiceState("svc", "Healthy", url, (), ""), {}, ())


def left(server: ThreadingHTTPServer) -> list[int]:
    """Statuses that nobody has asked for."""
    found: list[int] = server.statuses  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("blip", [0, 401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_a_blip_is_repeated_and_told(server: ThreadingHTTPServer, blip: int) -> None:
    answer = ask(service(server, blip, blip, 200), {}, AT_ONCE)
    assert answer.content == b"{}"
    assert len(answer.failed_before) == 2
    assert ("did not respond" if blip == 0 else f"HTTP {blip}") in answer.failed_before[0]


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
def test_a_refusal_is_a_verdict_at_once(server: ThreadingHTTPServer, status: int) -> None:
    with pytest.raises(ServiceRefusedError, match=rf"HTTP {status}\n"):
        ask(service(server, status, 200), {}, AT_ONCE)
    assert left(server) == [200]


@pytest.mark.parametrize(("status", "error"), [(503, ServiceRefusedError), (0, NoAnswerError)])
def test_what_does_not_pass_ends_with_the_number_of_calls(
    server: ThreadingHTTPServer, status: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match="; 3 calls failed in sequence") as caught:
        ask(service(server, status, status, status, 200), {}, AT_ONCE)
    assert left(server) == [200]
    assert "s3cret" not in str(caught.value)


def test_nothing_is_repeated_after_two_minutes(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azure_ml.services._REPEATED_FOR_SECONDS", -1.0)
    with pytest.raises(ServiceRefusedError, match=r"HTTP 503\n"):
        ask(service(server, 503, 200), {}, AT_ONCE)
