"""What a client gets for web addresses, over real connections to the proxy of the shared server."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local_azure.machine_learning.domain.access.web_proxy import user_info
from local_azure.machine_learning.http.web import proxy
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

FILES = {
    "example.org/data/table.csv": b"a,b\n1,2\n",
    "example.org/data/a b+c.csv": b"encoded",
    "example.org/get?id=5": b"five",
    "example.org:8443/x": b"port",
    "example.org/empty": b"",
    "example.org/folder/index.html": b"<html>",
    "account.blob.core.windows.net/container/t/1.parquet": b"one",
    "account.blob.core.windows.net/container/t/2.parquet": b"two",
}
ENGINE = {"User-Agent": "AzureML/azureml-dataprep-rslex"}


class Client:
    """Asks the proxy, by default with its credentials."""

    def __init__(self, state: StateFolder, server: ServerInfo) -> None:
        self.user_info = f"{user_info(server.token)}@"
        self.port = server.web_port
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(state.certificates / "ca.pem")

    def ask(self, address: str, method: str = "GET", **headers: str) -> requests.Response:
        """One request."""
        at = f"http://{self.user_info}127.0.0.1:{self.port}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(
            method, address, headers=named, proxies={"http": at, "https": at}, timeout=20, allow_redirects=False
        )


@pytest.fixture(scope="module")
def web_data(state: StateFolder, server: ServerInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with files, in use by the server for this module."""
    assert server.web_port
    folder = tmp_path_factory.mktemp("web")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder.parent / "secret").write_text("secret", encoding="utf-8")
    state.choose_web_data(folder)
    yield folder
    state.choose_web_data(None)


@pytest.fixture
def client(state: StateFolder, server: ServerInfo) -> Client:
    """A client of the proxy."""
    return Client(state, server)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_is_answered_from_its_file(client: Client, web_data: Path, scheme: str) -> None:
    found = client.ask(f"{scheme}://Example.org/data/table.csv")
    assert (found.status_code, found.content) == (200, FILES["example.org/data/table.csv"])
    assert found.headers["Content-Type"].startswith("text/csv")
    assert client.ask(f"{scheme}://example.org/data/a%20b%2Bc.csv").content == b"encoded"
    assert client.ask(f"{scheme}://example.org/get?id=5").content == b"five"
    assert client.ask(f"{scheme}://example.org/data/table.csv?sv=1&sig=abc").status_code == 200
    assert client.ask(f"{scheme}://example.org:8443/x").content == b"port"
    assert client.ask(f"{scheme}://example.org/folder/").content == b"<html>"
    assert client.ask(f"{scheme}://example.org/empty").content == b""


def test_heads_ranges_and_conditions_are_those_of_a_web_server(client: Client, web_data: Path) -> None:
    address = "https://example.org/data/table.csv"
    head = client.ask(address, "HEAD")
    assert (head.content, head.headers["Content-Length"], head.headers["Accept-Ranges"]) == (b"", "8", "bytes")
    part = client.ask(address, Range="bytes=2-4")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"b\n1", "bytes 2-4/8")
    assert client.ask(address, Range="bytes=-2").content == b"2\n"
    assert client.ask(address, Range="bytes=2-", If_Range='"another"').status_code == 200
    outside = client.ask(address, Range="bytes=99-")
    assert (outside.status_code, outside.headers["Content-Range"]) == (416, "bytes */8")


def test_a_big_file_comes_as_a_stream(client: Client, web_data: Path) -> None:
    with (web_data / "example.org" / "big").open("wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    at = f"http://{client.user_info}127.0.0.1:{client.port}"
    address = "https://example.org/big"
    with client.session.get(address, proxies={"https": at}, stream=True, timeout=20) as found:
        assert found.headers["Content-Length"] == str(300 * 1024 * 1024)
        assert found.raw.read(10) == bytes(10)  # and the rest is never sent


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/..%2Fsecret", "/data/%2e%2e/%2e%2e/secret", "//x"]
)
def test_no_address_leaves_the_folder(client: Client, web_data: Path, path: str) -> None:
    found = _raw(client, f"GET http://example.org{path} HTTP/1.1")
    assert b"cannot stand for a local file" in found
    assert b"secret\r\n" not in found


