"""The tree of a YAML document whose parts know their location; also the values of expressions."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

_MOST_LISTED_NAMES = 12
# Names that are compared with a misspelt one, and the longest that is worth comparing.
_MOST_COMPARED_NAMES = 300
_LONGEST_COMPARED_NAME = 100
# A message that quotes more of a file than this loses its middle.
_LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, order=True, slots=True)
class Location:
    """A line of a file; `file` is relative to the repository's root, lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


NOWHERE = Location("<command line>", 1)


class Text(str):
    """A scalar. To the service every scalar is text."""

    __slots__ = ("location",)
    location: Location

    def __new__(cls, value: str, location: Location = NOWHERE) -> Text:
        made = super().__new__(cls, value)
        made.location = location
        return made

    def location_at(self, offset: int) -> Location:
        """Return the place of the character at `offset`, for texts of several lines."""
        return Location(self.location.file, self.location.line + self.count("\n", 0, offset))


class Version(tuple[int, ...]):
    """A literal such as 1.2.3."""

    def __str__(self) -> str:
        return ".".join(map(str, self))


class Size(NamedTuple):
    """How large a value is: its nodes, with one more for every 100 characters, and its depth."""

    nodes: int
    depth: int


class Items(list["Value"]):
    """A list."""

    def __init__(self, values: Iterable[Value] = (), location: Location = NOWHERE) -> None:
        super().__init__(values)
        self.location = location
        self.measured: Size | None = None


class Fields(list[tuple[Text, "Value"]]):
    """A mapping as a list of pairs. Before expansion a directive may occur in it more than once as a key."""

    def __init__(self, pairs: Iterable[tuple[Text, Value]] = (), location: Location = NOWHERE) -> None:
        super().__init__(pairs)
        self.location = location
        self.measured: Size | None = None

        self._exact: dict[str, int] = {}
        self._folded: dict[str, int] = {}
        self._indexed = 0

    def _index(self) -> None:
        """Note the first position of every key that was added since; pairs are added only."""
        if self._indexed == len(self):
            return
        for position in range(self._indexed, len(self)):
            key = str(self[position][0])
            self._exact.setdefault(key, position)
            self._folded.setdefault(key.lower(), position)
        self._indexed = len(self)

    def get(self, key: str) -> Value:
        """Return the value of `key`, or None."""
        self._index()
        position = self._exact.get(key)
        return None if position is None else self[position][1]

    def lookup(self, key: str) -> Value:
        """Return the value of `key` without regard to case, or None; expressions read in this way."""
        self._index()
        position = self._folded.get(key.lower())
        return None if position is None else self[position][1]

    def key(self, name: str) -> Text:
        """Return the key itself, which knows its line."""
        self._index()
        position = self._exact.get(name)
        return Text(name, self.location) if position is None else self[position][0]

    def names(self) -> list[Text]:
        """Return all keys, in order."""
        return [key for key, _ in self]

    def has(self, key: str) -> bool:
        """Return whether the mapping holds a key."""
        self._index()
        return key in self._exact


Value: TypeAlias = "bool | float | str | Version | Items | Fields | None"


def shortened(text: str) -> str:
    """Return a message without its middle where it quotes too much of a file."""
    half = _LONGEST_MESSAGE // 2
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:half]} ... {text[-half:]}"


def size_of(value: Value) -> Size:
    """Return the size of a finished value; lists and mappings keep theirs, as they may occur often."""
    if not isinstance(value, Items | Fields):
        return Size(1 + (len(value) // 100 if isinstance(value, str) else 0), 1)
    if value.measured is None:
        parts = [part for _, part in value] if isinstance(value, Fields) else value
        sizes = [size_of(part) for part in parts]
        deepest = max((size.depth for size in sizes), default=0)
        value.measured = Size(1 + sum(size.nodes for size in sizes), 1 + deepest)
    return value.measured


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One fault: where it is, what it is and what to do about it."""

    location: Location
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", shortened(self.text))

    def __str__(self) -> str:
        """Return the fault as one line, without anything that a terminal or a build agent would obey."""
        line = f"{self.location}: {self.text.strip()}".replace("##", "# #")
        return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


class PipelineError(Exception):
    """The YAML is faulty or uses what is not supported."""

    def __init__(self, location: Location, text: str) -> None:
        self.problem = Problem(location, text)
        super().__init__(str(self.problem))


def location_of(value: Value, default: Location) -> Location:
    """Return the place of a value; computed values have none of their own and get the default."""
    return value.location if isinstance(value, Text | Items | Fields) else default


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a sentence that suggests the most similar allowed name, or lists all of them when they are few."""
    spellings = {known.lower(): known for known in itertools.islice(allowed, _MOST_COMPARED_NAMES)}
    if len(name) > _LONGEST_COMPARED_NAME:
        return ""
    similar = difflib.get_close_matches(name.lower(), spellings, n=1, cutoff=0.55)
    if similar:
        return f"Did you mean '{spellings[similar[0]]}'?"
    if 0 < len(spellings) <= _MOST_LISTED_NAMES:
        return f"Allowed values: {', '.join(spellings.values())}."
    return ""


def fields_of(value: Value) -> Fields:
    """Return the value as a mapping; an empty one where it is something else."""
    return value if isinstance(value, Fields) else Fields()


def items_of(value: Value) -> Items:
    """Return the value as a list; an empty one where it is something else."""
    return value if isinstance(value, Items) else Items()


def texts_of(value: Value) -> tuple[Text, ...]:
    """Return the texts of a list that are not empty; a single text counts as a list of one."""
    parts = value if isinstance(value, Items) else [value]
    return tuple(part for part in parts if isinstance(part, Text) and part)


def mappings_of(value: Value) -> list[Fields]:
    """Return the mappings of a list."""
    return [part for part in items_of(value) if isinstance(part, Fields)]


def from_plain(value: object, location: Location = NOWHERE) -> Value:
    """Convert plain Python lists, mappings and scalars to a tree."""
    if isinstance(value, dict):
        return Fields(
            [(Text(str(key), location), from_plain(part, location)) for key, part in value.items()], location
        )
    if isinstance(value, list):
        return Items([from_plain(part, location) for part in value], location)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    return Text(str(value), location)


def to_plain(value: Value) -> object:
    """Convert a tree to plain lists, mappings and scalars, for JSON."""
    if isinstance(value, Fields):
        return {str(key): to_plain(part) for key, part in value}
    if isinstance(value, Items):
        return [to_plain(part) for part in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return str(value)
