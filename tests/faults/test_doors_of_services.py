"""A web service against strangers: every path but two wants a key, and no slow client keeps others from an answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.faults.conftest import copied_service
from tests.faults.fault_server import await_true

SLOW_CLIENTS = 50
ANSWER_SECONDS = 1.0


@dataclass(frozen=True)
class Service:
    """A running service and its key."""

    address: str
    key: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(urlsplit(self.address).port or 0)

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """The head of a request, without its last, empty line."""
        return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, ""]).encode()

    def keyed(self) -> tuple[float, int, str]:
        """Seconds, status and text of a request with the key, on a connection of its own."""
        started = time.monotonic()
        answer = requests.post(self.address, "{}", headers={"Authorization": f"Bearer {self.key}"}, timeout=60)
        return time.monotonic() - started, answer.status_code, answer.text

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """Status and bytes of the answer to exactly these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(request)
            received = connection.recv(65536)
        return int(received.split(b" ")[1]), received


@pytest.fixture(scope="module")
def service(with_service: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a server of these tests."""
    for deployed in copied_service(with_service, tmp_path_factory.mktemp("doors") / "state"):
        yield Service(deployed.address, deployed.key)


# --- without a key


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "HEAD", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path",
    [
        "/score", "//score", "///score", "/////////score", "/score/", "//score//", "/%73core", "/.//score",
        "/score?a=b", "//score?a=b", "/swagger.json/../score", "//swagger.json/..//score", "/score%2f", "/./score",
        "http://x/score", "//x/score", "/nothing", "/Score",
    ],
)  # fmt: skip
def test_every_path_to_the_script_wants_a_key(service: Service, method: str, path: str) -> None:
    status, answer = service.raw(service.head(method, path, "Content-Length: 2", "Connection: close") + b"\r\n{}")
    assert status == 401, answer


@pytest.mark.parametrize("path", ["/", "/swagger.json", "/swagger.json?version=3"])
def test_health_and_description_want_no_key(service: Service, path: str) -> None:
    assert service.raw(service.head("GET", path, "Connection: close") + b"\r\n")[0] == 200


@pytest.mark.parametrize("path", ["/score", "//score", "/"])
def test_a_preflight_is_answered_without_a_key_and_without_the_script(service: Service, path: str) -> None:
    status, answer = service.raw(service.head("OPTIONS", path, "Content-Length: 4", "Connection: close") + b"\r\npid")
    assert status == 200
    assert not answer.partition(b"\r\n\r\n")[2], "what the script would have answered"


@pytest.mark.parametrize("path", ["/score", "//score"])
def test_with_the_key_the_paths_work_as_the_server_routes_them(service: Service, path: str) -> None:
    lines = ("Content-Length: 2", f"Authorization: Bearer {service.key}", "Connection: close")
    assert service.raw(service.head("POST", path, *lines) + b"\r\n{}")[0] == 200


# --- slow


@pytest.fixture
def connect(service: Service) -> Iterator[Callable[[bytes], socket.socket]]:
    """Opens connections that send something and then nothing more, until the end of the test."""
    with ExitStack() as opened:

        def connected(begin: bytes) -> socket.socket:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", service.port), 20))
            connection.sendall(begin)
            return connection

        yield connected
    await_true(lambda: service.keyed()[1] == 200, "an answer after the slow clients have gone")


def slow_beginnings(service: Service) -> dict[str, list[bytes]]:
    """What slow clients without a key have sent, by their kind."""
    body = ("Content-Length: 1000000", "Content-Type: application/json")
    chunked = ("Transfer-Encoding: chunked", "Content-Type: application/json")
    healthy = service.head("GET", "/") + b"\r\n"
    kinds = {
        "half heads": [b"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "],
        "half bodies": [service.head("POST", "/score", *body) + b'\r\n{"horizon"'],
        "half chunks": [service.head("POST", "/score", *chunked) + b'\r\nfffff\r\n{"horizon"'],
        "bodies for others": [service.head("GET", "/", *body) + b"\r\nabc"],
        "idle": [b""],
        "kept, then half a head": [healthy + b"GET /swag"],
        "kept, then idle": [healthy],
    }
    return {**kinds, "all of them": [one for beginnings in kinds.values() for one in beginnings]}


@pytest.mark.parametrize(
    "kind", ["all of them", "half heads", "half bodies", "half chunks", "bodies for others", "idle"]
)
def test_fifty_slow_clients_without_a_key_do_not_delay_an_answer(
    service: Service, connect: Callable[[bytes], socket.socket], kind: str
) -> None:
    beginnings = slow_beginnings(service)[kind]
    undisturbed = max(service.keyed()[0] for _ in range(5))  # on a busy machine that takes its time by itself
    for number in range(SLOW_CLIENTS):
        connect(beginnings[number % len(beginnings)])
    waited = [service.keyed() for _ in range(5)]
    print(f"{kind}: slowest answer {max(seconds for seconds, *_ in waited):.3f} s")  # noqa: T201
    assert all((status, text) == (200, "2.0") for _, status, text in waited)
    assert max(seconds for seconds, *_ in waited) < ANSWER_SECONDS + undisturbed


def test_slow_clients_who_finish_are_answered(service: Service, connect: Callable[[bytes], socket.socket]) -> None:
    lines = ("Content-Length: 2", f"Authorization: Bearer {service.key}", "Connection: close")
    whole = service.head("POST", "/score", *lines) + b"\r\n{}"
    connections = [connect(whole[:cut]) for cut in range(0, len(whole), 7)]
    for number, connection in enumerate(connections):
        for byte in whole[number * 7 :]:
            connection.sendall(bytes([byte]))
        assert b" 200 " in connection.recv(65536)


def test_a_half_body_with_the_key_does_not_keep_others_from_the_script(
    service: Service, connect: Callable[[bytes], socket.socket]
) -> None:
    lines = ("Content-Length: 1000", f"Authorization: Bearer {service.key}")
    for _ in range(4):
        connect(service.head("POST", "/score", *lines) + b'\r\n{"horizon"')
    seconds, status, _ = service.keyed()
    assert status == 200
    assert seconds < ANSWER_SECONDS


def test_hundreds_of_connections_do_not_shut_the_door(
    service: Service, connect: Callable[[bytes], socket.socket]
) -> None:
    for _ in range(400):
        connect(b"POST /score HTTP/1.1\r\n")
    seconds, status, _ = service.keyed()
    assert status == 200
    assert seconds < ANSWER_SECONDS


@pytest.mark.slow
def test_whoever_is_too_slow_is_told_so(service: Service, connect: Callable[[bytes], socket.socket]) -> None:
    lines = ("Content-Length: 1000", f"Authorization: Bearer {service.key}")
    half_head, idle = connect(b"POST /score HTTP/1.1\r\nX-Slow: "), connect(b"")
    half_body = connect(service.head("POST", "/score", *lines) + b'\r\n{"horizon"')
    started = time.monotonic()
    for connection, seconds, told in ((half_head, 20, b" 408 "), (idle, 20, b""), (half_body, 30, b" 408 ")):
        connection.settimeout(60)
        assert told in connection.recv(65536)
        assert seconds - 1 < time.monotonic() - started < seconds + 5


@pytest.mark.parametrize(("size", "status"), [(100 * 1024, 200), (140 * 1024, 431)])
def test_a_head_has_a_limit(service: Service, size: int, status: int) -> None:
    lines = [f"X-{number}: {'x' * 8000}" for number in range(size // 8000)]
    head = service.head("GET", "/", *lines, "Connection: close")
    assert service.raw(head + (b"\r\n" if status == 200 else b""))[0] == status


def test_a_body_has_a_limit(service: Service) -> None:
    most, key = 100 * 1024**2, f"Authorization: Bearer {service.key}"
    declared = service.head("POST", "/score", key, f"Content-Length: {most + 1}") + b"\r\n"
    assert service.raw(declared)[0] == 413
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    for chunks, status in ((100, 200), (101, 413)):
        head = service.head("POST", "/score", key, "Transfer-Encoding: chunked", "Connection: close") + b"\r\n"
        with socket.create_connection(("127.0.0.1", service.port), 60) as connection:
            connection.sendall(head)
            for _ in range(chunks):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n" if status == 200 else b"")
            assert f" {status} ".encode() in connection.recv(65536)


def test_two_requests_at_once_on_a_connection_are_both_answered(service: Service) -> None:
    lines = ("Content-Length: 2", f"Authorization: Bearer {service.key}")
    last = service.head("POST", "/score", *lines, "Connection: close") + b"\r\n{}"
    with socket.create_connection(("127.0.0.1", service.port), 20) as connection:
        connection.sendall(service.head("POST", "/score", *lines) + b"\r\n{}" + last)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200") == 2