def test_a_missing_file_is_refused_with_its_place(client: Client, web_data: Path) -> None:
    found = client.ask("https://example.org/other.csv")
    assert (found.status_code, f"as {web_data}/example.org/other.csv" in found.text) == (400, True)
    assert client.ask("https://example.org/other.csv", "HEAD").status_code == 400
    engine = client.ask("https://example.org/other.csv", "HEAD", **ENGINE)
    assert engine.status_code == 200  # it then asks for the content, and shows why not
    assert client.ask("https://example.org/data").status_code == 404


def test_nothing_is_sent_anywhere(client: Client, web_data: Path) -> None:
    found = client.ask("https://dc.services.visualstudio.com/v2/track", "POST")
    assert (found.status_code, found.text) == (
        400,
        "Only GET and HEAD are supported for external URLs (served from --web-data).",
    )


def test_a_blob_container_lists_its_files(client: Client, web_data: Path) -> None:
    address = "https://account.blob.core.windows.net/container?restype=container"
    assert client.ask(f"{address}&comp=metadata", "HEAD").status_code == 200
    listed = client.ask(f"{address}&comp=list&prefix=t%2F&delimiter=%2F&maxresults=1")
    assert ("<Name>t/1.parquet</Name>" in listed.text, "<Name>t/2.parquet</Name>" in listed.text) == (True, False)
    assert "<NextMarker>t/2.parquet</NextMarker>" in listed.text
    part = client.ask("https://account.blob.core.windows.net/container/t/1.parquet", x_ms_range="bytes=0-1")
    assert (part.content, part.headers["Content-Range"]) == (b"on", "bytes 0-1/3")
    other = client.ask("https://account.blob.core.windows.net/other?restype=container&comp=list")
    assert "account.blob.core.windows.net/other" in other.text
    assert other.status_code == 400


def test_without_its_password_no_file_is_read(client: Client, web_data: Path) -> None:
    for given in ("", "local_azure:wrong@"):
        client.user_info = given
        for scheme in ("http", "https"):
            found = client.ask(f"{scheme}://example.org/data/table.csv")
            assert (found.status_code, "start local_azure with --web-data FOLDER" in found.text) == (400, True)


def test_the_server_itself_can_be_reached_and_wants_its_token(
    client: Client, server: ServerInfo, web_data: Path
) -> None:
    for base in (server.base_url, f"https://127.0.0.1:{server.tls_port}"):
        assert client.ask(f"{base}/subscriptions").status_code == 401
    assert client.ask("http://127.0.0.1:1/subscriptions").status_code == 400  # another port is no web address


def test_a_first_head_has_a_cap_and_a_form(client: Client, web_data: Path) -> None:
    most = proxy.HEAD_BYTES
    assert b" 431 " in _raw(client, f"GET http://example.org/{'a' * most} HTTP/1.1")
    for head in (
        "CONNECT example.org HTTP/1.1",
        "CONNECT exa%mple.org:443 HTTP/1.1",
        "CONNECT a:1 HTTP/1.1\r\n\r\nx",
    ):
        assert b" 400 " in _raw(client, head)


@pytest.mark.parametrize("kilobytes", [1, 20, 60])
def test_a_request_may_follow_the_handshake_at_once_with_its_body(
    client: Client, server: ServerInfo, state: StateFolder, kilobytes: int
) -> None:
    """As the SDK's engine uploads: the body arrives before the listener has made the protocol for it."""
    context = ssl.create_default_context(cafile=str(state.certificates / "ca.pem"))
    password = base64.b64encode(client.user_info.removesuffix("@").encode()).decode()
    opening = f"CONNECT 127.0.0.1:{server.tls_port} HTTP/1.1\r\nProxy-Authorization: Basic {password}\r\n\r\n"
    head = f"PUT /container/blob HTTP/1.1\r\nHost: 127.0.0.1:{server.tls_port}\r\n"
    body = b"x" * (1024 * kilobytes)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(opening.encode())
        assert b" 200 " in connection.recv(65536)
        with context.wrap_socket(connection, server_hostname="127.0.0.1") as encrypted:
            encrypted.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert b"HTTP/1.1 40" in encrypted.recv(65536), "refused for want of a signature, not lost"


def _raw(client: Client, line: str) -> bytes:
    """What comes back for one request line, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        password = base64.b64encode(client.user_info.removesuffix("@").encode()).decode()
        headers = f"Host: example.org\r\nProxy-Authorization: Basic {password}\r\nConnection: close"
        connection.sendall(f"{line}\r\n{headers}\r\n\r\n".encode())
        found = b""
        while more := connection.recv(65536):
            found += more
    return found
