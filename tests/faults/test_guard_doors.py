"""The door: hosts, origins, heads and bodies that no client of ours would send. Through real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http import guard
from local_azure.machine_learning.http.bodies import MAX_JSON_BYTES
from local_azure.machine_learning.http.guard import HEAD_BYTES, MAX_HEADERS
from tests.faults.fault_server import Machine, scope

CLOUDS = "GET /metadata/endpoints HTTP/1.1\r\n"
Talk = Callable[[bytes], tuple[int, bytes]]


def talk(port: int, *pieces: bytes, pause: float = 0, seconds: float = 20) -> tuple[int, bytes]:
    """Send raw bytes; status (0 without an answer) and everything received until the connection ends or is quiet."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(pause)
        try:
            while b"\r\n\r\n" not in received and (chunk := connection.recv(65536)):
                received += chunk
        except ConnectionResetError:
            pass
    return (int(received.split(b" ")[1]) if received else 0), received


@pytest.fixture
def ask(shared: Machine) -> Talk:
    """One raw request to the shared server."""
    return lambda request: talk(shared.info.http_port, request)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:{port}", "localhost", "localhost:{port}", "LocalHost", "[::1]", "[::1]:{port}"],
)
def test_hosts_that_are_this_machine(shared: Machine, ask: Talk, host: str) -> None:
    shown = host.format(port=shared.info.http_port)
    assert ask(f"{CLOUDS}Host: {shown}\r\nConnection: close\r\n\r\n".encode())[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "Host: \r\n",
        "Host: example.org\r\n",
        "Host: 127.0.0.1.example.org\r\n",
        "Host: localhost.example.org:80\r\n",
        "Host: 127.0.0.1:80:80\r\n",
        "Host: 127.0.0.1:x\r\n",
        "Host: [::1]example.org\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: 0.0.0.0\r\n",
        "Host: 127.0.0.1@example.org\r\n",
        "Host: 127.0.0.1, example.org\r\n",
        "Host: example.org\r\nHost: 127.0.0.1\r\n",
        "Host: 127.0.0.1\r\nHost: example.org\r\n",
    ],
)
def test_hosts_that_are_not(ask: Talk, headers: str) -> None:
    status, answer = ask(f"{CLOUDS}{headers}Connection: close\r\n\r\n".encode())
    assert status in (400, 421), answer
    assert b"resourceManager" not in answer


@pytest.mark.parametrize("origin", ["https://example.org", "null", "http://127.0.0.1:8000", ""])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes_from_web_pages_are_refused(shared: Machine, ask: Talk, origin: str, method: str) -> None:
    path = f"/msi/{shared.info.token}/token"
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nContent-Length: 0\r\n\r\n"
    status, answer = ask(head.encode())
    assert status == 403
    assert b"access_token" not in answer


def test_no_answer_lets_a_web_page_read_it(shared: Machine, ask: Talk) -> None:
    head = f"{CLOUDS}Host: localhost\r\nOrigin: https://example.org\r\nConnection: close\r\n\r\n"
    assert b"access-control-allow" not in ask(head.encode())[1].lower()
    preflight = head.replace("GET", "OPTIONS", 1).encode()
    status, answer = ask(preflight)
    assert status == 403
    assert b"access-control-allow" not in answer.lower()


def test_an_upgrade_to_a_websocket_is_not_made(ask: Talk) -> None:
    head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    keys = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert ask((head + keys).encode())[0] in (400, 401)


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: many\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1_0\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_lengths_that_are_none_are_400(shared: Machine, ask: Talk, lines: str) -> None:
    head = f"POST /msi/{shared.info.token}/token HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{{}}{{}}"
    status, answer = ask(head.encode())
    assert status == 400
    assert b"access_token" not in answer


def _post(machine: Machine, more: str) -> bytes:
    path = f"/history/v1.0{scope()}/experiments:query"
    token = machine._session.headers["Authorization"]
    kind = "Content-Type: application/json\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token!s}\r\n{kind}{more}\r\n".encode()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shared: Machine, ask: Talk) -> None:
    status, answer = ask(_post(shared, f"Content-Length: {MAX_JSON_BYTES + 1}\r\n"))
    assert status == 413
    assert str(MAX_JSON_BYTES).encode() in answer or b"close" in answer.lower()


