"""Forms of the bodies that routes take: which keys they read, of which kinds, and how many of them.

A route declares the form of its body; a request that does not have it is a 400 that names the key, what it is and
what it must be, before its handler is called. Handlers then read keys without looking at their kinds again. A key
that is null counts as missing, as the SDK writes it; keys that a form does not name are left to the handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from local_azure.machine_learning.errors import bad_request

MAX_PAIRS = 1_000  # tags, properties, labels, columns or variables of one object
MAX_KEY_CHARS = 1_000
MAX_ITEMS = 100_000
MAX_NUMBER = 2**63 - 1
_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class Shape(Protocol):
    """A form: `fault` says what is wrong with a value, None when nothing is."""

    def fault(self, value: Any) -> str | None:
        """The rest of a sentence that begins with the place of the value."""


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a number")


def _not(value: object, expected: str) -> str:
    return f" must be {expected}, not {_kind(value)}."


@dataclass(frozen=True)
class Scalar:
    """A value that holds no others. `kinds`: of Python; `expected`: its description."""

    kinds: tuple[type, ...]
    expected: str
    example: object

    def fault(self, value: Any) -> str | None:
        """See Shape."""
        if value is None:
            return None
        if not isinstance(value, self.kinds) or (isinstance(value, bool) and bool not in self.kinds):
            return _not(value, self.expected)
        if isinstance(value, int | float) and abs(value) > MAX_NUMBER:
            return f" exceeds {MAX_NUMBER}."
        return None


TEXT = Scalar((str,), "a string", "text")
FLAG = Scalar((bool,), "true or false", True)
NUMBER = Scalar((int, float), "a number", 1)
WORD = Scalar((str, int, float), "a string or a number", "1")  # the SDK writes codes and versions as either
SIMPLE = Scalar((str, int, float, bool), "a string, a number, true or false", "1")


@dataclass(frozen=True)
class Anything:
    """Whatever JSON can hold; kept and given back, never looked into."""

    example: object = "anything"

    def fault(self, _: Any) -> str | None:
        """See Shape."""
        return None


ANYTHING = Anything()


@dataclass(frozen=True)
class Items:
    """A list of things of one form."""

    of: Shape
    most: int = MAX_ITEMS

    def fault(self, value: Any) -> str | None:
        """See Shape."""
        if value is None:
            return None
        if not isinstance(value, list):
            return _not(value, "a list")
        if len(value) > self.most:
            return f" has {len(value)} entries; at most {self.most} are allowed."
        for number, entry in enumerate(value):
            fault = _not(entry, "a value") if entry is None else self.of.fault(entry)
            if fault:
                return f"[{number}]{fault}"
        return None


@dataclass(frozen=True)
class Pairs:
    """An object whose keys are names of the client's own choice."""

    of: Shape
    most: int = MAX_PAIRS

    def fault(self, value: Any) -> str | None:
        """See Shape."""
        if value is None:
            return None
        if not isinstance(value, dict):
            return _not(value, "an object")
        if len(value) > self.most:
            return f" has {len(value)} keys; at most {self.most} are allowed."
        for key, entry in value.items():
            if len(key) > MAX_KEY_CHARS:
                return f" has a key of {len(key)} characters; at most {MAX_KEY_CHARS} are allowed."
            fault = self.of.fault(entry)
            if fault:
                return f".{key}{fault}"
        return None


@dataclass(frozen=True)
class Record:
    """An object with keys that the server reads. `needed`: those that may not be missing."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    needed: tuple[str, ...] = ()

    def fault(self, value: Any) -> str | None:
        """See Shape."""
        if value is None:
            return None
        if not isinstance(value, dict):
            return _not(value, "an object")
        for key in self.needed:
            if value.get(key) is None:
                return f".{key} is missing."
        for key, shape in self.fields.items():
            fault = shape.fault(value.get(key))
            if fault:
                return f".{key}{fault}"
        return None


@dataclass(frozen=True)
class Either:
    """A value of one of two forms."""

    first: Shape
    second: Shape
    expected: str
    example: object

    def fault(self, value: Any) -> str | None:
        """See Shape."""
        first, second = self.first.fault(value), self.second.fault(value)
        if first is None or second is None:
            return None
        return _not(value, self.expected) if first.startswith(" ") and second.startswith(" ") else first


# What several planes share.
TAGS = Pairs(TEXT)
_PYTHON = Record(
    {"userManagedDependencies": FLAG, "condaDependencies": Record({"name": TEXT, "dependencies": Items(ANYTHING)})}
)
ENVIRONMENT = Record(
    {
        "name": TEXT,
        "version": WORD,
        "environmentVariables": Pairs(SIMPLE),
        "python": _PYTHON,
        "docker": Pairs(ANYTHING),
    }
)
WORDS = Either(TEXT, Items(SIMPLE), "a string or a list of strings", "x")


def require(shape: Shape, body: object) -> None:
    """Raise a 400 that says where a body does not have its form."""
    fault = shape.fault(body)
    if fault:
        place, separator, rest = fault.partition(" ")
        place = place.lstrip(".")
        raise bad_request((f"'{place}'" if place else "The body of this request") + separator + rest)


def require_values(shapes: Mapping[str, Shape], operations: list[dict[str, Any]]) -> None:
    """Raise a 400 for an operation of a JSON patch whose value has not the form that its path has."""
    for operation in operations:
        path = str(operation.get("path", "")).strip("/")
        shape = shapes.get(path)
        if shape is not None:
            require(Record({path: shape}), {path: operation.get("value")})


def sample(shape: Any) -> Any:
    """A document of a form, with every key."""
    if isinstance(shape, Record):
        return {key: sample(inner) for key, inner in shape.fields.items()}
    if isinstance(shape, Items):
        return [sample(shape.of)]
    if isinstance(shape, Pairs):
        return {"key": sample(shape.of)}
    return shape.example
