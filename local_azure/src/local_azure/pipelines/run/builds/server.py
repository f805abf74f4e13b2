"""Serves what Azure DevOps' REST API would tell: builds, timelines and approvals of the runs below a folder, and what
administers the project (organization.py).

On loopback, only with the token, until the block that opened it ends. Whatever else is asked for is
refused with the name of the route.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from local_azure.pipelines.run.builds.organization import AbsentError, Organization
from local_azure.pipelines.run.builds.record import REHEARSAL, Document, read_record

ORGANIZATION, PROJECT = "local", "local"
MOST_BODY_BYTES = 64 * 1024
MOST_CONNECTIONS = 16
MOST_APPROVALS = 100
MOST_BUILDS_READ = 1_000
"""The newest ones, in which an approval is looked for."""
_SECONDS = 20  # that a client may be silent
_APIS = re.compile(rf"/{ORGANIZATION}(?:/{PROJECT})?/_apis/(.+)")
_ROUTE = re.compile(rf"/{ORGANIZATION}/{PROJECT}/_apis/(build|pipelines)/(.+)")
_BUILD = re.compile(r"builds/([0-9]{1,9})(/timeline)?")
_LEASES = "retention/leases"
_LIST = {"statusFilter": "completed", "queryOrder": "finishTimeDescending"}


class _NotFoundError(Exception):
    """The text says what there is not."""


class _UnsupportedError(Exception):
    """The text names the route."""


@dataclass(frozen=True)
class ServedBuilds:
    """Where the records are served, and the token that opens them."""

    port: int
    token: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The predefined variables that say so; the token is not among them."""
        uri = f"http://127.0.0.1:{self.port}/{ORGANIZATION}/"
        return {"System.CollectionUri": uri, "System.TeamFoundationCollectionUri": uri, "System.TeamProject": PROJECT}


@contextmanager
def serving(folder: Path) -> Iterator[ServedBuilds]:
    """Serve the records of the runs in a folder until the end of the block."""
    token = secrets.token_hex(32)
    with _Server(folder, token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield ServedBuilds(server.server_address[1], token)
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.organization = Organization(folder, PROJECT)
        self.token = token
        self._free = threading.Semaphore(MOST_CONNECTIONS)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Answer in a thread; above the cap the connection is closed."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Answer, then make room for the next one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no matter of the run."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Answer with a document of the organization, or a record."""
        self._answer(lambda: self._administered() or _read(self.server.folder, _route(self.path)))

    def do_POST(self) -> None:
        """Create a document; or grant a retention lease: runs on this machine are kept anyway."""
        self._answer(lambda: self._administered() or _lease(_route(self.path), self._body()))

    def do_PUT(self) -> None:
        """Replace a document of the organization."""
        self._answer(self._change)

    do_PATCH = do_PUT  # noqa: N815 - the name that http.server asks for

    def do_DELETE(self) -> None:
        """Remove a document of the organization."""
        self._answer(self._change)

    def _change(self) -> Document:
        found = self._administered()
        if found is None:
            raise _UnsupportedError(urlsplit(self.path).path)
        return found

    def _administered(self) -> Document | None:
        """The answer of the organization; None where it serves nothing of the kind."""
        parts = urlsplit(self.path)
        found = _APIS.fullmatch(parts.path)
        if found is None:
            return None
        query = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=20).items()}
        return self.server.organization.answer(self.command, unquote(found[1]), query, self._body)

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            raise ValueError(f"A body of at most {MOST_BODY_BYTES} bytes is expected.")
        return json.loads(self.rfile.read(int(length)))

    def _answer(self, make: Callable[[], Document]) -> None:
        if not self._is_authorized():
            self._send(401, _error("The token of the job of a run is required (SYSTEM_ACCESSTOKEN)."))
            return
        try:
            self._send(200, make())
        except (_NotFoundError, AbsentError) as error:
            self._send(404, _error(str(error)))
        except _UnsupportedError as error:
            self._send(400, _error(f"NotImplemented: {self.command} {error}"))
        except (ValueError, RecursionError) as error:
            self._send(400, _error(str(error)))

    def _is_authorized(self) -> bool:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        given = token.encode("utf-8", "replace")
        return scheme.lower() == "bearer" and hmac.compare_digest(given, self.server.token.encode())

    def _send(self, status: int, document: Document) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Local-Azure", REHEARSAL)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: the run's own log is elsewhere."""


def _error(message: str) -> Document:
    return {"message": message, "rehearsal": REHEARSAL}


class _Route(NamedTuple):
    """An address: `_apis/AREA/REST?QUERY`."""

    area: str
    rest: str
    query: dict[str, str]


def _route(path: str) -> _Route:
    parts = urlsplit(path)
    found = _ROUTE.fullmatch(parts.path)
    if found is None:
        raise _UnsupportedError(parts.path)
    query = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=20).items()}
    return _Route(found[1], found[2], query)


