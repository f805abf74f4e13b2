"""OpenAPI 2 and 3 documents of the web service, for client generators.

azureml-inference-server-http does not allow @rawhttp together with inference-schema decorators, and only raw requests
can be refused before they are parsed. So the documents are built here, with the static bounds that serving/ checks;
minimums that depend on the model are not described. The server reads them from files.
"""

from __future__ import annotations

from typing import Any

from forecasting.known import Column
from forecasting.limits import LARGEST, MAX_HORIZON
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.questions import MAX_HISTORY_DAYS

JSON_TYPE = "application/json"
REFUSALS = {
    400: "The body is not a JSON object, or has duplicate keys.",
    405: "Not POST.",
    411: "No Content-Length.",
    413: "The body is too large.",
    415: "Not JSON, or compressed.",
    422: "A field is invalid; the response names it.",
}
Document = dict[str, Any]


def openapi(version: int, service: str, forecaster: Forecaster, max_body: int) -> Document:
    """Build the document of a service. version: 2 or 3."""
    schemas = _schemas(version, forecaster)
    info = {
        "title": service,
        "version": "1.0",
        "description": f"Forecasts of {forecaster.model.recipe.label}; "
        f"request bodies are limited to {max_body} bytes.",
    }
    score = _operation(version, forecaster.model.calendar.units)
    paths = {"/": {"get": _health(version)}, "/score": {"post": score}}
    key: Document = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "Bearer KEY"}
    if version == 2:
        return {
            "swagger": "2.0", "info": info, "schemes": ["https", "http"], "consumes": [JSON_TYPE],
            "produces": [JSON_TYPE], "securityDefinitions": {"Bearer": key}, "paths": paths, "definitions": schemas,
        }  # fmt: skip
    return {
        "openapi": "3.0.3", "info": info, "paths": paths,
        "components": {"securitySchemes": {"Bearer": key}, "schemas": schemas},
    }  # fmt: skip


def _schemas(version: int, forecaster: Forecaster) -> Document:
    name, has_many_series, calendar = forecaster.model.keys[0], forecaster.many, forecaster.model.calendar
    day = {"type": "string", "format": "date"}
    number = {"type": "number"}
    question = _object(
        {
            "horizon": {
                "type": "integer", "minimum": 1, "maximum": MAX_HORIZON,
                "description": f"number of {calendar.units} to forecast",
            },
            "series": {
                "type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True,
                "description": f"some of the model's series, such as {name}; default: all",
            },
            **_data_schemas(version, forecaster),
        },
        ["horizon"],
    )  # fmt: skip
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    point = {
        **({"series": {"type": "string"}} if has_many_series else {}),
        "date": day,
        "value": number,
        "intervals": {
            "type": "object",
            "additionalProperties": pair,
            "description": "[lower, upper] bounds by interval level, such as 0.8",
        },
    }
    text = {"type": "string"}
    model = _object(dict.fromkeys(("name", "version", "sha256", "recipe", "cutoff", "scoring_sha256"), text))
    answer = {"forecast": {"type": "array", "items": _object(point, ["date", "value"])}, "data_until": day}
    error = {"status": {"type": "integer"}, "message": text, "field": text, "expected": text, "request_id": text}
    return {
        "ServiceInput": {**question, "example": {"horizon": 28, **({"series": [name]} if has_many_series else {})}},
        "ServiceOutput": _object({**answer, "model": model, "request_id": text}),
        "ErrorResponse": _object({"error": _object(error, ["status", "message", "request_id"])}),
    }


def _data_schemas(version: int, forecaster: Forecaster) -> Document:
    """Schemas of the fields that carry data: newer history, and columns known in advance where the model has some."""
    units, known = forecaster.model.calendar.units, forecaster.model.known
    day: Document = {"type": "string", "format": "date"}
    number: Document = {"type": "number", "maximum": LARGEST}
    columns = _object({column.name: _column(column) for column in known.columns}) if known and known.columns else None
    values: Document = {"type": "array", "maxItems": MAX_HISTORY_DAYS, "items": number}
    compact = _object(
        {"from": day, "values": values, **({"columns": columns} if columns else {})}, ["from", "values"]
    )
    listed = {**values, "items": _object({"date": day, "value": number})}
    # OpenAPI 2 has no oneOf; the compact form is a tenth of the size.
    history: Document = {"oneOf": [compact, listed]} if version > 2 else compact
    described = "newer history of each series, in date order; the forecast starts after it"
    schemas = {"history": {"type": "object", "description": described, "additionalProperties": history}}
    if columns:
        ahead = f"values of the known-in-advance columns for the {units} ahead, by series"
        schemas["future"] = {"type": "object", "description": ahead, "additionalProperties": columns}
    return schemas


def _column(column: Column) -> Document:
    """Schema of the values of a column that is known in advance."""
    text: Document = {"type": "string", "enum": list(column.categories)}
    number: Document = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    return {"type": "array", "items": text if column.categories else number}


def _object(properties: Document, required: list[str] | None = None) -> Document:
    names = list(properties) if required is None else required
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": names}


def _operation(version: int, units: str) -> Document:
    operation: Document = {
        "operationId": "RunMLService",
        "description": f"Forecast the {units} after the model's data, or after a given history",
        "security": [{"Bearer": []}],
        "responses": {
            "200": _response(version, "The forecast.", "ServiceOutput"),
            **{str(code): _response(version, description, "ErrorResponse") for code, description in REFUSALS.items()},
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
    response: Document = {"schema": text} if version == 2 else {"content": {"text/html": {"schema": text}}}
    return {
        "operationId": "ServiceHealthCheck",
        "responses": {"200": {"description": "The service is running.", **response}},
    }


def _response(version: int, description: str, name: str) -> Document:
    schema = {"schema": _reference(version, name)}
    return {"description": description, **(schema if version == 2 else {"content": {JSON_TYPE: schema}})}


def _reference(version: int, name: str) -> Document:
    folder = "definitions" if version == 2 else "components/schemas"
    return {"$ref": f"#/{folder}/{name}"}
