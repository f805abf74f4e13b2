"""The ASGI application: normalise, match, authenticate, parse, call the handler, shape the answer."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from local_azure.machine_learning import errors, strict_json
from local_azure.machine_learning.clock import new_id, timestamp, zulu_time
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http import shapes
from local_azure.machine_learning.http.access import AccessControl
from local_azure.machine_learning.http.bodies import parsed_body, refuse_odd_address
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.handler_binding import Handlers
from local_azure.machine_learning.http.route_log import RouteLog
from local_azure.machine_learning.http.routing import Route, Router, normalize
from local_azure.machine_learning.storage import storage_faults

LOG = logging.getLogger("local_azure")
_SECRET_PARTS = re.compile(r"(?<=/)(msi|adfs)/[^/]+", re.IGNORECASE)  # addresses where a secret signs in
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Application:
    """The plain and the TLS listener serve this one application."""

    def __init__(
        self,
        routes: Sequence[Route],
        provided: Iterable[object],
        access: AccessControl,
        *,
        start_token: str,
        state_folder: Path,
    ) -> None:
        """provided: what handlers may declare, one object a class.

        start_token: never logged. state_folder: named where the disk is full.
        """
        self._router = Router(routes)
        self._handlers = Handlers(routes, provided)
        self._access = access
        self._start_token = start_token
        self._state_folder = state_folder
        self._route_log = RouteLog.of_environment()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, begun = Request(scope, receive), time.monotonic()
        path = normalize(scope["path"])
        found = self._router.match(request.method, path)
        try:
            if found is None:
                self._access.require_token(request)
                raise errors.not_implemented(f"{request.method} {path}")
            response = await self._answer(request, *found)
        except ApiError as error:
            response = _error_response(error, path, xml=found is not None and found[0].streams)
            if found and found[0].streams and "x-ms-version" in request.headers:
                response.headers["x-ms-version"] = request.headers["x-ms-version"]
        except ClientDisconnect:
            return
        except Exception as error:
            response = _error_response(self._fault(error, f"{request.method} {path}"), path, xml=False)
        if not (found and found[0].streams):
            _add_telling_headers(response, path, time.monotonic() - begun)
        if found and response.status_code != 401:
            self._route_log.note(found[0], request.headers.get("user-agent", ""))
        if not (found and found[0].access == "public"):  # polled, and one carries the token in its path
            LOG.info("%s %s %s", request.method, self._printable(path), response.status_code)
        await response(scope, receive, send)

    def _fault(self, error: Exception, request: str) -> ApiError:
        """The answer to what is not the user's mistake. A 5xx would be retried for half a minute."""
        fault = None
        if isinstance(error, OSError):
            fault = storage_faults.of_files(error, "this request", self._state_folder)
        LOG.error("%s failed", self._printable(request), exc_info=None if fault else error)
        return fault or ApiError(400, "InternalError", f"Internal error in {request}; see the log of the server.")

    def _printable(self, path: str) -> str:
        """A path as it may occur in the log: without the token of this start, on one line."""
        shown = _SECRET_PARTS.sub(r"\1/<token>", path.replace(self._start_token, "<token>"))
        return _UNPRINTED.sub("?", shown)

    async def _answer(self, request: Request, route: Route, parts: dict[str, str]) -> Response:
        refuse_odd_address(request)
        principal = self._access.principal(request, route)
        workspace = self._access.workspace(parts, principal)
        body = None
        if not route.streams:
            body = await parsed_body(request, lenient_numbers=route.lenient_numbers)
        if route.body is not None:
            shapes.require(route.body, body)
        call = Call(request, principal, body, workspace)
        return _shape(await self._handlers.answer(route, call, parts))


def _add_telling_headers(response: Response, path: str, seconds: float) -> None:
    """What every JSON answer of the service has: its kind, how long it took, and that nobody may keep it."""
    response.headers.setdefault("x-ms-response-type", "standard")
    response.headers["x-request-time"] = f"{seconds:.3f}"
    if path.lower().startswith("/subscriptions"):
        response.headers["x-ms-correlation-request-id"] = new_id()
        response.headers.setdefault("Cache-Control", "no-cache")
        response.headers.update({"Pragma": "no-cache", "Expires": "-1"})


def _shape(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status_code=200)
    try:
        return JSONResponse(result)
    except ValueError:  # stored by an older version, which took more than JSON has
        return JSONResponse(strict_json.readable(result))


def _error_response(error: ApiError, path: str, *, xml: bool) -> Response:
    # Of a body that is too slow or too large the rest is not waited for.
    headers = error.headers | ({"Connection": "close"} if error.status in (408, 413) else {})
    request_id = new_id()
    if xml:
        headers |= {"x-ms-error-code": error.code, "x-ms-request-id": request_id}
        return Response(
            errors.xml_body(error, request_id, zulu_time()), error.status, headers, media_type="application/xml"
        )
    if not error.has_body:
        return Response(status_code=error.status, headers=headers)
    headers |= {"x-ms-error-code": error.code, "x-ms-response-type": "error"}
    pascal_case = path.lower().startswith("/pipelines/")
    body = errors.json_body(error, request_id, timestamp(), pascal_case=pascal_case)
    return JSONResponse(body, error.status, headers)
