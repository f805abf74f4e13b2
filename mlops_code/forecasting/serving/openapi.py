"""The description of the web service that clients are generated from, as OpenAPI 2 and 3 documents.

The server refuses a scoring script that takes raw requests and is decorated with schemas of inference-schema as well,
and only raw requests can be refused before they are parsed. So the documents are written out here, with the bounds
that forecaster.py checks, and the server is given them as files.
"""

from __future__ import annotations

from typing import Any

from forecasting.known import Column
from forecasting.limits import LARGEST, MAX_HORIZON
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.questions import MAX_HISTORY_DAYS

JSON_TYPE = "application/json"
REFUSALS = {
    400: "The body is not a JSON object, or is ambiguous.",
    405: "Not POST.",
    411: "No Content-Length.",
    413: "The body is too large.",
    415: "Not JSON.",
    422: "A field is invalid; the response names it.",
}
Document = dict[str, Any]


def openapi(version: int, service: str, forecaster: Forecaster, max_body: int) -> Document:
    """The document of a service. version: 2 or 3."""
    shapes = _shapes(version, forecaster)
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


def _shapes(version: int, forecaster: Forecaster) -> Document:
    name, many, calendar = forecaster.model.keys[0], forecaster.many, forecaster.model.calendar
    day = {"type": "string", "format": "date"}
    number = {"type": "number"}
    question = _object(
        {
            "horizon": {"type": "integer", "minimum": 1, "maximum": MAX_HORIZON, "description": calendar.units},
            "series": {
                "type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True,
                "description": f"some of the model's series, such as {name}; default: all",
            },
            **_data_shapes(version, forecaster),
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


def _data_shapes(version: int, forecaster: Forecaster) -> Document:
    """The fields that bring data: a newer history, and what is known of days ahead where the model has columns."""
    units, known = forecaster.model.calendar.units, forecaster.model.known
    day: Document = {"type": "string", "format": "date"}
    number: Document = {"type": "number", "maximum": LARGEST}
    columns = _object({column.name: _column(column) for column in known.columns}) if known and known.columns else None
    values: Document = {"type": "array", "maxItems": MAX_HISTORY_DAYS, "items": number}
    compact = _object(
        {"from": day, "values": values, **({"columns": columns} if columns else {})}, ["from", "values"]
    )
    listed = {**values, "items": _object({"date": day, "value": number})}
    # OpenAPI 2 cannot describe two forms; the compact one is a tenth of the other's size.
    history: Document = {"oneOf": [compact, listed]} if version > 2 else compact
    described = f"newer {units} of each series in order; those after them are forecast"
    shapes = {"history": {"type": "object", "description": described, "additionalProperties": history}}
    if columns:
        ahead = f"the columns that are known in advance, of the {units} ahead, for each series"
        shapes["future"] = {"type": "object", "description": ahead, "additionalProperties": columns}
    return shapes


def _column(column: Column) -> Document:
    """The values of a column that is known in advance."""
    text: Document = {"type": "string", "enum": list(column.categories)}
    number: Document = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    return {"type": "array", "items": text if column.categories else number}


def _object(properties: Document, required: list[str] | None = None) -> Document:
    wanted = list(properties) if required is None else required
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": wanted}


def _operation(version: int) -> Document:
    operation: Document = {
        "operationId": "RunMLService",
        "description": "Forecast the days after the model's data, or after a given history",
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
