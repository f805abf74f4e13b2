"""What Microsoft's documentation says about values, mappings and tasks and the schema does not (as of 2026-11)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

from local_azure.pipelines.language.tree import Fields

# Inputs that the schema requires always and the task only for some values of others.
_REQUIRED_IN_ERROR = re.compile("helmdeploy@0 azure(SubscriptionForACR|ResourceGroupForACR|ContainerRegistry)")
_Schema: TypeAlias = dict[str, Any]
# A keyword of ours: the value is written out, as a number or a boolean, before anything runs.
LITERAL = "literal"
_MOST_MINUTES = 2_147_483_647
_MOST_CANCEL_MINUTES = 35_790
_MOST_RETRIES = 10
# Smallest and largest value of keys that the schema takes for any text.
_RANGES = {
    "timeoutInMinutes": (0, _MOST_MINUTES),
    "cancelTimeoutInMinutes": (0, _MOST_CANCEL_MINUTES),
    "retryCountOnTaskFailure": (0, _MOST_RETRIES),
    "fetchDepth": (0, _MOST_MINUTES),
}
_BOOLEANS = ("continueOnError", "enabled")
# Definitions whose mappings take any key, and why; all other mappings take the keys that the schema names.
# Those of `_MAPPINGS_OF_TEXTS` take texts only.
OPEN_MAPPINGS = {
    "any": "values of parameters",
    "any_allowExpressions": "values of parameters",
    "mapping": "arguments of a template",
    "mappingOfStringString": "environment variables",
    "templateParameters": "parameters of a template in the old form",
    "templateContext": "whatever a template reads of it",
    "variables": "names of variables",
    "jobServices": "names of service containers",
    "jobMatrix": "names of the legs of a matrix",
    "matrixProperties": "names of variables",
    "phaseTargetMatrix": "names of the legs of a matrix",
}
# Keys of a pool that the templates of 1ES read and take away; in an expanded pipeline they are unknown.
KEYS_OF_1ES_POOLS = ("image", "os", "hostArchitecture")
_MAPPINGS_OF_TEXTS = ("mappingOfStringString", "matrixProperties")
_CLOSED = ("pool", "containerResource", "repositoryResource", "jobContainer")


class TaskInputs(NamedTuple):
    """The inputs of a task that the schema does not describe."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """Return the inputs in the words of the schema."""
        properties: dict[str, Any] = {name: {} for name in (*self.required, *self.optional)}
        return {"properties": properties, "required": list(self.required), "additionalProperties": False}


ADDED_TASKS = {
    "PublishCodeCoverageResults@2": TaskInputs(
        required=("summaryFileLocation",), optional=("pathToSources", "failIfCoverageEmpty")
    ),
    "AzureMLJobWaitTask@1": TaskInputs(
        required=("serviceConnection", "resourceGroupName", "azureMLWorkspaceName", "azureMLJobName")
    ),
}


def is_required_in_error(task: str, name: str) -> bool:
    """Return whether the schema demands an input that the task does not always need."""
    return _REQUIRED_IN_ERROR.match(f"{task.lower()} {name}") is not None


def conditionally_required(task: str, inputs: Fields) -> list[str]:
    """Return the inputs that only the documentation requires."""
    if task.lower() == "azurecli@2":
        inline = str(inputs.get("scriptLocation")).lower() == "inlinescript"
        return ["inlineScript" if inline else "scriptPath"]
    return ["testResultsFiles"] if task.lower() == "publishtestresults@2" else []


def add_to(definitions: dict[str, _Schema]) -> None:
    """Add to the definitions: ranges of numbers, literal booleans, allowed values, and what mappings may hold."""
    # Options of a checkout may also be beside `repository`.
    of_checkout = definitions["repositoryCheckoutOptions"]["properties"]
    definitions["repositoryResource"]["properties"] |= of_checkout
    for option in definitions["pool"]["anyOf"]:
        if "properties" in option:
            option["properties"] |= {key: {"type": "string"} for key in KEYS_OF_1ES_POOLS}
    for name, definition in definitions.items():
        for schema in (definition, *definition.get("anyOf", [])):
            if name in _CLOSED and "properties" in schema:
                schema["additionalProperties"] = False
            if name in _MAPPINGS_OF_TEXTS and schema.get("type") == "object":
                schema["additionalProperties"] = {"type": "string"}
            if name != "task" or schema is definition:
                _add_literals(schema.get("properties", {}))
                _add_legal_values(schema.get("properties", {}))


def _add_literals(properties: dict[str, _Schema]) -> None:
    for key in properties:
        if key in _RANGES:
            properties[key] = {"type": "string", LITERAL: _RANGES[key]}
        elif key in _BOOLEANS:
            properties[key] = {"type": "string", LITERAL: ()}


def _add_legal_values(properties: dict[str, _Schema]) -> None:
    """Make values count that the schema lists beside a reference, where a reader of schemas passes over them."""
    for key, schema in properties.items():
        if "$ref" in schema and "enum" in schema:
            is_boolean = schema["enum"] == ["true", "false"]
            texts = {"type": "string", "enum": schema["enum"], "ignoreCase": "value"}
            properties[key] = {"$ref": "#/definitions/boolean"} if is_boolean else texts
