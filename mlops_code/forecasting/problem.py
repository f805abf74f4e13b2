"""Read a problem file: what the table looks like, what is forecast, what training and the gate may do.

A step reads only the sections that it uses and does not demand the others, because each step is handed a
file cut down to its sections: an edit of the gate's policy must not look like new input to training.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import yaml

from .errors import UsageError

Aggregation = Literal["mean", "sum"]
Reader = Callable[[Any], Any]
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Source:
    """Column names of the delivered table."""

    date: str
    type: str
    count: str
    measures: tuple[str, ...]


@dataclass(frozen=True)
class SeriesRule:
    """How the rows of a day become one value; first and last day are inclusive, None means open."""

    name: str
    types: tuple[str, ...]
    measure: str
    aggregation: Aggregation
    first_date: date | None = None
    last_date: date | None = None


@dataclass(frozen=True)
class Candidate:
    """A recipe that training may choose, by name and parameters."""

    recipe: str
    parameters: dict[str, float]


@dataclass(frozen=True)
class Selection:
    """How training chooses. Step and held_back are days, margin is a ratio of mean absolute errors."""

    origins: int
    step: int
    margin: float
    held_back: int


@dataclass(frozen=True)
class Training:
    """Horizon and season are days; candidates are simplest first."""

    horizon: int
    season: int
    candidates: tuple[Candidate, ...]
    selection: Selection


@dataclass(frozen=True)
class GatePolicy:
    """Origins is a count, step is days, floor and margin are ratios of mean absolute errors."""

    origins: int
    step: int
    floor: float
    margin: float


class Problem:
    """A problem file; each section is checked when it is asked for, and a mistake names file and key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document = _load(path)

    @property
    def source(self) -> Source:
        """The section `source`. Raises: UsageError."""
        readers = {"date": _text, "type": _text, "count": _text, "measures": _texts}
        return Source(**self._read("source", readers))

    @property
    def series(self) -> SeriesRule:
        """The section `series`. Raises: UsageError."""
        readers = {
            "name": _name, "types": _texts, "measure": _text, "aggregation": _aggregation,
        }  # fmt: skip
        rule = SeriesRule(**self._read("series", readers, {"first_date": _day, "last_date": _day}))
        if rule.first_date and rule.last_date and rule.first_date > rule.last_date:
            raise UsageError(f"{self.path}: series.first_date {rule.first_date} is after series.last_date.")
        return rule

    @property
    def training(self) -> Training:
        """The section `training`. Raises: UsageError."""

        def selection(_: object) -> Selection:
            readers = {"origins": _whole, "step": _whole, "margin": _ratio, "held_back": _whole}
            return Selection(**self._read("training.selection", readers))

        readers = {"horizon": _whole, "season": _whole, "candidates": _candidates, "selection": selection}
        return Training(**self._read("training", readers))

    @property
    def gate(self) -> GatePolicy:
        """The section `gate`; its windows must lie in the days that training holds back. UsageError."""
        readers = {"origins": _whole, "step": _whole, "floor": _ratio, "margin": _ratio}
        policy = GatePolicy(**self._read("gate", readers))
        training = self.training
        needed = training.horizon + (policy.origins - 1) * policy.step
        if training.selection.held_back < needed:
            raise UsageError(
                f"{self.path}: the gate judges on the last {needed} days, but training.selection.held_back "
                f"is {training.selection.held_back}: training would choose on these days. Set it to {needed}."
            )
        return policy

    def _read(
        self,
        section: str,
        readers: Mapping[str, Reader],
        optional: Mapping[str, Reader] | None = None,
    ) -> dict[str, Any]:
        """Read the keys of a section, collecting every mistake so that one message mends them all."""
        values = self._values(section)
        known = {**readers, **(optional or {})}
        mistakes = [f"{key}: missing" for key in readers if key not in values]
        mistakes += [f"{key}: unknown, expected one of {', '.join(known)}" for key in values if key not in known]
        read: dict[str, Any] = {}
        for key, reader in known.items():
            if key in values:
                try:
                    read[key] = reader(values[key])
                except ValueError as mistake:
                    mistakes.append(f"{key}: {mistake}, found {values[key]!r}")
        if mistakes:
            raise UsageError(f"{self.path}, section {section}, correct:\n  " + "\n  ".join(mistakes))
        return read

    def _values(self, section: str) -> dict[str, Any]:
        found: Any = self._document
        for name in section.split("."):
            found = found.get(name)
            if not isinstance(found, dict):
                raise UsageError(
                    f"{self.path}: the section {section} is missing or is not a mapping. "
                    "Compare with mlops_code/problems/paid_amount.yml."
                )
        return dict(found)


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such problem file. Name one such as problems/paid_amount.yml.") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as mistake:
        raise UsageError(f"{path} is not a readable YAML file: {mistake}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no sections; expected source, series, training and gate.")
    return document


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a text")
    return value


def _name(value: object) -> str:
    text = _text(value)
    if not NAME.fullmatch(text):
        raise ValueError("expected a name of small letters, digits and _, up to 64, starting with a letter")
    return text


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of texts such as [S, P]")
    return tuple(_text(item) for item in value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("expected a whole number of at least 1")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("expected a finite number")
    return float(value)


def _ratio(value: object) -> float:
    ratio = _number(value)
    if not 0 <= ratio <= 1:
        raise ValueError("expected a ratio from 0 to 1")
    return ratio


def _day(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("expected a day written YYYY-MM-DD without quotes")
    return value


def _aggregation(value: object) -> Aggregation:
    if value == "mean":
        return "mean"
    if value == "sum":
        return "sum"
    raise ValueError("expected mean or sum")


def _candidates(value: object) -> tuple[Candidate, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of recipes")
    candidates = []
    for item in value:
        if not isinstance(item, dict):
            raise ValueError("expected each candidate as `recipe: NAME` with its parameters")
        parameters = {str(key): _number(number) for key, number in item.items() if key != "recipe"}
        candidates.append(Candidate(_text(item.get("recipe")), parameters))
    return tuple(candidates)
