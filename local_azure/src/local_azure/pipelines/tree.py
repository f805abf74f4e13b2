"""The tree of a YAML document whose parts know their place, and the values of expressions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A line of a file; `file` is relative to the repository's root, lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


NOWHERE = Place("<command line>", 1)


class Text(str):
    """A scalar. To the service every scalar is text."""

    __slots__ = ("place",)
    place: Place

    def __new__(cls, value: str, place: Place = NOWHERE) -> Text:
        made = super().__new__(cls, value)
        made.place = place
        return made

    def place_at(self, offset: int) -> Place:
        """The place of the character at `offset`, for texts of several lines."""
        return Place(self.place.file, self.place.line + self.count("\n", 0, offset))


@dataclass(frozen=True, slots=True)
class Version:
    """A literal such as 1.2.3."""

    parts: tuple[int, ...]

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


class Items(list["Value"]):
    """A list."""

    def __init__(self, values: Iterable[Value] = (), place: Place = NOWHERE) -> None:
        super().__init__(values)
        self.place = place


class Fields:
    """A mapping: pairs in order. Before expansion, directive keys may stand in it more than once."""

    __slots__ = ("pairs", "place")

    def __init__(self, pairs: Iterable[tuple[Text, Value]] = (), place: Place = NOWHERE) -> None:
        self.pairs = list(pairs)
        self.place = place

    def get(self, key: str) -> Value:
        """The value of `key`, or None."""
        return next((value for name, value in self.pairs if name == key), None)

    def lookup(self, key: str) -> Value:
        """The value of `key` whatever its case, or None; as expressions read."""
        wanted = key.lower()
        return next((value for name, value in self.pairs if name.lower() == wanted), None)

    def key(self, name: str) -> Text:
        """The key itself, which knows its line."""
        return next((key for key, _ in self.pairs if key == name), Text(name, self.place))

    def names(self) -> list[Text]:
        """All keys, in order."""
        return [key for key, _ in self.pairs]

    def __contains__(self, key: object) -> bool:
        return any(name == key for name, _ in self.pairs)

    def __iter__(self) -> Iterator[tuple[Text, Value]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


Value: TypeAlias = "bool | float | str | Version | Items | Fields | None"


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One fault: where it is, what it is, what to do about it."""

    place: Place
    what: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f" {self.todo}" if self.todo else "")


class PipelineError(Exception):
    """The YAML is faulty or uses what is not supported."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def fault(place: Place, what: str, todo: str = "") -> PipelineError:
    """The error of a single problem."""
    return PipelineError(Problem(place, what, todo))


def place_of(value: Value, otherwise: Place) -> Place:
    """Where a value stands; computed values have no place of their own."""
    return value.place if isinstance(value, Text | Items | Fields) else otherwise


def nearest(name: str, legal: Iterable[str]) -> str:
    """A sentence that names the nearest legal name, or all of them when they are few and none is near."""
    names = list(dict.fromkeys(legal))
    lowered = {legal_name.lower(): legal_name for legal_name in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.55)
    if close:
        return f"Did you mean '{lowered[close[0]]}'?"
    return f"Legal: {', '.join(names)}." if 0 < len(names) <= 12 else ""


def items_of(value: Value) -> Sequence[Value]:
    """The elements of a list; none for an absent or empty one; a single scalar counts as a list of one."""
    if isinstance(value, Items):
        return value
    return [] if value is None or value == "" else [value]


def fields_of(value: Value) -> Fields:
    """A mapping, empty when absent."""
    return value if isinstance(value, Fields) else Fields()


def from_plain(value: object, place: Place = NOWHERE) -> Value:
    """The tree of plain Python lists, mappings and scalars."""
    if isinstance(value, dict):
        return Fields([(Text(str(key), place), from_plain(part, place)) for key, part in value.items()], place)
    if isinstance(value, list | tuple):
        return Items([from_plain(part, place) for part in value], place)
    if value is None or isinstance(value, bool | float):
        return value
    return float(value) if isinstance(value, int) else Text(str(value), place)


def to_plain(value: Value) -> object:
    """Plain lists, mappings and scalars, for JSON."""
    if isinstance(value, Fields):
        return {str(key): to_plain(part) for key, part in value}
    if isinstance(value, Items):
        return [to_plain(part) for part in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return value if value is None or isinstance(value, bool) else str(value)
