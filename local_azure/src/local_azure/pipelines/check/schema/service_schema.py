"""Microsoft's schema, read the way the service reads YAML.

An interpreter of exactly the keywords that the schema uses, its own (`firstProperty`, `ignoreCase`, `aliases`)
included. General validators know nothing of those, and report one best guess among thousands of errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from local_azure.pipelines.check.schema.alternatives import EachOf
from local_azure.pipelines.check.schema.schema_additions import (
    ADDED_TASKS,
    LITERAL,
    add_to,
    conditionally_required,
    is_required_in_error,
)
from local_azure.pipelines.language.limits import MOST_FAULTS
from local_azure.pipelines.language.reader import EXPRESSION
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    Location,
    Problem,
    Text,
    Value,
    fields_of,
    location_of,
    nearest,
)

Schema: TypeAlias = dict[str, Any]
# origin.yml says where the file comes from.
SCHEMA_FILE = Path(__file__).parent / "azure-pipelines.json"
_DYNAMIC = (EXPRESSION, "$(", "$[")
_DEFINITIONS = "#/definitions/"
# The service takes paths with a slash at the end, which the pattern of this definition forbids.
_BRANCH_FILTER = "branch name or prefix filter"
_BOOLEANS = ("true", "false", "y", "n", "yes", "no", "on", "off")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
_TYPE_NAMES = {"object": "a mapping", "array": "a list"}


@lru_cache(maxsize=1)
def service_schema() -> ServiceSchema:
    """Return the schema that is part of this package."""
    return ServiceSchema(json.loads(SCHEMA_FILE.read_bytes()))


class ServiceSchema:
    """The schema with its definitions, and its tasks by `name@version` in lower case."""

    def __init__(self, document: Schema) -> None:
        self.definitions: dict[str, Schema] = document["definitions"]
        add_to(self.definitions)
        self._task: Schema = self.definitions["task"]
        self._inputs: dict[str, Schema] = {}
        for task in self._task["anyOf"]:
            name = task["properties"].get("task", {}).get("pattern", "").strip("^$").lower()
            self._inputs.setdefault(name, task["properties"].get("inputs", {}))
        self._inputs |= {name.lower(): inputs.schema() for name, inputs in ADDED_TASKS.items()}
        self._main_names: dict[str, dict[str, str]] = {}
        self._task_names: list[str] = []
        for option in self._task["properties"]["task"]["anyOf"]:
            self._task_names += option.get("enum", [])
        self._task_names += ADDED_TASKS
        self._options: dict[int, list[Schema]] = {}  # by the identity of parts of the document, which stay
        self._nearest: dict[tuple[int, tuple[str, ...]], list[Schema]] = {}

    def check(self, value: Value, definition: str, location: Location) -> list[Problem]:
        """Return every fault of a value against one definition."""
        self._nearest.clear()
        return list(islice(self._faults(value, {"$ref": _DEFINITIONS + definition}, location, "This"), MOST_FAULTS))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].removeprefix(_DEFINITIONS)]
        return schema

    def _resolved_options(self, options: list[Schema]) -> list[Schema]:
        found = self._options.get(id(options))
        if found is None:
            found = self._options[id(options)] = [self._resolved(option) for option in options]
        return found

    def _faults(self, value: Value, schema: Schema, location: Location, what: str) -> Iterator[Problem]:
        if LITERAL in schema:
            yield from _literal_faults(value, schema[LITERAL], location, what)
            return
        if isinstance(value, Text) and value.startswith(_DYNAMIC):
            return
        if isinstance(value, EachOf):
            for part in value:
                yield from self._faults(part, schema, location, what)
            return
        yield from self._faults_of_shape(value, self._resolved(schema), location, what)

    def _faults_of_shape(self, value: Value, schema: Schema, location: Location, what: str) -> Iterator[Problem]:
        options = schema.get("anyOf") or schema.get("oneOf")
        if options is not None and schema is not self._task:
            yield from self._option_faults(value, self._resolved_options(options), location, what)
        elif not _fits(value, schema):
            yield _wrong_type(value, [schema], location, what)
        elif isinstance(value, Items):
            for part in value:
                yield from self._faults(
                    part, schema.get("items", {}), location_of(part, location), f"An item of {what}"
                )
        elif isinstance(value, Fields):
            yield from self._mapping_faults(value, schema, what)
        elif isinstance(value, Text) and not any(mark in value for mark in _DYNAMIC):
            yield from _scalar_faults(value, schema, location, what)

    def _mapping_faults(self, value: Fields, schema: Schema, what: str) -> Iterator[Problem]:
        keys = value.names()
        first = schema.get("firstProperty", [])
        if first and keys and keys[0] not in first and any(key in first for key in keys):
            yield Problem(keys[0].location, f"'{first[0]}' must be the first key here. Move it up.")
        yield from self._property_faults(value, schema)
        has_dynamic_keys = any(EXPRESSION in key for key in keys)
        for name in schema.get("required", []):
            if not value.has(name) and not has_dynamic_keys:
                yield Problem(value.location, f"{what} needs '{name}'. Add it.")
        task = value.get("task")
        if schema is self._task and isinstance(task, Text) and EXPRESSION not in task:
            yield from self._task_faults(task, value)

    def _property_faults(self, value: Fields, schema: Schema) -> Iterator[Problem]:
        known: dict[str, Schema] = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for key, part in value:
            if key not in known:
                if isinstance(others, dict):
                    yield from self._faults(part, others, location_of(part, key.location), f"'{key}'")
                elif EXPRESSION not in key and others is False:
                    what = schema.get("unknown", "Unexpected key '{}'.").replace("{}", key)
                    yield Problem(key.location, f"{what} {nearest(key, known)}")
            elif schema is not self._task or key not in ("task", "inputs"):
                yield from self._faults(part, known[key], location_of(part, key.location), f"'{key}'")

    def _option_faults(self, value: Value, options: list[Schema], location: Location, what: str) -> Iterator[Problem]:
        """Yield faults against the one of several schemas that fits best."""
        fitting = self._fitting(value, options)
        if not fitting:
            yield _wrong_type(value, options, location, what)
            return
        if isinstance(value, Fields) and _begins_wrong(value, fitting, options):
            first, allowed = value.names()[0], _first_properties(options)
            yield Problem(first.location, f"Unexpected key '{first}'. {nearest(first, allowed)}")
            return
        found = [list(islice(self._faults(value, option, location, what), MOST_FAULTS)) for option in fitting]
        patterns = [str(option.get("pattern", "")).strip("^$") for option in fitting]
        if isinstance(value, Text) and all(found) and all(patterns):
            yield Problem(location, f"{what} cannot be '{value}'. {nearest(value, patterns)}")
        else:
            yield from min(found, key=len)

    def _fitting(self, value: Value, options: list[Schema]) -> list[Schema]:
        """Return the schemas that a value may have been meant for; of a mapping its keys say so."""
        if not isinstance(value, Fields):
            return [option for option in options if _fits(value, option)]
        known = id(options), tuple(map(str, value.names()))
        found = self._nearest.get(known)
        if found is None:
            fitting = [option for option in options if _fits(value, option)]
            marked = [option for option in fitting if _has_marks(value, option)]
            found = self._nearest[known] = _nearest_options(value, marked or fitting)
        return found

    # -- tasks

    def _task_faults(self, task: Text, step: Fields) -> Iterator[Problem]:
        described = self._inputs.get(task.lower())
        if described is None:
            yield self._unknown_task(task)
            return
        given = step.get("inputs")
        if isinstance(given, Text) and given.startswith(EXPRESSION):
            return
        location = step.key("inputs").location if step.has("inputs") else step.location
        for fields in given if isinstance(given, EachOf) else [given]:
            yield from self._input_faults(task, described, fields_of(fields), location)

    def _input_faults(self, task: Text, described: Schema, given: Fields, location: Location) -> Iterator[Problem]:
        inputs = Fields(location=location)
        for key, value in given:
            inputs.append((Text(self.input_name(task, key), key.location), value))
        required = [name for name in described.get("required", []) if not is_required_in_error(task, name)]
        required += conditionally_required(task, inputs)
        own = {"required": required, "unknown": f"{task} has no input '{{}}'."}
        yield from self._mapping_faults(inputs, described | own, str(task))

    def input_name(self, task: str, given: str) -> str:
        """Return the main name of an input: names are written without regard to case, and some have aliases."""
        return self._names_of(task.lower()).get(given.lower(), given)

    def _names_of(self, task: str) -> dict[str, str]:
        """Return the main names of a task's inputs by all their names, in lower case."""
        if task not in self._main_names:
            found: dict[str, str] = {}
            for name, schema in self._inputs.get(task, {}).get("properties", {}).items():
                for known in (name, *schema.get("aliases", [])):
                    found.setdefault(known.lower(), str(name))
            if task not in self._inputs:
                return found
            self._main_names[task] = found
        return self._main_names[task]

    def _unknown_task(self, task: Text) -> Problem:
        name, _, version = task.partition("@")
        known = [known.partition("@") for known in self._task_names]
        versions = sorted({found for other, _, found in known if other.lower() == name.lower()}, key=int)
        if versions and version:
            return Problem(task.location, f"{task} does not exist. Available versions: {', '.join(versions)}.")
        if versions:
            return Problem(task.location, f"'{task}' names no version. Write {name}@{versions[-1]}.")
        text = f"'{task}' is not an in-box task of Azure DevOps; tasks of extensions are not supported locally."
        return Problem(task.location, f"{text} {nearest(task, self._task_names)}")


