"""Azure Resource Manager against a server of this test, which answers as a service in trouble does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from azure_ml.errors import AzureMlError, ExplainedError
from ml_service.azure_devops import client
from ml_service.doctor import resource_manager
from ml_service.doctor.examination import _results
from ml_service.doctor.finding import Finding, Result, Unknown
from ml_service.doctor.resource_manager import ResourceManager

Answer = tuple[int, bytes]


class SignedIn:
    """As the SDK's authentication objects, for an address of this test."""

    def __init__(self, address: str) -> None:
        self._address = address

    def _get_arm_end_point(self) -> str:
        return f"{self._address}/"

    def get_authentication_header(self) -> dict[str, str]:
        """The header that calls carry."""
        return {"Authorization": "Bearer secret"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy service is asked again at once."""
    monkeypatch.setattr(client, "_REPEATED", client._REPEATED.new(backoff_factor=0))


@contextmanager
def _azure(answer: Callable[[str], Answer]) -> Iterator[tuple[str, list[str]]]:
    """A service that answers each path; yields its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, content = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) or 10))  # an empty answer was cut off
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _look(reader: ResourceManager) -> list[Result]:
    """The results of a check that reads a list."""

    def check() -> Iterator[Result]:
        reader.listed("/list", "1")
        yield from ()

    return list(_results("storage", check))


@pytest.mark.parametrize(
    ("status", "content", "told", "fix"),
    [
        (401, b"{}", "HTTP 401", "az login"),
        (429, b"{}", "HTTP 429", "wait a few minutes"),
        (500, b"<html>", "HTTP 500", "repeat the command later"),
        (503, b"", "Azure did not respond", "repeat the command"),
        (302, b"elsewhere", "HTTP 302", "see the finding"),
        (200, b"", "Azure did not respond", "repeat the command"),
        (200, b'{"value": [', "is not a JSON object", "repeat the command"),
        (200, b"[1]", "is not a JSON object", "repeat the command"),
        (200, b'{"properties": NaN}', "is not a JSON object", "repeat the command"),
    ],
)
def test_a_service_in_trouble_is_a_finding_with_what_to_do(status: int, content: bytes, told: str, fix: str) -> None:
    with _azure(lambda _: (status, content)) as (address, _):
        reader = ResourceManager(lambda: SignedIn(address))
        (finding,) = _look(reader)

    assert isinstance(finding, Finding)
    assert told in finding.found
    assert fix in finding.fix


def test_what_nobody_listens_to_and_what_is_refused_are_told_apart() -> None:
    with _azure(lambda _: (403, b'{"error": {"code": "AuthorizationFailed"}}')) as (address, _):
        reader = ResourceManager(lambda: SignedIn(address))
        (refused,) = _look(reader)
    (silent,) = _look(reader)

    assert isinstance(refused, Unknown)
    assert isinstance(silent, Finding)
    assert "did not respond" in silent.found


def test_a_document_is_read_once_and_a_missing_one_is_none() -> None:
    with _azure(lambda path: (200, b"{}") if path.startswith("/there") else (404, b"{}")) as (address, asked):
        reader = ResourceManager(lambda: SignedIn(address))
        assert [reader.read("/there", "1"), reader.read("/there", "1"), reader.read("/gone", "1")] == [{}, {}, None]
        assert reader.listed("/gone", "1") == ()

    assert len(asked) == 2


def test_a_list_is_read_to_its_last_page() -> None:
    pages = {"/list?api-version=1": ([{"n": 1}], "/list?page=2"), "/list?page=2": ([{"n": 2}], "")}

    def answer(path: str) -> Answer:
        value, link = pages[path]
        return 200, json.dumps({"value": value, "nextLink": f"{address}{link}" if link else None}).encode()

    with _azure(answer) as (address, _):
        found = ResourceManager(lambda: SignedIn(address)).listed("/list", "1")

    assert [one["n"] for one in found] == [1, 2]


def test_the_token_follows_no_link_to_another_service_and_no_list_without_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource_manager, "MOST_PAGES", 3)
    with _azure(lambda _: (200, b'{"value": [], "nextLink": "https://example.org/"}')) as (address, asked):
        with pytest.raises(AzureMlError, match="goes on at another service"):
            ResourceManager(lambda: SignedIn(address)).listed("/list", "1")
        assert len(asked) == 1

    with (
        _azure(lambda _: (200, json.dumps({"value": [], "nextLink": f"{address}/more"}).encode())) as (address, _),
        pytest.raises(ExplainedError, match="is too long"),
    ):
        ResourceManager(lambda: SignedIn(address)).listed("/list", "1")