def test_a_body_without_a_length_is_counted(shared: Machine) -> None:
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    pieces = [_post(shared, "Transfer-Encoding: chunked\r\n"), *[chunk] * (MAX_JSON_BYTES // 0x100000 + 1)]
    assert talk(shared.info.http_port, *pieces)[0] == 413


@pytest.mark.parametrize("body", [b"{", b"[" * 60_000, b'{"a": NaN', b"\xff\xfe", b'"' + b"\\ud800" * 3])
def test_bodies_that_are_not_json_are_400(shared: Machine, ask: Talk, body: bytes) -> None:
    status, answer = ask(_post(shared, f"Content-Length: {len(body)}\r\n") + body)
    assert status == 400
    assert b"Traceback" not in answer


def test_a_head_without_end_is_refused(shared: Machine) -> None:
    lines = [f"X-{number}: {'x' * 8000}\r\n".encode() for number in range(200)]
    status, _ = talk(shared.info.http_port, CLOUDS.encode() + b"Host: localhost\r\n", *lines)
    assert status in (0, 400)
    one = [b"GET /" + b"x" * 8000, *[b"x" * 65536] * 10]
    assert talk(shared.info.http_port, *one)[0] in (0, 400)


def test_a_token_of_strange_letters_is_401(shared: Machine, ask: Talk) -> None:
    for token in ("é.ü.ß", "a.b.c", "..", "a" * 5000, "%00", ""):
        head = (
            f"GET {scope()} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        assert ask(head.encode())[0] == 401, token
    for secret in ("%C3%A9", "a", "%00"):
        head = f"POST /msi/{secret}/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        assert ask(head.encode())[0] == 401, secret


# --- slow senders, on a server with shorter limits


async def _reader(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        body = await Request(scope, receive).body()
        answer = PlainTextResponse(json.dumps(len(body)))
    except ApiError as error:
        answer = PlainTextResponse(error.message, error.status, {"Connection": "close"})
    await answer(scope, receive, send)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Port of a server with the guard's own door, whose limits are parts of a second."""
    monkeypatch.setattr(guard, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.4)
    monkeypatch.setattr(guard, "BODY_BYTES_PER_SECOND", 100_000)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        guard.Guard(_reader), http=guard.PatientProtocol, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join()


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


def test_a_head_that_drips_is_given_up(impatient: int) -> None:
    started = time.monotonic()
    status, answer = talk(impatient, *[b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 20], pause=0.05)
    assert status == 400
    assert b"or took longer than" in answer
    assert time.monotonic() - started < 5


def test_a_connection_that_says_nothing_is_given_up(impatient: int) -> None:
    assert talk(impatient, b"")[0] == 400


def test_a_second_head_on_a_kept_connection_is_not_waited_for_either(impatient: int) -> None:
    with socket.create_connection(("127.0.0.1", impatient), 10) as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nab")
        received = b""
        while not received.endswith(b"\r\n\r\n2"):
            received += connection.recv(65536)
        time.sleep(0.6)  # an idle connection is not a slow sender
        connection.sendall(b"GET / HT")
        assert b"or took longer than" in connection.recv(65536)


@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_that_drips_is_given_up(impatient: int, framing: bytes) -> None:
    drip = b"1\r\nx\r\n" if b"chunked" in framing else b"x"
    status, answer = talk(impatient, HEAD + framing + b"\r\n", *[drip] * 12, pause=0.05)
    assert status == 408
    assert b"too slowly" in answer


def test_a_long_body_that_keeps_coming_is_read_to_its_end(impatient: int) -> None:
    pieces = [b"x" * 20_000] * 12
    head = HEAD + f"Content-Length: {20_000 * 12}\r\n\r\n".encode()
    status, answer = talk(impatient, head, *pieces, pause=0.06)  # 0.7 s in all, more than BODY_SECONDS
    assert status == 200
    assert answer.endswith(b"240000")


# --- how long a head may be, however it is cut into pieces


def _head(length: int, pad: str = "X-Pad") -> bytes:
    """A whole head of so many bytes, in one header more than it needs."""
    start = f"{CLOUDS}Host: localhost\r\nConnection: close\r\n{pad}: "
    return (start + "x" * (length - len(start) - 4) + "\r\n\r\n").encode()


@pytest.mark.parametrize("size", [64, 65_536, 10**7])
def test_a_head_may_be_so_long_and_no_longer(shared: Machine, size: int) -> None:
    for length, status in ((HEAD_BYTES - 200, 200), (HEAD_BYTES + 200, 400), (200_000, 400), (2_000_000, 400)):
        head = _head(length)
        pieces = [head[start : start + size] for start in range(0, len(head), size)]
        if len(pieces) < 5_000:
            answered, answer = talk(shared.info.http_port, *pieces)
            assert answered in (status, 0 if status == 400 else status), (length, answer)


def test_a_long_address_is_a_long_head(shared: Machine) -> None:
    for length, statuses in ((60_000, (200,)), (HEAD_BYTES + 200, (0, 400)), (200_000, (0, 400))):
        request = f"GET /metadata/endpoints?a={'x' * length} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert talk(shared.info.http_port, request.encode())[0] in statuses, length


def test_a_head_has_a_number_of_headers(shared: Machine) -> None:
    for count, statuses in ((MAX_HEADERS - 2, (200,)), (MAX_HEADERS - 1, (0, 400)), (5_000, (0, 400))):
        lines = "".join(f"X-{number}: y\r\n" for number in range(count))
        request = f"{CLOUDS}Host: localhost\r\nConnection: close\r\n{lines}\r\n"
        assert talk(shared.info.http_port, request.encode())[0] in statuses, count


def test_a_second_head_on_a_kept_connection_has_the_same_limit(shared: Machine) -> None:
    with socket.create_connection(("127.0.0.1", shared.info.http_port), 10) as connection:
        for _ in range(3):  # each of them counts by itself
            connection.sendall(_head(HEAD_BYTES // 2).replace(b"Connection: close", b"X-Same: x"))
            received = b""
            while not received.endswith(b"}]"):
                received += connection.recv(65536)
        connection.sendall(_head(200_000))
        assert b" 400 " in connection.recv(65536)
