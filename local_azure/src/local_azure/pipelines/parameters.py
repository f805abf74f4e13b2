"""Declared parameters of a pipeline or template, and the binding of arguments to them."""

from collections.abc import Callable

from local_azure.pipelines.evaluation import kind, to_number, to_text
from local_azure.pipelines.grammar import ExpressionError
from local_azure.pipelines.reader import read_text
from local_azure.pipelines.tree import NOWHERE, Fields, Items, PipelineError, Place, Text, Value, nearest, place_of

# Types whose values are parts of a pipeline, with the list in which such parts stand.
_STRUCTURES = {"step": "steps", "job": "jobs", "deployment": "jobs", "stage": "stages"}
_STRUCTURES |= {f"{name}list": within for name, within in _STRUCTURES.items()}


class Declarations:
    """The `parameters:` of one file."""

    def __init__(self, document: Fields, file: str) -> None:
        self.file = file
        self.entries: dict[str, Fields] = {}
        block = document.get("parameters")
        if isinstance(block, Fields):
            raise PipelineError(block.place, "Parameters as a mapping are not supported. Write - name: NAME")
        for entry in block if isinstance(block, Items) else []:
            if not isinstance(entry, Fields) or not isinstance(entry.get("name"), Text):
                raise PipelineError(place_of(entry, document.place), "A parameter needs a name. Write - name: ...")
            name, declared = str(entry.get("name")), str(entry.get("type") or "string")
            if name.lower() in self.entries:
                raise PipelineError(entry.place, f"The parameter '{name}' is declared twice. Remove one.")
            if declared.lower() not in (*_CONVERSIONS, *_STRUCTURES):
                what = f"The parameter type '{declared}' is not supported here."
                raise PipelineError(entry.key("type").place, f"{what} {nearest(declared, _CONVERSIONS)}")
            self.entries[name.lower()] = entry

    def type_of(self, name: str) -> str:
        """The type of a parameter in lower case; the empty text for an unknown one."""
        entry = self.entries.get(name.lower())
        return "" if entry is None else str(entry.get("type") or "string").lower()

    def within(self, name: str) -> str:
        """The list (`steps`, ...) whose parts a parameter holds, if it does."""
        return _STRUCTURES.get(self.type_of(name), "")

    def bind(self, arguments: Fields, caller: Place) -> Fields:
        """The values of all parameters; raises PipelineError for unknown, missing and unfit arguments."""
        names = [str(entry.get("name")) for entry in self.entries.values()]
        for key in arguments.names():
            if key.lower() not in self.entries:
                raise PipelineError(key.place, f"{self.file} has no parameter '{key}'. {nearest(key, names)}")
        bound = Fields(place=caller)
        for name, entry in zip(names, self.entries.values(), strict=True):
            value = arguments.lookup(name)
            place = place_of(value, caller) if value is not None else entry.place
            value = entry.get("default") if value is None else value
            if value is None:
                what = f"The parameter '{name}' of {self.file} has no default and no value was given."
                raise PipelineError(caller, f"{what} From the command line: -p {name}=...")
            bound.append((Text(name, place), self._converted(value, name, entry, place_of(value, place))))
        return bound

    def _converted(self, value: Value, name: str, entry: Fields, place: Place) -> Value:
        try:
            converted = _CONVERSIONS.get(self.type_of(name), _structure)(value)
            legal = [to_text(part) for part in entry.get("values") or []]  # type: ignore[union-attr, arg-type]
            if legal and not {to_text(converted), to_text(value)} & set(legal):
                raise ExpressionError(f"'{to_text(value)}' is not one of its values. Legal: {', '.join(legal)}.")
        except ExpressionError as error:
            raise PipelineError(place, f"The parameter '{name}' is of type {self.type_of(name)}: {error}") from None
        return Text(converted, place) if isinstance(converted, str) else converted


def _boolean(value: Value) -> Value:
    if to_text(value).lower() not in ("true", "false"):
        raise ExpressionError(f"'{to_text(value)}' is neither true nor false.")
    return to_text(value).lower() == "true"


def _object(value: Value) -> Value:
    """Values of the command line are YAML text."""
    given = isinstance(value, Text) and value.place == NOWHERE and value.strip().startswith(("[", "{", "- "))
    return read_text(str(value), NOWHERE.file) if given else value


def _structure(value: Value) -> Value:
    value = _object(value) or Items()
    if not isinstance(value, Items | Fields):
        raise ExpressionError(f"A {kind(value)} is no part of a pipeline.")
    return value


_CONVERSIONS: dict[str, Callable[[Value], Value]] = {
    "string": to_text,
    "number": to_number,
    "boolean": _boolean,
    "object": _object,
}