def _has_marks(value: Fields, option: Schema) -> bool:
    """Return whether a mapping has one of the keys by which a schema is told from others."""
    marks: list[str] = option.get("firstProperty") or option.get("required") or []
    return any(value.has(name) for name in marks)


def _nearest_options(value: Fields, options: list[Schema]) -> list[Schema]:
    """Return the schemas that know most of a mapping's own keys: what it was meant to be, whatever is deeper."""
    unknown = []
    for option in options:
        known = option.get("properties", {})
        unknown.append(sum(key not in known and EXPRESSION not in key for key in value.names()))
    least = min(unknown, default=0)
    return [option for option, count in zip(options, unknown, strict=True) if count == least]


def _first_properties(options: list[Schema]) -> list[str]:
    return [name for option in options for name in option.get("firstProperty", [])]


def _begins_wrong(value: Fields, fitting: list[Schema], options: list[Schema]) -> bool:
    """Return whether every schema demands a certain first key, none is there, and all keys are known by now."""
    if _has_marks(value, fitting[0]) or len(_first_properties(options)) != len(options):
        return False
    names = value.names()
    return bool(names) and EXPRESSION not in "".join(names)


def _fits(value: Value, schema: Schema) -> bool:
    """Return whether a value has the type that a schema asks for."""
    kind = schema.get("type", "")
    if not kind or (value == "" and kind in ("object", "array")):
        return True
    if isinstance(value, Fields):
        return bool(kind == "object")
    if isinstance(value, Items):
        return bool(kind == "array")
    text = str(value)
    if kind == "boolean":
        return text.lower() in _BOOLEANS
    if kind == "integer":
        return re.fullmatch(r"-?\d+", text) is not None
    return bool(kind == "string")


