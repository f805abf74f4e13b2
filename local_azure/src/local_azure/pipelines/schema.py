"""Microsoft's schema, read the way the service reads YAML.

An interpreter of exactly the keywords that the schema uses, its own (`firstProperty`, `ignoreCase`) included. General
validators know nothing of those, and report one best guess among thousands of errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeAlias

from local_azure.pipelines.expander import directive_of
from local_azure.pipelines.tree import Fields, Items, Place, Problem, Text, Value, nearest

Schema: TypeAlias = dict[str, Any]
_DYNAMIC = ("${{", "$(", "$[")
_BOOLEANS = ("true", "false", "y", "n", "yes", "no", "on", "off")
_INTEGER = re.compile(r"-?\d+\Z")
_TYPE_NAMES = {"object": "a mapping", "array": "a list"}
_BRANCH_FILTER = "branch name or prefix filter"
_DEFINITIONS = "#/definitions/"


class ServiceSchema:
    """The schema with its definitions, and its tasks by name."""

    def __init__(self, document: Schema, task_check: Callable[[Fields, ServiceSchema], Iterator[Problem]]) -> None:
        self.version: str = document["$comment"]
        self._task_check = task_check
        self._definitions: dict[str, Schema] = document["definitions"]

    @cached_property
    def tasks(self) -> dict[str, Schema]:
        """The definition of every task, by `name@version` in lower case."""
        found: dict[str, Schema] = {}
        for task in self._definitions["task"]["anyOf"]:
            pattern = task.get("properties", {}).get("task", {}).get("pattern", "")
            found.setdefault(pattern.strip("^$").lower(), task)
        return found

    @cached_property
    def task_names(self) -> list[str]:
        """All task names as they are written."""
        options = self._definitions["task"]["properties"]["task"]["anyOf"]
        return [name for option in options for name in option.get("enum", [])]

    def check(self, value: Value, definition: str, place: Place) -> list[Problem]:
        """Every fault of a value against one definition."""
        return list(dict.fromkeys(self.faults(value, {"$ref": _DEFINITIONS + definition}, place)))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix(_DEFINITIONS)]
        return schema

    def faults(self, value: Value, schema: Schema, place: Place, what: str = "value") -> Iterator[Problem]:
        """The faults of a value; `what` names it in messages."""
        schema = self._resolved(schema)
        if isinstance(value, Text) and value.startswith(_DYNAMIC):
            return
        options = schema.get("anyOf") or schema.get("oneOf")
        if options is not None and "properties" not in schema:
            yield from self._one_of(value, [self._resolved(option) for option in options], place, what)
        elif not self._fits_type(value, schema):
            kind = schema.get("type", "")
            expected = _TYPE_NAMES.get(kind) or f"a {kind}"
            yield Problem(place, f"{what} must be {expected}, not {_described(value)}.", "")
        elif isinstance(value, Text):
            yield from self._scalar(value, schema, place, what)
        elif isinstance(value, Items):
            for part in value:
                yield from self.faults(part, schema.get("items", {}), _place(part, value.place), f"An item of {what}")
        elif isinstance(value, Fields):
            yield from self._mapping(value, schema, what)

    @staticmethod
    def _fits_type(value: Value, schema: Schema) -> bool:
        kind: str | None = schema.get("type")
        if kind is None or (value == "" and kind in ("object", "array")):
            return True
        if isinstance(value, Fields):
            return kind == "object"
        if isinstance(value, Items):
            return kind == "array"
        text = str(value).lower()
        if kind == "boolean":
            return text in _BOOLEANS
        return kind == "string" or (kind == "integer" and bool(_INTEGER.match(text)))

    @staticmethod
    def _scalar(value: Text, schema: Schema, place: Place, what: str) -> Iterator[Problem]:
        if any(mark in value for mark in _DYNAMIC):
            return
        ignore = schema.get("ignoreCase") in ("value", "all")
        pattern = schema.get("pattern")
        if schema.get("description") == _BRANCH_FILTER:
            value = Text(value.rstrip("/"), value.place)  # the service takes paths with a slash at the end
        if pattern and not re.search(pattern.replace("\\/", "/"), value, re.IGNORECASE if ignore else 0):
            yield Problem(place, f"{what} cannot be '{value}'.", f"It must match {pattern}.")
        legal = schema.get("enum")
        if legal and (value.lower() if ignore else value) not in [name.lower() if ignore else name for name in legal]:
            yield Problem(place, f"{what} cannot be '{value}'.", nearest(value, legal))

    def _mapping(self, value: Fields, schema: Schema, what: str) -> Iterator[Problem]:
        first = schema.get("firstProperty", [])
        if first and len(value) and value.names()[0] not in first and any(key in first for key in value.names()):
            yield Problem(value.names()[0].place, f"'{first[0]}' must be the first key here.", "Move it up.")
        if schema is self._definitions["task"]:
            yield from self._task_check(value, self)
            return
        properties: dict[str, Schema] = schema.get("properties", {})
        for key, part in value:
            if "${{" in key:
                continue
            known = properties.get(key)
            if known is not None:
                yield from self.faults(part, known, _place(part, key.place), f"'{key}'")
            elif schema.get("additionalProperties") is False:
                yield Problem(key.place, f"'{key}' is not known here.", nearest(key, properties))
        for name in schema.get("required", []):
            if name not in value and not any("${{" in key for key in value.names()):
                yield Problem(value.place, f"'{name}' is missing in {what.lower()}.", "Add it.")

    def _one_of(self, value: Value, options: list[Schema], place: Place, what: str) -> Iterator[Problem]:
        fitting = [option for option in options if self._fits_type(value, option)]
        if isinstance(value, Fields):
            yield from self._mapping_of(value, fitting, place, what)
            return
        best: list[Problem] | None = None
        for option in fitting:
            faults = list(self.faults(value, option, place, what))
            if not faults:
                return
            best = faults if best is None or _depth(faults) > _depth(best) else best
        patterns = [str(option.get("pattern", "")).strip("^$") for option in fitting]
        if isinstance(value, Text) and patterns and all(patterns):
            yield Problem(place, f"{what} cannot be '{value}'.", nearest(value, patterns))
        elif best:
            yield from best
        else:
            expected = " or ".join(dict.fromkeys(_TYPE_NAMES.get(o.get("type", ""), "a text") for o in options))
            yield Problem(place, f"{what} must be {expected}, not {_described(value)}.", "")

    def _mapping_of(self, value: Fields, options: list[Schema], place: Place, what: str) -> Iterator[Problem]:
        """One of several mappings: the one whose first or required key is there, else the one with fewest faults."""
        marked = [o for o in options if any(name in value for name in o.get("firstProperty", []))]
        if not marked:
            marked = [o for o in options if o.get("required") and all(name in value for name in o["required"])]
        leading = [str(name) for option in options for name in option.get("firstProperty", [])]
        if not marked and leading and len(leading) == len(options) and len(value):
            key = value.names()[0]
            yield Problem(key.place, f"'{key}' cannot begin {what.lower()}.", nearest(key, leading))
            return
        candidates = [list(self.faults(value, option, place, what)) for option in marked or options]
        if candidates:
            yield from min(candidates, key=len)
        else:
            yield Problem(place, f"{what} must be a text or a list, not a mapping.", "")


def _place(value: Value, otherwise: Place) -> Place:
    return value.place if isinstance(value, Text | Items | Fields) else otherwise


def _described(value: Value) -> str:
    if isinstance(value, Fields):
        return "a mapping"
    return "a list" if isinstance(value, Items) else f"'{value}'"


def _depth(faults: list[Problem]) -> int:
    return max(fault.place.line for fault in faults)


def without_directives(value: Value) -> Value:
    """The tree with the content of every directive pulled up: both branches of an `if` are checked."""
    if isinstance(value, Items):
        made = Items(place=value.place)
        for part in value:
            if isinstance(part, Fields) and part.pairs and all(directive_of(key) for key in part.names()):
                for _, body in part:
                    pulled = without_directives(body)
                    made += pulled if isinstance(pulled, Items) else [pulled]
            else:
                made.append(without_directives(part))
        return made
    if isinstance(value, Fields):
        fields = Fields(place=value.place)
        for key, part in value:
            pulled = without_directives(part)
            if directive_of(key) is None:
                fields.pairs.append((key, pulled))
            elif isinstance(pulled, Fields):
                fields.pairs += pulled.pairs
        return fields
    return value
