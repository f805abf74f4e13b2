"""A web service against strangers: every path but two wants a key."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from local_azure.cli.client_environment import ensure_config_file
from tests.faults.conftest import HERE, sdk
from tests.faults.fault_server import Machine


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

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """Status and bytes of the answer to exactly these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(request)
            received = connection.recv(65536)
        return int(received.split(b" ")[1]), received


@pytest.fixture(scope="module")
def service(shared: Machine, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The service of deploy_faults.py on the shared server."""
    folder = tmp_path_factory.mktemp("service")
    ensure_config_file(folder)
    facts = json.loads(sdk(shared, folder, str(HERE / "deploy_faults.py")).partition("RESULT")[2])
    return Service(facts["address"], facts["key"])


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
