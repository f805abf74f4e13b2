"""A small client of the server's own REST planes: the command line imports no SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from local_azure.machine_learning.storage.certificates import ROOTS
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

TIMEOUT_SECONDS = 30
_PROVIDER = "/subscriptions/{0}/resourceGroups/{1}/providers/Microsoft.MachineLearningServices/workspaces"

Document = dict[str, Any]


def workspaces_path(subscription: str, resource_group: str) -> str:
    """The path of the workspaces of a resource group, as all planes write it."""
    return _PROVIDER.format(quote(subscription, safe=""), quote(resource_group, safe=""))


class ServiceClient:
    """Signs in as the person of this start; every method raises urllib.error.HTTPError for a refusal."""

    def __init__(self, state: StateFolder, info: ServerInfo) -> None:
        import ssl  # here, as in `_send`: most commands need neither, and they take a third of what all import

        self._context = ssl.create_default_context(capath=str(state.certificates / ROOTS))
        self._http, self._tls = info.base_url, f"https://127.0.0.1:{info.tls_port}"
        answer = self._document("POST", f"{info.base_url}/msi/{info.token}/token", {})
        self._headers = {"Authorization": f"Bearer {answer['access_token']}"}

    def resource(self, method: str, path: str) -> Document:
        """Ask Azure Resource Manager."""
        return self._document(method, self._tls + path, self._headers)

    def get(self, path: str) -> Document:
        """Ask one of the other planes."""
        return self._document("GET", self._http + path, self._headers)

    def post(self, path: str, body: Document) -> Document:
        """Send a query to one of the other planes."""
        headers = {**self._headers, "Content-Type": "application/json"}
        return self._document("POST", self._http + path, headers, json.dumps(body).encode())

    def query(self, path: str, body: Document) -> Iterator[Document]:
        """Yield the documents of all pages of a query."""
        return _pages(lambda token: self.post(path, {**body, "continuationToken": token}))

    def listing(self, path: str) -> Iterator[Document]:
        """Yield the documents of all pages of a list that is read with GET."""
        return _pages(lambda token: self.get(f"{path}?$continuationToken={quote(token, safe='')}" if token else path))

    def text(self, address: str) -> Iterator[str]:
        """Yield the lines of a file at a signed address; invalid bytes are replaced."""
        with self._send("GET", address, {}) as answer:
            for line in answer:
                yield line.decode(errors="replace")

    def _document(self, method: str, address: str, headers: dict[str, str], body: bytes | None = None) -> Document:
        with self._send(method, address, headers, body) as answer:
            document: Document = json.load(answer)
        return document

    def _send(self, method: str, address: str, headers: dict[str, str], body: bytes | None = None) -> Any:
        import urllib.request

        request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310 - our own server
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._context)
        )
        return opener.open(request, timeout=TIMEOUT_SECONDS)


def _pages(ask: Callable[[str | None], Document]) -> Iterator[Document]:
    """Yield what the pages hold; each is asked for when it is needed, with the token of the one before."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page["value"]
        token = page.get("continuationToken")
        if not token:
            return
