"""Asks a web service as any client would, with the key that stays on the server's side."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from local_azure.machine_learning.loopback import LOOPBACK
from local_azure.studio.views.forecasts import Forecast, forecast_in
from local_azure.studio.views.previews import json_of, pretty

SECONDS = 60.0
MOST_ANSWER_BYTES = 4 * 1024 * 1024
_SHOWN_CHARACTERS = 20_000
_SWAGGER_SECONDS = 3.0


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a service has answered. forecast: of the answer, if it holds one."""

    status: int
    text: str
    forecast: Forecast | None = None
    seconds: float = 0.0


def example_of(scoring_uri: str) -> str:
    """Return the example request of a service's swagger document; an empty object where it names none."""
    base = urlsplit(scoring_uri)
    try:
        status, text = _call(base, _Request("GET", "/swagger.json"), _SWAGGER_SECONDS)
    except (OSError, http.client.HTTPException):
        return "{}"
    document = json_of(text) if status == 200 else None
    shapes = document.get("definitions") if isinstance(document, dict) else None
    shape = shapes.get("ServiceInput") if isinstance(shapes, dict) else None
    example = shape.get("example") if isinstance(shape, dict) else None
    return pretty(example) if example is not None else "{}"


def ask(scoring_uri: str, key: str, body: str) -> Answer:
    """Send a request to a service of this machine; an answer with status 0 says why there is none."""
    address = urlsplit(scoring_uri)
    if address.hostname != LOOPBACK:
        return Answer(0, f"The service is not on this machine: {scoring_uri}")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    try:
        status, text = _call(address, _Request("POST", address.path, body.encode(), headers), SECONDS)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"The service does not answer: {error}")
    found = json_of(text)
    if isinstance(found, str):  # a script that returns a text of JSON is answered with it once more encoded
        found = json_of(found) or found
    shown = pretty(found, _SHOWN_CHARACTERS) if found is not None else text[:_SHOWN_CHARACTERS]
    return Answer(status, shown, forecast_in(found))


def _call(address: SplitResult, request: _Request, seconds: float) -> tuple[int, str]:
    """Return status and body; nothing leaves this machine."""
    connection = http.client.HTTPConnection(LOOPBACK, address.port, timeout=seconds)
    try:
        connection.request(request.method, request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_ANSWER_BYTES).decode(errors="replace")
    finally:
        connection.close()


def compact(text: str) -> str:
    """Return a request as it is sent; raises ValueError for what is not JSON."""
    return json.dumps(json.loads(text))
