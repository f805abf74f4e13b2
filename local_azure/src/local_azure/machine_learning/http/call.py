"""What a handler gets to know about one request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from local_azure.machine_learning.domain.access.tokens import Principal
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request

_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass
class Call:
    """One request, authenticated and parsed.

    `body` is the parsed JSON, None when there was none or when the route streams.
    """

    request: Request
    principal: Principal | None
    body: Any
    _workspace: Workspace | None

    @property
    def workspace(self) -> Workspace:
        """Workspace of the path; only routes with `{W}` have one."""
        if self._workspace is None:
            raise bad_request("This URL contains no workspace.")
        return self._workspace

    @property
    def ws(self) -> str:
        """Id of the workspace, the first key of every document."""
        return self.workspace.id

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last one of a name counts."""
        return dict(self.request.query_params)

    def flag(self, name: str, default: bool = False) -> bool:
        """A query parameter that says true or false."""
        return self.query.get(name, str(default)).lower() == "true"

    def number(self, name: str, default: int, most: int = 2**53) -> int:
        """A query parameter that is a whole number from 0 to `most`; raises a 400."""
        text = self.query.get(name) or str(default)
        if not _DIGITS.fullmatch(text) or int(text) > most:
            raise bad_request(f"'{name}' must be a whole number from 0 to {most}, not '{text[:40]}'.")
        return int(text)

    def document(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise bad_request("The body of this request must be a JSON object.")
        return self.body

    def json_patch(self) -> list[dict[str, Any]]:
        """The body, which must be a list of operations (RFC 6902, or what the SDK takes for one)."""
        if not isinstance(self.body, list):
            raise bad_request("The body of this request must be a JSON patch, a list of operations.")
        return self.body
