"""Azure Resource Manager by its REST API, read only: rights, providers, quota, the resources of a workspace.

The SDK has no calls for these. Routes: learn.microsoft.com/rest/api, each with the version named where it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from azure_ml.errors import AzureMlError

_SECONDS = (5, 30)  # to connect, and between two pieces
_SHOWN = 300
FORBIDDEN = 403


class RefusedError(AzureMlError):
    """Azure Resource Manager refused. The status is HTTP's."""

    status: int = 0


class ResourceManager:
    """Reads documents with the token of an authentication object of the SDK."""

    def __init__(self, authentication: Any) -> None:
        self._authentication = authentication
        self._address = str(authentication._get_arm_end_point()).rstrip("/")

    def read(
        self, path: str, api_version: str, parameters: Mapping[str, str] | None = None
    ) -> Mapping[str, Any] | None:
        """The document at a path; None where there is none. Raises: RefusedError, AzureMlError."""
        query = {**(parameters or {}), "api-version": api_version}
        try:
            answer = requests.get(
                self._address + path,
                params=query,
                headers=self._authentication.get_authentication_header(),
                timeout=_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise AzureMlError(f"Azure did not respond at {path}", found=type(error).__name__) from error
        if answer.status_code == requests.codes.not_found:
            return None
        if answer.status_code != requests.codes.ok:
            raise _refused(answer, path)
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, Mapping):
            raise AzureMlError(f"the response of Azure at {path} is not a JSON object")
        return document

    def listed(
        self, path: str, api_version: str, parameters: Mapping[str, str] | None = None
    ) -> tuple[Mapping[str, Any], ...]:
        """The documents of a list, of its first page: what is read here has a few. Raises: as `read`."""
        found = self.read(path, api_version, parameters) or {}
        value = found.get("value")
        return tuple(one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else ()


def _refused(answer: requests.Response, path: str) -> RefusedError:
    error = RefusedError(
        f"Azure refused to show {path} (HTTP {answer.status_code})", found=" ".join(answer.text[:_SHOWN].split())
    )
    error.status = answer.status_code
    return error
