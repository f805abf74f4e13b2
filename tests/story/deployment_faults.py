"""Rollbacks with one fault at a chosen call to the service, and what production is like afterwards."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.response import HTTPResponse

REFUSED, LOST = "refused", "answer lost"
"""A call has no effect, or it takes effect but is answered with an error."""
_ANSWER = b'{"error": {"code": "Injected", "message": "injected fault"}}'


@dataclass(frozen=True)
class Fault:
    """Which call fails: the `nth` whose method and path match a pattern, and how."""

    pattern: str
    nth: int = 1
    how: str = REFUSED


@dataclass(frozen=True)
class Outcome:
    """How a rollback ended, and what production is like: everything that must agree."""

    code: int
    said: str
    hit: str
    """The call that failed; empty where none did."""
    serves: str
    """Deployment that the service names."""
    answers: str
    """Hash of the model that answers."""
    state: str
    champions: list[int]
    default: str
    last: str
    """The last deployment in the ledger that succeeded."""
    last_version: int
    last_model: str
    ends: list[str]
    """States of the deployments that this rollback added to the ledger."""


@contextmanager
def injected(fault: Fault) -> Iterator[list[str]]:
    """Let one call of any client in this process fail, renewals of a lease aside; yields the calls that did."""
    send, counting = requests.Session.send, threading.Lock()
    seen: list[str] = []
    hit: list[str] = []

    def sending(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        action = str(request.headers.get("x-ms-lease-action", ""))
        call = f"{request.method} {urlsplit(str(request.url)).path} {action}"
        with counting:
            if action == "renew" or not re.search(fault.pattern, call):
                return send(self, request, **more)
            seen.append(call)
            if len(seen) != fault.nth:
                return send(self, request, **more)
            hit.append(call)
        if fault.how == LOST:
            send(self, request, **more).close()
        return _refusal(request)

    requests.Session.send = sending  # type: ignore[method-assign]
    try:
        yield hit
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


def _refusal(request: requests.PreparedRequest) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.request, answer.url = 403, request, str(request.url)
    answer.headers["Content-Type"] = "application/json"
    answer.raw = HTTPResponse(BytesIO(_ANSWER), status=403, headers=answer.headers, preload_content=False)
    return answer


@cache
def _session() -> Any:
    from ml_service.cli.session import Session
    from ml_service.output.console import Terminal

    return Session(Terminal(as_json=True))


def roll_back(_: Any, to: str, fault: Fault) -> Outcome:
    """Roll back with a fault at a call, then look at everything with nothing in the way."""
    from ml_service.output.failures import explain
    from ml_service.production import ledger
    from ml_service.production.rollback import rollback

    site, desk = _session().site, _session().desk
    known = {record.id for record in ledger.read_all(site.training, site.settings)}
    code, said = 0, ""
    with injected(fault) as hit:
        try:
            rollback(site, desk, to)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            code, said = explained.exit_code, str(explained)
    return _look(site, "".join(hit), code, said, known)


def _look(site: Any, hit: str, code: int, said: str, known: set[str]) -> Outcome:
    from azure_ml.models.versions import find_versions
    from azure_ml.pipelines.published import find_endpoint
    from azure_ml.services import ask, find_service
    from ml_service.production import ledger
    from ml_service.production.site import last_good

    records = ledger.read_all(site.training, site.settings)
    last = last_good(records)
    service = find_service(site.production, site.settings.production_service_name)
    endpoint = find_endpoint(site.training, site.settings.pipeline_endpoint_name)
    versions = find_versions(site.training, site.settings.model_name)
    assert last is not None
    assert service is not None
    assert endpoint is not None
    return Outcome(
        code=code,
        said=said,
        hit=hit,
        serves=service.labels["deployment"],
        answers=json.loads(ask(service, {"horizon": 1}).content)["model"]["sha256"],
        state=service.state.state,
        champions=[model.version for model in versions if "champion" in model.tags],
        default=endpoint.default_pipeline,
        last=last.id,
        last_version=int(last.content.model_version),
        last_model=last.content.model_sha256,
        ends=[record.state for record in records if record.id not in known],
    )
