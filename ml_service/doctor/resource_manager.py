"""Azure Resource Manager by its REST API, read only: rights, providers, quota, the resources of a workspace.

The SDK has no calls for these. Routes: learn.microsoft.com/rest/api, each with the version named where it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import requests

from azure_ml.errors import AzureMlError
from forecasting.json_text import UNREADABLE, strict_json
from ml_service.azure_devops.client import exchange
from ml_service.documents import Document, at, records_at
from ml_service.output.failures import advice_of

MOST_PAGES = 100
"""Of one list; a page has some hundred objects."""
_SHOWN = 300
FORBIDDEN, MALFORMED = 403, 400


class RefusedError(AzureMlError):
    """Azure Resource Manager refused. The status is HTTP's."""

    status: int = 0


class ResourceManager:
    """Reads documents, each once. sign_in: returns an authentication object of the SDK, whose token is sent."""

    def __init__(self, sign_in: Callable[[], Any]) -> None:
        self._sign_in = sign_in
        self._kept: dict[str, Document | None] = {}

    @cached_property
    def _authentication(self) -> Any:
        return self._sign_in()

    @cached_property
    def _address(self) -> str:
        return str(self._authentication._get_arm_end_point()).rstrip("/")

    def read(self, path: str, api_version: str, parameters: Mapping[str, str] | None = None) -> Document | None:
        """The document at a path; None where there is none. Raises: RefusedError, ExplainedError."""
        query = {**(parameters or {}), "api-version": api_version}
        key = f"{path}?{sorted(query.items())}"
        if key not in self._kept:
            self._kept[key] = self._asked(self._address + path, path, query)
        return self._kept[key]

    def listed(
        self, path: str, api_version: str, parameters: Mapping[str, str] | None = None
    ) -> tuple[Document, ...]:
        """The documents of a list, of all its pages; none where there is no such list. Raises: as `read`."""
        page, found = self.read(path, api_version, parameters), list[Document]()
        for _ in range(MOST_PAGES):
            if page is None:
                return tuple(found)
            found += records_at(page, "value")
            link = str(at(page, "nextLink") or "")
            if not link:
                return tuple(found)
            if not link.startswith(f"{self._address}/"):  # the token goes nowhere else
                raise AzureMlError(f"the list of Azure at {path} goes on at another service", found=link[:_SHOWN])
            page = self._asked(link, path, {})
        raise AzureMlError(f"the list of Azure at {path} is too long", expected=f"at most {MOST_PAGES} pages")

    def _asked(self, url: str, path: str, query: Mapping[str, str]) -> Document | None:
        token = self._authentication.get_authentication_header()["Authorization"].removeprefix("Bearer ")
        try:
            answer, content = exchange("GET", url, token, parameters=query)
        except requests.RequestException as error:
            raise AzureMlError(
                f"Azure did not respond at {path}",
                found=type(error).__name__,
                todo="check the network and the proxy, then repeat the command",
            ) from error
        if answer.status_code == requests.codes.not_found:
            return None
        if answer.status_code != requests.codes.ok:
            raise _refused(answer.status_code, path, content[:_SHOWN].decode("utf-8", "replace"))
        try:
            return strict_json(content)
        except UNREADABLE:
            raise AzureMlError(
                f"the response of Azure at {path} is not a JSON object", todo="repeat the command"
            ) from None


def _refused(status: int, path: str, said: str) -> RefusedError:
    error = RefusedError(
        f"Azure refused to show {path} (HTTP {status})", found=" ".join(said.split()), todo=advice_of(status)
    )
    error.status = status
    return error
