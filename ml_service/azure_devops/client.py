"""A small client of Azure DevOps' REST API: one project, with the token of a job or of a person.

The token goes to https, or to this machine, and to no other place: redirections are not followed, no .netrc is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from forecasting.json_text import UNREADABLE, strict_json
from ml_service.errors import FaultError, InvalidRequestError
from ml_service.output.failures import advice_of
from ml_service.settings.variables import AgentSettings

API_VERSION = "7.1"
PREVIEW_VERSION = f"{API_VERSION}-preview.1"
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Of one answer; the timeline of a large build has some 2 MB."""
_TIMES = (5, 20)  # seconds to connect, and between two pieces
_MOST_SECONDS = 60
"""Of one answer, however steadily it comes."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_BUSY = (429, 502, 503, 504)
_LONGEST_WAIT = 10.0
"""In seconds, before a call is repeated."""
_REPEATED = Retry(
    total=2,
    connect=0,  # who does not listen at all is not asked again
    status_forcelist=_BUSY,
    allowed_methods=("GET",),
    backoff_factor=0.5,
    retry_after_max=int(_LONGEST_WAIT),
    raise_on_status=False,
)
"""A read is repeated when the service is busy or falls silent. A call that changes something may have been carried
out nevertheless: its caller looks for the effect before it repeats the call (`BusyError`)."""
_SHOWN = 300


class AzureDevOpsError(FaultError):
    """Azure DevOps did not answer, or refused."""


class BusyError(AzureDevOpsError):
    """Azure DevOps was busy or fell silent: whether it has carried the call out is unknown."""

    wait: float = 0.0
    """Seconds after which it asks to be called again; 0 where it does not say."""


class NotFoundError(AzureDevOpsError):
    """There is no such object, or the token may not see it."""


@dataclass(frozen=True)
class AzureDevOps:
    """One project of an organization."""

    address: str
    """Such as https://dev.azure.com/organization/project."""
    token: str = field(repr=False)

    def get(self, path: str, parameters: Mapping[str, str] | None = None, *, preview: bool = False) -> dict[str, Any]:
        """The JSON object at `_apis/{path}`. preview: of an interface that is not final. Raises: AzureDevOpsError."""
        return self._call("GET", path, parameters or {}, None, preview=preview)

    def post(self, path: str, body: object) -> dict[str, Any]:
        """Send a JSON document to `_apis/{path}`; returns the answer. Raises: AzureDevOpsError."""
        return self._call("POST", path, {}, body)

    def send(
        self,
        method: str,
        path: str,
        body: object,
        parameters: Mapping[str, str] | None = None,
        *,
        preview: bool = False,
    ) -> dict[str, Any]:
        """Create, change or remove what is at `_apis/{path}`; returns the answer. Raises: AzureDevOpsError."""
        return self._call(method, path, parameters or {}, body, preview=preview)

    @property
    def project(self) -> str:
        """The project's name, quoted as in its address."""
        return self.address.rpartition("/")[2]

    @property
    def organization(self) -> AzureDevOps:
        """The same, for what belongs to no project."""
        return AzureDevOps(self.address.rpartition("/")[0], self.token)

    def _call(
        self, method: str, path: str, parameters: Mapping[str, str], body: object, *, preview: bool = False
    ) -> dict[str, Any]:
        url = f"{self.address}/_apis/{path}"
        versioned = {**parameters, "api-version": PREVIEW_VERSION if preview else API_VERSION}
        try:
            answer, content = exchange(method, url, self.token, parameters=versioned, body=body)
        except requests.RequestException as error:
            kind = BusyError if isinstance(error, requests.ReadTimeout) else AzureDevOpsError
            raise kind(
                f"Azure DevOps did not respond at {url}",
                found=type(error).__name__,
                todo="check the network, the proxy and SYSTEM_COLLECTIONURI, then repeat the command",
            ) from error
        if answer.status_code == requests.codes.no_content or (method == "DELETE" and answer.ok):
            return {}
        if answer.status_code not in (requests.codes.ok, requests.codes.created):
            raise _refused(answer, f"{method} {url}", content[:_SHOWN].decode("utf-8", "replace"), self.token)
        return _object(content, url)


def exchange(
    method: str,
    url: str,
    token: str,
    *,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: object = None,
) -> tuple[requests.Response, bytes]:
    """One call with a bearer token: the answer, and its content up to a cap.

    Raises: requests.RequestException; AzureDevOpsError for an answer that is too large or too slow.
    """
    with requests.Session() as session:
        # The environment may name a proxy, which this machine needs not, and a .netrc with other credentials. It also
        # names the certificates, which a service with TLS needs.
        parts = urlsplit(url)
        session.trust_env = parts.scheme == "https" or parts.hostname not in _LOOPBACK
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=_REPEATED))
        answer = session.request(
            method,
            url,
            params=parameters,
            json=body,
            auth=_Bearer(token),
            headers={"Accept": "application/json", **(headers or {})},
            timeout=_TIMES,
            allow_redirects=False,
            stream=True,
        )
        with answer:
            return answer, _read(answer, url)


def demand_safe(name: str, address: str) -> None:
    """Raises: InvalidRequestError where a token would go to another machine without TLS. name: of the setting."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InvalidRequestError(
            f"{name} is not an address that a token may be sent to",
            found=address,
            expected="https://..., or http:// on this machine",
        )


def _refused(answer: requests.Response, call: str, content: str, token: str) -> AzureDevOpsError:
    # A token that is invalid is answered with 203 and a page to sign in.
    status = answer.status_code
    kinds = {requests.codes.not_found: NotFoundError, **dict.fromkeys(_BUSY, BusyError)}
    in_trouble = "" if status == requests.codes.unauthorized else advice_of(status)
    error = kinds.get(status, AzureDevOpsError)(
        f"Azure DevOps refused {call} (HTTP {status})",
        found=content.replace(token, "***"),
        todo=in_trouble
        or "see that the token is valid (SYSTEM_ACCESSTOKEN; a person's lives an hour) and may read this: a job's\n"
        "token has the rights of the project's build service, a person's token those of the person",
    )
    after = answer.headers.get("Retry-After", "")
    if isinstance(error, BusyError) and after.isascii() and after.isdecimal():
        error.wait = min(float(after), _LONGEST_WAIT)
    return error


class _Bearer(requests.auth.AuthBase):
    """As `auth`, because requests prefers a .netrc to a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _read(answer: requests.Response, url: str) -> bytes:
    content, begun = bytearray(), time.monotonic()
    for piece in answer.iter_content(64 * 1024):
        content += piece
        if len(content) > MAX_ANSWER_BYTES or time.monotonic() - begun > _MOST_SECONDS:
            most = f"at most {MAX_ANSWER_BYTES} bytes within {_MOST_SECONDS} s"
            raise AzureDevOpsError(f"the response of {url} is too large or too slow", expected=most)
    return bytes(content)


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        return strict_json(content)
    except UNREADABLE:
        raise AzureDevOpsError(f"the response of {url} is not a JSON object", todo="repeat the command") from None


def open_project(settings: AgentSettings) -> AzureDevOps | None:
    """The project of this build; None where no job token or no Azure DevOps is at hand, as on GitHub or a laptop.

    Raises: InvalidRequestError where the token would be sent to another machine without TLS.
    """
    token = settings.system_accesstoken.get_secret_value()
    if not (token and settings.system_collectionuri and settings.system_teamproject):
        return None
    demand_safe("SYSTEM_COLLECTIONURI", settings.system_collectionuri)
    return AzureDevOps(f"{settings.system_collectionuri.rstrip('/')}/{quote(settings.system_teamproject)}", token)
