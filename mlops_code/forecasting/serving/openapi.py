"""The description of the web service that clients are generated from, as OpenAPI 2 and 3 documents.

The server refuses a scoring script that takes raw requests and is decorated with schemas of inference-schema as well,
and only raw requests can be refused before they are parsed. So the documents are written out here, with the bounds
that forecaster.py checks, and the server is given them as files.
"""

from __future__ import annotations

from typing import Any

from forecasting.limits import LARGEST, MAX_HORIZON
from forecasting.serving.forecaster import MAX_HISTORY_DAYS, Forecaster

JSON_TYPE = "application/json"
REFUSALS = {
    400: "The body is not a JSON object, or is ambiguous.",
    405: "Not POST.",
    411: "No Content-Length.",
    413: "The body is too large.",
    415: "Not JSON.",
    422: "A field cannot be used; the answer names it.",
}
Document = dict[str, Any]


def openapi(version: int, service: str, forecaster: Forecaster, max_body: int) -> Document:
    """The document of a service. version: 2 or 3."""
    shapes = _shapes(forecaster)
    about = {
        "title": service,
        "version": "1.0",
        "description": f"Forecasts of {forecaster.model.recipe.label}; a body may have {max_body} bytes.",
    }
    score = _operation(version)
    paths = {"/": {"get": _health(version)}, "/score": {"post": score}}
    key: Document = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "Bearer KEY"}
    if version == 2:
        return {
            "swagger": "2.0", "info": about, "schemes": ["https", "http"], "consumes": [JSON_TYPE],
            "produces": [JSON_TYPE], "securityDefinitions": {"Bearer": key}, "paths": paths, "definitions": shapes,
        }  # fmt: skip
    return {
        "openapi": "3.0.3", "info": about, "paths": paths,
        "components": {"securitySchemes": {"Bearer": key}, "schemas": shapes},
    }  # fmt: skip


def _shapes(forecaster: Forecaster) -> Document:
    name, many = forecaster.model.keys[0], forecaster.many
    day = {"type": "string", "format": "date"}
    number = {"type": "number"}
    observed = _object({"date": day, "value": {**number, "maximum": LARGEST}}, ["date", "value"])
    question = _object(
        {
            "horizon": {"type": "integer", "minimum": 1, "maximum": MAX_HORIZON, "description": "days"},
            "series": {
                "type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True,
                "description": f"some of the model's series, such as {name}; all where it is left out",
            },
            "history": {
                "type": "object",
                "description": "newer days of each series, one after the other; the model forecasts the days after",
                "additionalProperties": {"type": "array", "maxItems": MAX_HISTORY_DAYS, "items": observed},
            },
        },
        ["horizon"],
    )  # fmt: skip
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    point = {
        **({"series": {"type": "string"}} if many else {}),
        "date": day,
        "value": number,
        "intervals": {"type": "object", "additionalProperties": pair, "description": "bounds of each level"},
    }
    text = {"type": "string"}
    model = _object(dict.fromkeys(("name", "version", "sha256", "recipe", "cutoff", "scoring_sha256"), text))
    answer = {"forecast": {"type": "array", "items": _object(point, ["date", "value"])}, "data_until": day}
    error = {"status": {"type": "integer"}, "message": text, "field": text, "expected": text, "request_id": text}
    return {
        "ServiceInput": {**question, "example": {"horizon": 28, **({"series": [name]} if many else {})}},
        "ServiceOutput": _object({**answer, "model": model, "request_id": text}),
        "ErrorResponse": _object({"error": _object(error, ["status", "message", "request_id"])}),
    }


def _object(properties: Document, required: list[str] | None = None) -> Document:
    wanted = list(properties) if required is None else required
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": wanted}


def _operation(version: int) -> Document:
    operation: Document = {
        "operationId": "RunMLService",
        "description": "Forecast the days after the model's data, or after the history that is given",
        "security": [{"Bearer": []}],
        "responses": {
            "200": _response(version, "The forecast.", "ServiceOutput"),
            **{str(code): _response(version, said, "ErrorResponse") for code, said in REFUSALS.items()},
        },
    }
    if version == 2:
        schema = _reference(2, "ServiceInput")
        body = {"name": "serviceInputPayload", "in": "body", "required": True, "schema": schema}
        return {**operation, "parameters": [body]}
    content = {JSON_TYPE: {"schema": _reference(3, "ServiceInput")}}
    return {**operation, "requestBody": {"required": True, "content": content}}


def _health(version: int) -> Document:
    text = {"type": "string"}
    told: Document = {"schema": text} if version == 2 else {"content": {"text/html": {"schema": text}}}
    return {"operationId": "ServiceHealthCheck", "responses": {"200": {"description": "It is up.", **told}}}


def _response(version: int, description: str, shape: str) -> Document:
    schema = {"schema": _reference(version, shape)}
    return {"description": description, **(schema if version == 2 else {"content": {JSON_TYPE: schema}})}


def _reference(version: int, shape: str) -> Document:
    place = "definitions" if version == 2 else "components/schemas"
    return {"$ref": f"#/{place}/{shape}"}
