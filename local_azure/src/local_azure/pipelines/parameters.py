"""Declared parameters of a pipeline or template, and the binding of arguments to them."""

from __future__ import annotations

from collections.abc import Callable

from local_azure.pipelines.reader import read_text
from local_azure.pipelines.tree import Fields, Items, Place, Text, Value, fault, nearest, place_of
from local_azure.pipelines.values import ConversionError, kind, to_number, to_text

# Parameter types whose values are parts of a pipeline: the list in which they may stand.
STRUCTURE_KINDS = {
    "step": "steps", "steplist": "steps", "job": "jobs", "joblist": "jobs", "deployment": "jobs",
    "deploymentlist": "jobs", "stage": "stages", "stagelist": "stages",
}  # fmt: skip
_SUPPORTED = ("string", "number", "boolean", "object", *STRUCTURE_KINDS)
_SERVICE_TYPES = (
    "container", "containerList", "environment", "filePath", "pool", "secureFile", "serviceConnection", "stringList",
    "legacyObject",
)  # fmt: skip
_DECLARATION_KEYS = ("name", "displayName", "type", "default", "values")


class Declarations:
    """The `parameters:` of one file."""

    def __init__(self, block: Value, file: str) -> None:
        self.file = file
        self.all: list[Fields] = []
        if isinstance(block, Fields):
            what = "Parameters as a mapping are the old untyped form, which is not supported."
            raise fault(block.place, what, "Write a list: - name: ..., type: ..., default: ...")
        for entry in block if isinstance(block, Items) else []:
            self.all.append(self._checked(entry, place_of(entry, Place(file, 1))))

    def _checked(self, entry: Value, place: Place) -> Fields:
        if not isinstance(entry, Fields) or not isinstance(entry.get("name"), Text):
            raise fault(place, "A parameter needs a name.", "Write: - name: ..., type: ..., default: ...")
        for key in entry.names():
            if key not in _DECLARATION_KEYS:
                raise fault(key.place, f"A parameter has no '{key}'.", nearest(key, _DECLARATION_KEYS))
        if self.find(str(entry.get("name"))):
            raise fault(entry.place, f"The parameter '{entry.get('name')}' is declared twice.", "Remove one.")
        declared = entry.get("type")
        if isinstance(declared, str) and declared.lower() not in _SUPPORTED:
            if declared.lower() in (name.lower() for name in _SERVICE_TYPES):
                what = f"Parameters of type {declared} are not supported here: only the service knows their values."
                raise fault(place_of(declared, place), what, "Use a string with values.")
            raise fault(
                place_of(declared, place), f"There is no parameter type '{declared}'.", nearest(declared, _SUPPORTED)
            )
        return entry

    def find(self, name: str) -> Fields | None:
        """The declaration of a name, whatever its case."""
        return next((entry for entry in self.all if str(entry.get("name")).lower() == name.lower()), None)

    def names(self) -> list[str]:
        """The declared names, in order."""
        return [str(entry.get("name")) for entry in self.all]

    def structure(self, name: str) -> str:
        """The list kind (`steps`, ...) of a parameter that holds parts of a pipeline, else the empty text."""
        entry = self.find(name)
        return STRUCTURE_KINDS.get(str(entry.get("type") or "").lower(), "") if entry else ""

    def bind(self, arguments: Fields, caller: Place) -> Fields:
        """The values of all parameters; raises PipelineError for unknown, missing and unfit arguments."""
        for key in arguments.names():
            if self.find(key) is None:
                what = f"{self.file} has no parameter '{key}'."
                raise fault(key.place, what, nearest(key, self.names()) or "It declares none.")
        bound = Fields(place=caller)
        for entry in self.all:
            name = Text(str(entry.get("name")), entry.place)
            value = arguments.lookup(name)
            place = place_of(value, caller)
            if value is None:
                value = entry.get("default")
                place = place_of(value, entry.place)
            if value is None:
                raise fault(caller, f"The parameter '{name}' of {self.file} has no default and no value was given.",
                            f"Give it (from the command line: -p {name}=...).")  # fmt: skip
            bound.pairs.append((name, _converted(value, entry, place)))
        return bound


def _converted(value: Value, entry: Fields, place: Place) -> Value:
    declared = str(entry.get("type") or "string").lower()
    name = entry.get("name")
    try:
        converted = _CONVERSIONS.get(declared, _structure)(value)
    except ConversionError as error:
        raise fault(
            place, f"The parameter '{name}' is of type {declared}: {error}.", "Give a fitting value."
        ) from None
    allowed = entry.get("values")
    if isinstance(allowed, Items) and not isinstance(converted, Items | Fields):
        legal = [to_text(part) for part in allowed]
        if to_text(converted) not in legal and to_text(value) not in legal:
            what = f"'{to_text(value)}' is not one of the values of the parameter '{name}'."
            raise fault(place, what, f"Legal: {', '.join(legal)}.")
    return Text(converted, place) if isinstance(converted, str) else converted


def _boolean(value: Value) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ConversionError(
        f"{value!r} is neither true nor false" if isinstance(value, str) else f"a {kind(value)} is not"
    )


def _object(value: Value) -> Value:
    """Values of the command line are YAML text."""
    if isinstance(value, Text) and value.place.file.startswith("<") and value.strip().startswith(("[", "{", "- ")):
        return read_text(value, value.place.file)
    return value


def _structure(value: Value) -> Value:
    value = _object(value)
    if isinstance(value, Items | Fields):
        return value
    if value == "":
        return Items()
    raise ConversionError(f"a {kind(value)} is no part of a pipeline")


_CONVERSIONS: dict[str, Callable[[Value], Value]] = {
    "string": to_text,
    "number": to_number,
    "boolean": _boolean,
    "object": _object,
}


def declared_in(document: Fields, file: str) -> Declarations:
    """The declarations of a document."""
    return Declarations(document.get("parameters"), file)
