"""Read a problem file: what the table looks like, what is forecast, what training and the gate may do.

A step reads only the sections that it uses and does not demand the others, because each step is handed a file cut
down to its sections: an edit of the gate's policy must not look like new input to training.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from forecasting.errors import UsageError
from forecasting.problem.reading import Reading
from forecasting.problem.schedule import Schedule
from forecasting.problem.sections import (
    BLANK,
    CandidatePolicy,
    Contract,
    Future,
    GatePolicy,
    Section,
    SeriesRule,
    Source,
    Table,
    Training,
    demand_columns,
    demand_future,
)
from forecasting.problem.yaml_text import UNREADABLE, read_yaml

_LONGEST_REASON = 1_000  # characters
SECTIONS: Mapping[str, type[Section]] = {
    "table": Table,
    "source": Source,
    "reading": Reading,
    "series": SeriesRule,
    "future": Future,
    "contract": Contract,
    "training": Training,
    "gate": GatePolicy,
    "candidates": CandidatePolicy,
    "schedule": Schedule,
}
_S = TypeVar("_S", bound=Section)
_EXPECTED = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "string_type": "expected a text",
    "string_pattern_mismatch": "expected a name of lowercase letters, digits and _, up to 64, starting with a letter",
    "string_too_short": "expected a text that is not empty",
    "tuple_type": "expected a list such as [S, P]",
    "date_type": "expected a day written YYYY-MM-DD without quotes",
    "bool_type": "expected true or false",
    "model_type": "expected a mapping",
}


class Problem:
    """A problem file; each section is checked when it is asked for, and a mistake names file and key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document = _load(path)

    @property
    def document(self) -> Mapping[str, Any]:
        """The file as it was read, to cut it down to the sections of a step."""
        return self._document

    @property
    def table(self) -> Table:
        """The section `table`, which may be left out. Raises: UsageError."""
        return self._read("table", Table) if "table" in self._document else Table()

    @property
    def source(self) -> Source:
        """The section `source`. Raises: UsageError."""
        return self._read("source", Source)

    @property
    def reading(self) -> Reading:
        """The section `reading`, which may be left out. Raises: UsageError."""
        return self._read("reading", Reading) if "reading" in self._document else Reading()

    @property
    def series(self) -> SeriesRule:
        """The section `series`. Raises: UsageError."""
        return self._read("series", SeriesRule)

    @property
    def future(self) -> Future:
        """The section `future`, which may be left out. Raises: UsageError."""
        return self._read("future", Future) if "future" in self._document else Future()

    @property
    def contract(self) -> Contract:
        """The section `contract`, which may be left out. Raises: UsageError."""
        return self._read("contract", Contract) if "contract" in self._document else Contract()

    @property
    def training(self) -> Training:
        """The section `training`; without a season it has that of the frequency. Raises: UsageError."""
        given = self._document.get("training")
        lacking = isinstance(given, dict) and "season" not in given
        return self._read("training", Training, {"season": self.series.calendar.season} if lacking else {})

    @property
    def candidates(self) -> CandidatePolicy:
        """The section `candidates`, which may be left out. Raises: UsageError."""
        return self._read("candidates", CandidatePolicy) if "candidates" in self._document else CandidatePolicy()

    @property
    def gate(self) -> GatePolicy:
        """The section `gate`; its windows must lie in the days that training holds back. UsageError."""
        policy, training = self._read("gate", GatePolicy), self.training
        needed = training.horizon + (policy.origins - 1) * policy.step
        if training.selection.held_back < needed:
            raise UsageError(
                f"{self.path}: the gate judges on the last {self.series.calendar.count(needed)}, but "
                f"training.selection.held_back is {training.selection.held_back}: training would choose on these "
                f"{self.series.calendar.units}. Set it to {needed}."
            )
        return policy

    @property
    def schedule(self) -> Schedule | None:
        """The section `schedule`; None where nothing is retrained by itself. Raises: UsageError."""
        return self._read("schedule", Schedule) if "schedule" in self._document else None

    @property
    def lower(self) -> float | None:
        """The bound below which nothing is forecast: 0 where the contract admits no negative value."""
        return 0.0 if self.contract.non_negative else None

    def check(self) -> None:
        """Read every section and what must agree between them. Raises: UsageError."""
        unknown = [name for name in self._document if name not in SECTIONS]
        if unknown:
            raise UsageError(f"{self.path}: unknown section {', '.join(unknown)}; expected {', '.join(SECTIONS)}.")
        try:
            demand_columns(self.source, self.series)
            demand_future(self.future, self.source, self.series)
        except ValueError as mistake:
            raise UsageError(f"{self.path}: {mistake}.") from None
        _ = self.table, self.reading, self.contract, self.training, self.gate, self.candidates, self.schedule

    def _read(self, section: str, form: type[_S], more: Mapping[str, Any] | None = None) -> _S:
        """Read a section, collecting every mistake so that one message names them all."""
        values = self._document.get(section)
        if not isinstance(values, dict):
            raise UsageError(
                f"{self.path}: the section {section} is missing or is not a mapping. "
                "Compare with the sample, paid_amount.yml, which explains every section."
            )
        try:
            return form.model_validate({**values, **(more or {})})
        except ValidationError as error:
            mistakes = "\n  ".join(sentences(error, form))
            raise UsageError(f"{self.path}, section {section}, correct:\n  {mistakes}") from None


def sentences(error: ValidationError, form: type[Section]) -> list[str]:
    """Each mistake in a section: its key, what was expected, what was found."""
    return [_sentence(dict(mistake), form) for mistake in error.errors(include_url=False)]


def _sentence(mistake: Mapping[str, Any], form: type[Section]) -> str:
    """Where, what was expected, what was found."""
    place, kind = ".".join(str(part) for part in mistake["loc"]), mistake["type"]
    if not place:
        return str(mistake["msg"]).removeprefix("Value error, ")  # of several keys, which it names
    if kind == "missing":
        return f"{place}: missing"
    if kind == "extra_forbidden":
        known = ", ".join(form.model_fields) if len(mistake["loc"]) == 1 else "the keys of the example"
        return f"{place}: unknown, expected one of {known}"
    if kind == "string_pattern_mismatch" and mistake["ctx"]["pattern"] == BLANK:
        kind = "string_too_short"
    if kind == "string_too_long":
        return (
            f"{place}: expected at most {mistake['ctx']['max_length']} characters, found {_shown(mistake['input'])}"
        )
    message = str(mistake["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{place}: {_EXPECTED.get(kind, message)}, found {_shown(mistake['input'])}"


def _shown(value: object) -> str:
    try:
        text = value.isoformat() if isinstance(value, date) else repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = f"{type(value).__name__} of too many digits"
    return text if len(text) <= 80 else text[:77] + "..."


def _load(path: Path) -> dict[str, Any]:
    try:
        document = read_yaml(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such problem file. Name one such as problems/paid_amount.yml.") from None
    except UNREADABLE as mistake:
        raise UsageError(f"{path} is not a readable YAML file: {str(mistake)[:_LONGEST_REASON]}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} has no sections; expected {', '.join(SECTIONS)}.")
    return document