def _literal_faults(value: Value, limits: tuple[int, ...], location: Location, what: str) -> Iterator[Problem]:
    """Yield the fault of a value that must be a whole number within limits, or a boolean where there are none."""
    text = value.strip().lower() if isinstance(value, Text) else ""
    if EXPRESSION in text:
        return
    if limits and not (_WHOLE_NUMBER.fullmatch(text) and limits[0] <= float(text) <= limits[1]):
        expected = f"a whole number from {limits[0]} to {limits[1]}"
    elif not limits and text not in _BOOLEANS:
        expected = "true or false"
    else:
        return
    found = f"'{value}'" if isinstance(value, Text) else "a list or mapping"
    yield Problem(location, f"{what} must be {expected}, not {found}. This value cannot contain variables.")


def _scalar_faults(value: Text, schema: Schema, location: Location, what: str) -> Iterator[Problem]:
    ignore_case = schema.get("ignoreCase") in ("value", "all")
    text = value.rstrip("/") if schema.get("description") == _BRANCH_FILTER else str(value)
    pattern = schema.get("pattern", "").replace("\\/", "/")
    if not re.search(pattern, text, re.IGNORECASE if ignore_case else 0):
        yield Problem(location, f"{what} cannot be '{value}'. It must match {pattern}")
    allowed: list[str] = schema.get("enum", [])
    folded = str.lower if ignore_case else str
    if allowed and folded(text) not in map(folded, allowed):
        yield Problem(location, f"{what} cannot be '{value}'. {nearest(value, allowed)}")


def _wrong_type(value: Value, wanted: list[Schema], location: Location, what: str) -> Problem:
    types = [schema.get("type", "text") for schema in wanted]
    expected = dict.fromkeys(_TYPE_NAMES.get(name, f"a {name}") for name in types)
    found = f"'{value}'"
    if isinstance(value, Fields):
        found = "a mapping"
    elif isinstance(value, Items):
        found = "a list"
    return Problem(location, f"{what} must be {' or '.join(expected)}, not {found}.")
