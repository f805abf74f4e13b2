"""Microsoft's schema, read the way the service reads YAML.

An interpreter of exactly the keywords that the schema uses, its own (`firstProperty`, `ignoreCase`, `aliases`)
included. General validators know nothing of those, and report one best guess among thousands of errors.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from local_azure.pipelines.expand.expander import directive_of
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    Place,
    Problem,
    Text,
    Value,
    fields_of,
    nearest,
    place_of,
)

Schema: TypeAlias = dict[str, Any]
_DYNAMIC = ("${{", "$(", "$[")
_DEFINITIONS = "#/definitions/"
# The service takes paths with a slash at the end, which the pattern of this definition forbids.
_BRANCH_FILTER = "branch name or prefix filter"
# Inputs that the schema requires always and the task only for some values of others.
_FALSE_ALARM = re.compile("helmdeploy@0 azure(SubscriptionForACR|ResourceGroupForACR|ContainerRegistry)")
# Tasks whose inputs the schema does not define: required and optional ones, by Microsoft's documentation (2026-11).
_EXTRA_TASKS = {
    "PublishCodeCoverageResults@2": ("summaryFileLocation", "pathToSources failIfCoverageEmpty"),
    "AzureMLJobWaitTask@1": ("serviceConnection resourceGroupName azureMLWorkspaceName azureMLJobName", ""),
}


@lru_cache(maxsize=1)
def service_schema() -> ServiceSchema:
    """The schema that the package check-jsonschema carries; the package itself is slow to import, so it is not."""
    found = importlib.util.find_spec("check_jsonschema")
    if found is None or found.origin is None:
        raise FileNotFoundError("The package check-jsonschema, which holds Microsoft's schema, is not installed.")
    path = Path(found.origin).parent / "builtin_schemas" / "vendor" / "azure-pipelines.json"
    return ServiceSchema(json.loads(path.read_bytes()))


class ServiceSchema:
    """The schema with its definitions, and its tasks by `name@version` in lower case."""

    def __init__(self, document: Schema) -> None:
        self._definitions: dict[str, Schema] = document["definitions"]
        self._task: Schema = self._definitions["task"]
        self._inputs: dict[str, Schema] = {}
        for task in self._task["anyOf"]:
            name = task["properties"].get("task", {}).get("pattern", "").strip("^$").lower()
            self._inputs.setdefault(name, task["properties"].get("inputs", {}))
        for task, (required, optional) in _EXTRA_TASKS.items():
            known: Schema = {"properties": {name: {} for name in f"{required} {optional}".split()}}
            self._inputs[task.lower()] = known | {"required": required.split(), "additionalProperties": False}
        written = [name for option in self._task["properties"]["task"]["anyOf"] for name in option.get("enum", [])]
        self._task_names = [*written, *_EXTRA_TASKS]

    def check(self, value: Value, definition: str, place: Place) -> list[Problem]:
        """Every fault of a value against one definition."""
        return list(self._faults(value, {"$ref": _DEFINITIONS + definition}, place, "This"))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix(_DEFINITIONS)]
        return schema

    def _faults(self, value: Value, schema: Schema, place: Place, what: str) -> Iterator[Problem]:
        schema = self._resolved(schema)
        options = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(value, Text) and value.startswith(_DYNAMIC):
            return
        if options is not None and schema is not self._task:
            yield from self._one_of(value, [self._resolved(option) for option in options], place, what)
        elif not _fits(value, schema):
            yield _of_wrong_type(value, [schema], place, what)
        elif isinstance(value, Items):
            for part in value:
                yield from self._faults(part, schema.get("items", {}), place_of(part, place), f"An item of {what}")
        elif isinstance(value, Fields):
            yield from self._mapping(value, schema, what)
        elif isinstance(value, Text) and not any(mark in value for mark in _DYNAMIC):
            yield from _scalar(value, schema, place, what)

    def _mapping(self, value: Fields, schema: Schema, what: str) -> Iterator[Problem]:
        keys = value.names()
        first = schema.get("firstProperty", [])
        if first and keys and keys[0] not in first and any(key in first for key in keys):
            yield Problem(keys[0].place, f"'{first[0]}' must be the first key here. Move it up.")
        known: dict[str, Schema] = schema.get("properties", {})
        for key, part in value:
            if key in known and not (schema is self._task and key in ("task", "inputs")):
                yield from self._faults(part, known[key], place_of(part, key.place), f"'{key}'")
            elif key not in known and "${{" not in key and schema.get("additionalProperties") is False:
                yield Problem(key.place, f"'{key}' is not known here. {nearest(key, known)}")
        for name in schema.get("required", []):
            if not value.has(name) and not any("${{" in key for key in keys):
                yield Problem(value.place, f"{what} needs '{name}'. Add it.")
        task = value.get("task")
        if schema is self._task and isinstance(task, Text) and "${{" not in task:
            yield from self._task_faults(task, value)

    def _one_of(self, value: Value, options: list[Schema], place: Place, what: str) -> Iterator[Problem]:
        fitting = [option for option in options if _fits(value, option)]
        if isinstance(value, Fields):
            marks: list[tuple[Schema, Any]] = [(o, o.get("firstProperty", o.get("required", []))) for o in fitting]
            marked = [option for option, names in marks if any(value.has(name) for name in names)]
            leading = [name for option in options for name in option.get("firstProperty", [])]
            names = value.names()
            if names and not marked and len(leading) == len(options) and "${{" not in "".join(names):
                yield Problem(names[0].place, f"'{names[0]}' is not known here. {nearest(names[0], leading)}")
                return
            fitting = marked or fitting
        found = [list(self._faults(value, option, place, what)) for option in fitting]
        patterns = [str(option.get("pattern", "")).strip("^$") for option in fitting]
        if not fitting:
            yield _of_wrong_type(value, options, place, what)
        elif all(found) and isinstance(value, Text) and all(patterns):
            yield Problem(place, f"{what} cannot be '{value}'. {nearest(value, patterns)}")
        else:
            yield from min(found, key=len)

    # -- tasks

    def _task_faults(self, task: Text, step: Fields) -> Iterator[Problem]:
        described = self._inputs.get(task.lower())
        if described is None:
            yield self._unknown(task)
            return
        inputs = Fields(place=step.key("inputs").place if step.has("inputs") else step.place)
        for key, value in fields_of(step.get("inputs")):
            inputs.append((Text(self.input_name(task, key), key.place), value))
        written = [name for name in described.get("required", []) if not _FALSE_ALARM.match(f"{task.lower()} {name}")]
        required = [*written, *_documented(task, inputs)]
        yield from self._mapping(inputs, described | {"required": required}, str(task))

    def input_name(self, task: str, given: str) -> str:
        """The first name of an input: they are written without regard to case, and some have aliases."""
        for name, schema in self._inputs.get(task.lower(), {}).get("properties", {}).items():
            if given.lower() in (known.lower() for known in (name, *schema.get("aliases", []))):
                return str(name)
        return given

    def _unknown(self, task: Text) -> Problem:
        name, _, version = task.partition("@")
        names = (known.partition("@") for known in self._task_names)
        versions = sorted({found for known, _, found in names if known.lower() == name.lower()}, key=int)
        if versions and version:
            return Problem(task.place, f"The task {name} has no version {version}, but {', '.join(versions)}.")
        if versions:
            return Problem(task.place, f"'{task}' names no version. Write {name}@{versions[-1]}.")
        text = f"'{task}' is no task of Azure DevOps itself; those of extensions are not known here."
        return Problem(task.place, f"{text} {nearest(task, self._task_names)}")


def _documented(task: str, inputs: Fields) -> list[str]:
    """Inputs that only the documentation requires."""
    if task.lower() == "azurecli@2":
        inline = str(inputs.get("scriptLocation")).lower() == "inlinescript"
        return ["inlineScript" if inline else "scriptPath"]
    return ["testResultsFiles"] if task.lower() == "publishtestresults@2" else []


def _fits(value: Value, schema: Schema) -> bool:
    kind = schema.get("type", "")
    if not kind or (value == "" and kind in ("object", "array")):
        return True
    if isinstance(value, Fields | Items):
        return bool(kind == ("object" if isinstance(value, Fields) else "array"))
    text = str(value)
    if kind == "boolean":
        return text.lower() in ("true", "false", "y", "n", "yes", "no", "on", "off")
    return kind == "string" or (kind == "integer" and re.fullmatch(r"-?\d+", text) is not None)


def _scalar(value: Text, schema: Schema, place: Place, what: str) -> Iterator[Problem]:
    ignore = schema.get("ignoreCase") in ("value", "all")
    text = value.rstrip("/") if schema.get("description") == _BRANCH_FILTER else str(value)
    pattern, legal = schema.get("pattern", "").replace("\\/", "/"), schema.get("enum", [])
    if not re.search(pattern, text, re.IGNORECASE if ignore else 0):
        yield Problem(place, f"{what} cannot be '{value}'. It must match {pattern}")
    if legal and (text.lower() if ignore else text) not in [name.lower() if ignore else name for name in legal]:
        yield Problem(place, f"{what} cannot be '{value}'. {nearest(value, legal)}")


def _of_wrong_type(value: Value, wanted: list[Schema], place: Place, what: str) -> Problem:
    names = {"object": "a mapping", "array": "a list"}
    expected = dict.fromkeys(
        names.get(schema.get("type", ""), f"a {schema.get('type', 'text')}") for schema in wanted
    )
    found = "a mapping" if isinstance(value, Fields) else "a list" if isinstance(value, Items) else f"'{value}'"
    return Problem(place, f"{what} must be {' or '.join(expected)}, not {found}.")


def without_directives(value: Value) -> Value:
    """The tree with the content of every directive pulled up: both branches of an `if` are checked."""
    if isinstance(value, Fields):
        pulled = [(key, without_directives(part)) for key, part in value]
        pairs = [[(key, part)] if directive_of(key) is None else fields_of(part) for key, part in pulled]
        return Fields([pair for pulled_up in pairs for pair in pulled_up], value.place)
    if not isinstance(value, Items):
        return value
    made = Items(place=value.place)
    for part in value:
        names = fields_of(part).names()
        directives = bool(names) and all(directive_of(key) for key in names)
        for body in [without_directives(body) for _, body in fields_of(part)] if directives else []:
            made += body if isinstance(body, Items) else [body]
        made += [] if directives else [without_directives(part)]
    return made
