"""Answers requests for web addresses from local files, and refuses everything else at once.

The SDK's native data engine asks a web server as it asks a blob container (of hosts named `*.blob.*`). Of a refusal
it shows only the body of a failed GET, and it gets that far only after a HEAD that succeeds; of other statuses it
shows a sentence of its own, and after a refused connection it tries again for minutes.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local_azure.machine_learning.clock import uptime
from local_azure.machine_learning.domain.data.blob_listing import Known, Listing, listing_xml
from local_azure.machine_learning.errors import ApiError, bad_request
from local_azure.machine_learning.storage.files import Containers
from local_azure.machine_learning.storage.web_files import WebFiles, name_of

LOG = logging.getLogger("local_azure")
_ENGINE = "AzureML/azureml-dataprep-rslex"


class WebAnswers:
    """ASGI application of the proxy. own: answers where one of `own_hosts` is asked for, the server itself.

    A client that bypasses no proxy at all reaches the server through this one.
    """

    def __init__(self, files: WebFiles, own: ASGIApp, own_hosts: frozenset[str]) -> None:
        self._files = files
        self._own = own
        self._own_hosts = own_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.headers.get("host", "").lower() in self._own_hosts:
            await self._own(scope, receive, send)
            return
        try:
            response = await asyncio.to_thread(self._answer, request)
        except ApiError as error:
            LOG.info("web address refused: %s", error.message)
            response = _refusal(request, error)
        await response(_with_range(scope), receive, send)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise bad_request("Only GET and HEAD are supported for external URLs (served from --web-data).")
        query = request.query_params
        if query.get("restype") == "container":
            return self._container(request, query.get("comp", ""))
        name = name_of(_address(request))
        path = self._files.require(name)
        if path.is_dir():  # of a blob container, it is the files below it that the client asks for next
            return PlainTextResponse(f"{path} is a folder, not a file.", 404)
        headers = {"x-ms-blob-type": "BlockBlob"} if ".blob." in name.partition("/")[0] else {}
        return FileResponse(path, headers=headers, stat_result=path.stat())

    def _container(self, request: Request, comp: str) -> Response:
        if comp != "list":
            return Response()  # whether a container may be read without signing in: it may
        host, container = request.headers["host"].lower(), request.url.path.strip("/")
        wanted = Listing.of_query(container, request.query_params)
        self._files.require(f"{host}/{container}")
        body = listing_xml(Containers(self._files.require(host)), f"https://{host}", wanted, Known({}, {}, uptime()))
        return Response(body, media_type="application/xml")


def _with_range(scope: Scope) -> Scope:
    """Return a request whose range stands where web servers look for it; clients of blobs have another header."""
    given = [(b"range", value) for name, value in scope["headers"] if name == b"x-ms-range"]
    return {**scope, "headers": [*scope["headers"], *given]}


def _address(request: Request) -> str:
    """Return the address that was asked for, encoded as it was."""
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}{path}{f'?{query}' if query else ''}"


def _refusal(request: Request, error: ApiError) -> Response:
    if request.method == "HEAD" and request.headers.get("user-agent") == _ENGINE:
        return Response(headers={"Content-Length": str(len(error.message.encode())), "x-ms-blob-type": "BlockBlob"})
    return PlainTextResponse(error.message, error.status)
