"""The scoring script of the web service: verify the model at start, then answer forecasts, strictly.

The server (azureml-inference-server-http) checks neither size nor form of a request: it answers malformed JSON
with 500 and lets NaN through. So this script does: 405, 411, 413, 415, 400, 422, in this order, before the model is
touched. It imports only numpy, the standard library and the two modules that hold a model.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from flask import g
from forecasting.candidates import dated_forecast
from forecasting.errors import ModelFileError
from forecasting.model_file import MANIFEST_FILE, StoredModel, read_model, strict_json

MAX_BODY_BYTES = 4096  # {"horizon": 366} has 16
MAX_HORIZON = 366
JSON_TYPE = "application/json"


class RequestRefusedError(Exception):
    """A request that is not answered with a forecast: HTTP status and what was expected."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Served(NamedTuple):
    """The model that this process serves, under the name and version it was mounted as.

    No dataclass: the server loads this file without entering it in sys.modules, where dataclasses look.
    """

    stored: StoredModel
    name: str
    version: str

    def identity(self) -> dict[str, str]:
        """Which bytes answer: part of every answer, so that a forecast can be traced to its model."""
        model = self.stored.model
        return {
            "name": self.name,
            "version": self.version,
            "sha256": self.stored.sha256,
            "recipe": model.recipe.label,
            "cutoff": model.cutoff.isoformat(),
        }


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
    # The service mounts a model as .../azureml-models/<name>/<version>.
    _served = Served(read_model(manifests[0].parent), mounted.parent.name, mounted.name)


@rawhttp  # type: ignore[untyped-decorator]  # the server ships no types
def run(request: AMLRequest) -> AMLResponse:
    """Answer {"horizon": DAYS} with dated values; every other request with an error and its own status."""
    request_id = str(g.get("request_id", ""))
    try:
        horizon = _read_horizon(request)
    except RequestRefusedError as refusal:
        error = {"status": refusal.status, "message": str(refusal), "request_id": request_id}
        return AMLResponse({"error": error}, refusal.status, json_str=True)
    return AMLResponse(answer(horizon, request_id), 200, json_str=True)


def answer(horizon: int, request_id: str) -> dict[str, Any]:
    """The forecast of the served model; a value that is not finite raises, which the server answers with 500."""
    if _served is None:
        raise RuntimeError("init() has not run")
    pairs = dated_forecast(_served.stored.model, horizon)
    return {
        "forecast": [{"date": day.isoformat(), "value": value} for day, value in pairs],
        "model": _served.identity(),
        "request_id": request_id,
    }


def _read_horizon(request: AMLRequest) -> int:
    if request.method != "POST":
        raise RequestRefusedError(405, "use POST")
    if request.content_length is None:
        raise RequestRefusedError(411, "Content-Length is required")
    if request.content_length > MAX_BODY_BYTES:
        raise RequestRefusedError(413, f"the body may have {MAX_BODY_BYTES} bytes, found {request.content_length}")
    if request.mimetype != JSON_TYPE:
        raise RequestRefusedError(415, f"Content-Type must be {JSON_TYPE}")
    return _horizon_in(request.get_data(cache=False))


def _horizon_in(body: bytes) -> int:
    try:
        document = strict_json(body)
    except (ValueError, RecursionError) as mistake:
        raise RequestRefusedError(400, f'expected a JSON object such as {{"horizon": 28}}: {mistake}') from None
    unknown = sorted(set(document) - {"horizon"})
    if unknown:
        raise RequestRefusedError(422, f"unknown field {', '.join(unknown)}; only horizon is known")
    horizon = document.get("horizon")
    if type(horizon) is not int or not 1 <= horizon <= MAX_HORIZON:
        raise RequestRefusedError(422, f"horizon must be a whole number of days from 1 to {MAX_HORIZON}")
    return horizon
