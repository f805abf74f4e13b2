"""The scoring script of the web service: verify the model at start, then answer forecasts, strictly.

The server (azureml-inference-server-http) checks neither size nor form of a request: it answers malformed JSON
with 500 and lets NaN through. So this script does: 405, 411, 413, 415, 400, 422, in this order, before the model is
touched. It imports only numpy, orjson, the standard library and the modules that hold a model and answer with it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from flask import g

from azure_ml.digests import COMPILED, folder_sha256
from azure_ml.environments import MODEL_VERSION
from forecasting.errors import ModelFileError
from forecasting.json_text import strict_json
from forecasting.models.model_file import MANIFEST_FILE, read_model
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.openapi import JSON_TYPE, openapi
from forecasting.serving.questions import Question, QuestionError

MAX_BODY_BYTES = 1024 * 1024  # the history of 20 series over 1,000 days
KEPT_ANSWERS = 32  # of at most some 2 MB each
PLAIN_ENCODINGS = (None, "", "identity")


class RequestRefusedError(Exception):
    """A request that is not answered with a forecast: HTTP status, what was expected, and the field, if any."""

    def __init__(self, status: int, message: str, field: str = "", expected: str = "") -> None:
        self.status = status
        self.place = {"field": field, "expected": expected} if field else {}
        super().__init__(message)


class Served(NamedTuple):
    """The model that this process serves.

    No dataclass: the server loads this file without entering it in sys.modules, where dataclasses look.
    """

    forecaster: Forecaster
    identity: dict[str, str]
    """Which bytes answer: part of every answer, so that a forecast can be traced to its model and its code."""


_served: Served | None = None


def init() -> None:
    """Load the model once, when the server starts; its hash is verified before the file is opened.

    Raises: ModelFileError, UsageError; the server then ends and the deployment fails with this message.
    """
    global _served  # noqa: PLW0603 - the server's interface: init() loads, run() uses
    mounted = Path(os.environ["AZUREML_MODEL_DIR"])  # noqa: TID251 - the server's interface
    manifests = list(mounted.rglob(MANIFEST_FILE))
    if len(manifests) != 1:
        raise ModelFileError(f"{mounted} holds {len(manifests)} files {MANIFEST_FILE}, expected one model.")
    stored = read_model(manifests[0].parent)
    # The service mounts a model as .../azureml-models/<name>/<version>. In production that is the number of a copy,
    # so the deployment names the number by which everybody knows the version.
    identity = {
        "name": mounted.parent.name,
        "version": os.environ.get(MODEL_VERSION, mounted.name),  # noqa: TID251 - set by the deployment
        "sha256": stored.sha256,
        "recipe": stored.model.recipe.label,
        "cutoff": stored.model.cutoff.isoformat(),
        "scoring_sha256": folder_sha256(Path(__file__).parent, without=COMPILED),
    }
    _served = Served(Forecaster(stored.model), identity)
    _describe(_served.forecaster)
    # The server logs every request, and for one that is answered with bytes this line as well.
    logging.getLogger("azmlinfsrv").addFilter(lambda record: record.msg != "run() output is HTTP Response")


@rawhttp  # type: ignore[untyped-decorator]  # the server ships no types
def run(request: AMLRequest) -> AMLResponse:
    """Answer {"horizon": DAYS, "series": [...], "history": {...}}; refuse any other request with its own status."""
    if _served is None:
        raise RuntimeError("init() has not run")
    request_id = str(g.get("request_id", ""))
    try:
        found = answer(_served, _document_of(request))
    except RequestRefusedError as refusal:
        error = {"status": refusal.status, "message": str(refusal), **refusal.place, "request_id": request_id}
        return AMLResponse({"error": error}, refusal.status, json_str=True)
    text = found[:-1] + b',"request_id":' + orjson.dumps(request_id) + b"}"
    return AMLResponse(text, 200, {"Content-Type": JSON_TYPE})


def answer(served: Served, document: dict[str, Any]) -> bytes:
    """The forecast of the served model as a JSON object.

    Raises: RequestRefusedError; ValueError where a number is not finite, which the server answers with 500.
    """
    try:
        question = served.forecaster.read(document)
    except QuestionError as wrong:
        raise RequestRefusedError(422, str(wrong), wrong.field, wrong.expected) from None
    return _kept_answer(question) if question.always_the_same else _answer_to(question)


def _answer_to(question: Question) -> bytes:
    if _served is None:
        raise RuntimeError("init() has not run")
    return orjson.dumps({**_served.forecaster.answer(question), "model": _served.identity})


# A model never changes while it is served, so neither does its answer to a question that brings no data.
_kept_answer = lru_cache(maxsize=KEPT_ANSWERS)(_answer_to)


def _document_of(request: AMLRequest) -> dict[str, Any]:
    if request.method != "POST":
        raise RequestRefusedError(405, "use POST")
    if request.content_length is None:
        raise RequestRefusedError(411, "Content-Length is required")
    if request.content_length > MAX_BODY_BYTES:
        raise RequestRefusedError(413, f"the body may have {MAX_BODY_BYTES} bytes, found {request.content_length}")
    if request.mimetype != JSON_TYPE:
        raise RequestRefusedError(415, f"Content-Type must be {JSON_TYPE}")
    if request.headers.get("Content-Encoding") not in PLAIN_ENCODINGS:
        raise RequestRefusedError(415, "Content-Encoding must be identity")
    try:
        return _parsed(request.get_data(cache=False))
    except (ValueError, RecursionError) as mistake:
        raise RequestRefusedError(400, f'expected a JSON object such as {{"horizon": 28}}: {mistake}') from None


def _parsed(content: bytes) -> dict[str, Any]:
    """As strict_json, in a fraction of its time where nothing is wrong."""
    try:
        document = orjson.loads(content)
    except ValueError:
        return strict_json(content)  # which says what is wrong
    # orjson keeps the last of two equal keys: then there are more colons than members, as where a text holds one.
    plain = isinstance(document, dict) and content.count(b":") == _members(document)
    return document if plain else strict_json(content)


def _members(document: dict[str, Any]) -> int:
    """The number of keys in a document and in everything inside it."""
    found, level = 0, [document]
    while level:
        found += sum(map(len, level))
        inside = list(chain.from_iterable(each.values() for each in level))
        level = [each for each in inside if isinstance(each, dict)]
        while inside := list(chain.from_iterable(filter(_holds_more, inside))):
            level += [each for each in inside if isinstance(each, dict)]
    return found


def _holds_more(value: object) -> bool:
    """Whether a value is a list with lists or mappings in it."""
    return isinstance(value, list) and not {dict, list}.isdisjoint(map(type, value))


def _describe(forecaster: Forecaster) -> None:
    """Hand the server its description: it reads swagger2.json and swagger3.json in its root after init()."""
    root = Path(os.environ["AML_APP_ROOT"])  # noqa: TID251 - the server's interface
    name = os.environ.get("SERVICE_NAME", "forecast")  # noqa: TID251 - the server's interface
    for version in (2, 3):
        text = json.dumps(openapi(version, name, forecaster, MAX_BODY_BYTES))
        path = root / f"swagger{version}.json"
        try:
            # Workers start side by side: a file is either whole or not there.
            whole = path.with_suffix(f".{os.getpid()}")
            whole.write_text(text, encoding="utf-8")
            whole.replace(path)
        except OSError as readonly:
            sys.stdout.write(f"no {path.name}: {readonly}; the service answers without a description\n")