def _read(folder: Path, route: _Route) -> Document:
    build = _BUILD.fullmatch(route.rest)
    if route.area == "build" and build:
        document = read_record(folder / build[1])
        if document is None:
            raise _NotFoundError(f"The requested build {build[1]} could not be found.")
        found: Document = document["timeline" if build[2] else "build"]
        return found
    if (route.area, route.rest) == ("build", "builds"):
        listed = list(_builds(folder, route.query))
        return {"count": len(listed), "value": listed}
    if (route.area, route.rest) == ("pipelines", "approvals"):
        wanted = [part for part in route.query.get("approvalIds", "").split(",") if part]
        if not 0 < len(wanted) <= MOST_APPROVALS:
            raise ValueError(f"approvalIds must name 1 to {MOST_APPROVALS} approvals.")
        expanded = route.query.get("$expand", "").lower() == "steps"
        listed = [one if expanded else {**one, "steps": []} for one in _approvals(folder, wanted)]
        return {"count": len(listed), "value": listed}
    raise _UnsupportedError(f"/_apis/{route.area}/{route.rest}")


def _newest(folder: Path) -> Iterator[Document]:
    """The records of the newest runs."""
    numbers = sorted((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), reverse=True)
    for number in numbers[:MOST_BUILDS_READ]:
        if (record := read_record(folder / str(number))) is not None:
            yield record


def _builds(folder: Path, query: Mapping[str, str]) -> Iterator[Document]:
    """The builds that have ended, the newest first; other lists than this one are not offered.

    learn.microsoft.com/rest/api/azure/devops/build/builds/list
    """
    other = query.keys() - {"api-version", *_LIST, "definitions", "minTime", "$top"}
    if other or any(query.get(name) != value for name, value in _LIST.items()):
        raise _UnsupportedError(f"/_apis/build/builds with {query}")
    definitions, begin = query.get("definitions", ""), _moment(query.get("minTime", ""))
    most = query.get("$top", str(MOST_BUILDS_READ))
    if not most.isdecimal():
        raise ValueError("$top must be a number.")
    found = [record["build"] for record in _newest(folder) if record["build"].get("status") == "completed"]
    wanted = [build for build in found if not definitions or _definition(build) in definitions.split(",")]
    recent = [build for build in wanted if _ended(build) >= begin]
    yield from sorted(recent, key=_ended, reverse=True)[: int(most)]


def _ended(build: Document) -> datetime:
    """When a build has ended; a run that was killed has left no such time."""
    return _moment(build.get("finishTime") or build.get("queueTime") or "")


def _definition(build: Document) -> str:
    told = build.get("definition")
    return str(told.get("id", "")) if isinstance(told, dict) else ""


def _moment(text: str) -> datetime:
    """A moment of a query or a record; the first one for an empty text. Raises: ValueError."""
    found = datetime.fromisoformat(text) if text else datetime.min
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _approvals(folder: Path, wanted: list[str]) -> Iterator[Document]:
    missing = set(wanted)
    for record in _newest(folder):
        if not missing:
            return
        for approval in record["approvals"]:
            if approval.get("id") in missing:
                missing.discard(approval["id"])
                yield approval


def _lease(route: _Route, body: Any) -> Document:
    if (route.area, route.rest) != ("build", _LEASES):
        raise _UnsupportedError(f"/_apis/{route.area}/{route.rest}")
    if not isinstance(body, list) or not all(isinstance(lease, dict) for lease in body):
        raise ValueError("A list of leases is expected.")
    granted = [{**lease, "leaseId": number, "rehearsal": REHEARSAL} for number, lease in enumerate(body, 1)]
    return {"count": len(granted), "value": granted}
