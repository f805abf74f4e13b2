"""Asks a web service as any client would, with the key that stays on the server's side."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from markupsafe import Markup

from local_azure.machine_learning.loopback import LOOPBACK
from local_azure.studio.views.charts import Line, drawable, line_chart
from local_azure.studio.views.previews import json_of, pretty

SECONDS = 60.0
MOST_ANSWER_BYTES = 4 * 1024 * 1024
_SHOWN_CHARACTERS = 20_000
_SWAGGER_SECONDS = 3.0
_NAMES = ("value", "forecast", "prediction", "yhat", "mean")
Document = dict[str, Any]


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a service has answered. chart: of a forecast."""

    status: int
    text: str
    chart: Markup
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
        return Answer(0, f"The service is not on this machine: {scoring_uri}", Markup(""))
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    try:
        status, text = _call(address, _Request("POST", address.path, body.encode(), headers), SECONDS)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"The service does not answer: {error}", Markup(""))
    found = json_of(text)
    if isinstance(found, str):  # a script that returns a text of JSON is answered with it once more encoded
        found = json_of(found) or found
    shown = pretty(found, _SHOWN_CHARACTERS) if found is not None else text[:_SHOWN_CHARACTERS]
    return Answer(status, shown, forecast_chart(found))


def _call(address: SplitResult, request: _Request, seconds: float) -> tuple[int, str]:
    """Return status and body; nothing leaves this machine."""
    connection = http.client.HTTPConnection(LOOPBACK, address.port, timeout=seconds)
    try:
        connection.request(request.method, request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_ANSWER_BYTES).decode(errors="replace")
    finally:
        connection.close()


def forecast_chart(answer: object) -> Markup:
    """Return a chart of the first list of dated values in an answer; nothing where there is none."""
    rows: list[Document] = next((value for value in _values(answer) if _is_dated(value)), [])
    if not rows:
        return Markup("")
    name = next(key for key in _NAMES if key in rows[0])
    dates = list(dict.fromkeys(str(row.get("date")) for row in rows))
    places = {date: float(place) for place, date in enumerate(dates)}
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        value = drawable(row.get(name))
        if value is not None:
            series = str(row.get("series", name))
            lines.setdefault(series, []).append((places[str(row.get("date"))], value))
    drawn = [Line(series, tuple(points)) for series, points in lines.items()]
    if len(drawn) == 1:
        drawn += _bounds(rows, places)
    return line_chart(drawn, f"Forecast from {dates[0]} to {dates[-1]}", dates)


def _values(answer: object) -> list[Any]:
    if isinstance(answer, list):
        return [answer]
    return list(answer.values()) if isinstance(answer, dict) else []


def _is_dated(value: object) -> bool:
    """Tell whether a value is a list of objects with a date and a number of a known name."""
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        return False
    return "date" in value[0] and any(name in value[0] for name in _NAMES)


def _bounds(rows: list[Document], places: dict[str, float]) -> list[Line]:
    """Return the bounds of the widest interval of a forecast of one series."""
    levels = [row["intervals"] for row in rows if isinstance(row.get("intervals"), dict)]
    if len(levels) != len(rows) or not levels[0]:
        return []
    level = max(levels[0])
    found: list[Line] = []
    for side, word in ((0, "from"), (1, "to")):
        points = []
        for row, bounds in zip(rows, levels, strict=True):
            pair = bounds.get(level)
            bound = drawable(pair[side]) if isinstance(pair, list) and len(pair) == 2 else None
            if bound is not None:
                points.append((places[str(row.get("date"))], bound))
        found.append(Line(f"{level} interval, {word}", tuple(points)))
    return found


def compact(text: str) -> str:
    """Return a request as it is sent; raises ValueError for what is not JSON."""
    return json.dumps(json.loads(text))
