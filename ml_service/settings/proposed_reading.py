"""What the section `reading` of a table seems to be, for `problems new` to propose; nothing here is used by a run.

Each key is found by what fits the table, and a person sees three rows as they would be read. Where two ways of
reading fit equally, none is chosen: the person is asked for the key.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from datetime import time as time_of_day
from itertools import product
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import ValidationError

from forecasting.data.reading import HEADER_LINES, SEPARATORS, find_table, line_of, read_cells
from forecasting.data.rows import total_findings
from forecasting.data.sizes import opened
from forecasting.errors import ContractError
from forecasting.problem.problem_file import sentences
from forecasting.problem.reading import Reading
from forecasting.tables.cells import days_of, numbers_of
from forecasting.tables.totals import find_totals
from forecasting.tables.workbook import is_workbook
from ml_service.errors import InvalidRequestError
from ml_service.settings.table_facts import gap_lines, number_text

SHOWN_ROWS = 3
_SAMPLE_BYTES = 1024 * 1024
_SAMPLE_CELLS = 2_000
_FITS = 0.9
"""Share of the cells from which on a way of writing is the table's; the others are left to the data contract."""
_SEVERAL = 0.1
"""Share of rows on a day that has another row already, from which on they are no mistake."""
_ENCODINGS = ("cp932", "euc_jp", "cp1252", "gb18030")
_LAYOUT = frozenset(("encoding", "separator", "sheet"))
"""Keys that say where cells are; the others say what a cell means."""
_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d %b %Y",
    "%d-%b-%Y", "%b %d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%Y年%m月%d日",
)  # fmt: skip
_TIMES = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p",
)  # fmt: skip
_OFFSETS = ("", "%z")
_NUMBERS: tuple[tuple[str, str | None], ...] = (
    (".", None),
    (",", None),
    (",", "."),
    (",", " "),
    (".", ","),
    (".", "'"),
    (".", " "),
)
_ENDING = re.compile(r"(?: ?[A-Za-z]{1,5}|[+-][0-9]{2})$")
"""Of a date: the name or the hours of an offset, as some databases write them."""
_SHORT_OFFSET = re.compile(r"(?<=:[0-9]{2})[+-][0-9]{2}$")  # which pandas reads and Python does not
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_Way = TypeVar("_Way")


@dataclass(frozen=True)
class Proposal:
    """How a table would be read. days, numbers: of each row; gaps: days of a series without a row; notes: doubts."""

    reading: Reading
    cells: pd.DataFrame
    days: pd.Series[pd.Timestamp]
    numbers: pd.Series[float]
    gaps: int
    gap_lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What differs from a plain CSV file."""
        unusual = self.reading.model_dump(exclude_defaults=True)
        return ", ".join(f"{key} {value!r}" for key, value in unusual.items()) or "a plain CSV file"

    def understood(self) -> list[str]:
        """Some rows: each cell as written in the table, and the value it was read as.

        The first ones, and the first one whose number another way of writing would make another number.
        """
        indexes = [*self.cells.index[:SHOWN_ROWS]]
        indexes += [index for index in self._telling() if index not in indexes]
        return [self._row(index) for index in indexes]

    def _telling(self) -> list[Any]:
        texts = _sample(self.cells.iloc[:, -1])
        read = numbers_of(texts, self.reading)
        apart = pd.Series(False, index=texts.index)
        for marks in _NUMBERS:
            other = numbers_of(texts, _marked(marks))
            apart |= other.notna() & read.notna() & (other != read)
        return [*apart.index[apart][:1]]

    def _row(self, index: Any) -> str:
        date, *keys, measure = self.cells.columns
        row, day = self.cells.loc[index], self.days.loc[index]
        written = "no day" if pd.isna(day) else f"{day:%A %Y-%m-%d}"
        names = "".join(f", {key} {row[key].strip()!r}" for key in keys)
        number = f"{measure} {row[measure]!r} is {number_text(self.numbers.loc[index])}"
        return f"{line_of(index)}: {date} {row[date]!r} is {written}{names}, {number}"


def parse_rules(rules: Sequence[str]) -> dict[str, object]:
    """`KEY=VALUE` of the section `reading`; true and false as YAML writes them. Raises: InvalidRequestError."""
    found: dict[str, object] = {}
    for rule in rules:
        key, equals, value = rule.partition("=")
        known = {name: field.annotation for name, field in Reading.model_fields.items()}
        if not equals or key not in known:
            raise InvalidRequestError(
                f"--reading {rule} is invalid", expected=f"KEY=VALUE with a key of {', '.join(known)}",
                todo="correct it",
            )  # fmt: skip
        found[key] = _SWITCHES.get(value.lower(), value) if known[key] is bool else value
    _demand_single_values(found)
    return found


def _demand_single_values(rules: Mapping[str, object]) -> None:
    """Check each value before a table is read by it: which of them belong together depends on the table.

    Raises: InvalidRequestError.
    """
    try:
        Reading.model_validate(dict(rules))
    except ValidationError as mistake:
        if any(error["loc"] for error in mistake.errors()):
            _reading(rules)


def propose(table: Path, date: str, keys: Sequence[str], measure: str, given: Mapping[str, object]) -> Proposal:
    """Find how a table is written. given: keys of the section that a person has decided.

    Raises: InvalidRequestError (two ways fit, a rule is invalid), ContractError of forecasting (no column, no table,
    a row that is a total).
    """
    file, needed = find_table(table), list(dict.fromkeys((date, *keys, measure)))
    rules = dict(given)
    if not is_workbook(file):
        rules = {**_of_text(file, needed, given), **rules}
    layout = {key: value for key, value in rules.items() if key in _LAYOUT}
    cells = read_cells(file, needed, _reading(layout))
    rules = {**_of_dates(_sample(cells[date]), rules), **rules}
    rules = {**_of_numbers(_sample(cells[measure]), rules), **rules}
    if is_workbook(file):  # a date of a workbook is written as the section says
        cells = read_cells(file, needed, _reading(rules))
    days = days_of(cells[date], _reading(rules))
    numbers = numbers_of(cells[measure], _reading(rules))
    if totals := total_findings(cells.loc[find_totals(days, cells[list(keys)], numbers), measure]):
        raise ContractError(str(file), totals)
    identity = pd.DataFrame({date: days, **{key: cells[key].str.strip() for key in keys}}).dropna()
    several = len(identity) and identity.duplicated().mean() >= _SEVERAL
    reading = _reading({"several_rows": bool(several), **rules})
    notes = _zone_notes(_sample(cells[date]), reading)
    return Proposal(reading, cells, days, numbers, _gaps(identity), tuple(gap_lines(identity)), notes)


def _reading(rules: Mapping[str, object]) -> Reading:
    """Raises: InvalidRequestError."""
    try:
        return Reading.model_validate(dict(rules))
    except ValidationError as mistake:
        said = "; ".join(sentences(mistake, Reading))
        raise InvalidRequestError("--reading cannot be used", found=said, todo="correct it") from None


def _sample(texts: pd.Series[str]) -> pd.Series[str]:
    """Different cells from the beginning and the end."""
    different = texts.str.strip().drop_duplicates()
    different = different[different != ""]
    return pd.concat([different.head(_SAMPLE_CELLS), different.tail(_SAMPLE_CELLS)]).drop_duplicates()


def _of_text(file: Path, needed: Sequence[str], given: Mapping[str, object]) -> dict[str, object]:
    """Encoding and separator: those under which the header has most of the columns that are asked for."""
    with opened(file) as content:
        sample = content.read(_SAMPLE_BYTES)
    encoding = str(given.get("encoding") or _encoding(sample, needed))
    first = sample.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace").splitlines()[:1]
    headers = {mark: _names(first, mark) for mark in SEPARATORS}
    separator = max(SEPARATORS, key=lambda mark: (len(set(needed) & set(headers[mark])), len(headers[mark])))
    return {"encoding": encoding, "separator": separator}


def _names(lines: Sequence[str], mark: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader(lines, delimiter=mark), [])]
    except csv.Error:
        return []


def _encoding(sample: bytes, needed: Sequence[str]) -> str:
    """The encoding of a text, as far as its beginning tells."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    legal = [name for name in ("utf-8", *_ENCODINGS) if _decodes(sample, name)]
    if not legal or legal[0] == "utf-8":
        return "utf-8"
    ways = product(legal, sample.split(b"\n")[:HEADER_LINES])
    named = (name for name, line in ways if set(needed) <= set(_words(line, name)))
    if not "".join(needed).isascii():
        return next(named, legal[-1])
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(legal)).best()
    return str(best.encoding) if best is not None and best.encoding in legal else legal[-1]


def _words(line: bytes, encoding: str) -> list[str]:
    """The names of the columns, if this line has them, whatever separates them."""
    return [name.strip(' "') for name in re.split(r"[,;\t|]", line.decode(encoding, errors="replace").strip())]


def _decodes(sample: bytes, encoding: str) -> bool:
    """Whether these bytes are of an encoding; the last character may be cut."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _of_dates(texts: pd.Series[str], given: Mapping[str, object]) -> dict[str, object]:
    """The form of the dates. Raises: InvalidRequestError where two fit, or a time zone has to be named."""
    if "date_format" in given:
        return {}
    forms = _forms_of(texts)
    if len(forms) > 1:
        days = {f"date_format={form}": days_of(texts, _trial(form)) for form in forms}
        index = _first_apart(list(days.values()))
        ways = [([rule], f"{read[index]:%Y-%m-%d}") for rule, read in days.items()]
        raise _undecided("the dates", index, texts, ways)
    if forms and "%z" in forms[0] and "time_zone" not in given:
        raise InvalidRequestError(
            "the days of times with an offset depend on a time zone",
            found=f"{line_of(texts.index[0])}: {texts.iloc[0]!r}",
            expected="the time zone whose days are meant: any IANA name, such as America/New_York or Asia/Tokyo",
            todo="repeat with --reading 'time_zone=Europe/Berlin' or --reading 'time_zone=UTC', or another name",
        )
    if not forms:
        _name_form_with_ending(texts)
    return {"date_format": forms[0]} if forms else {}


def _name_form_with_ending(texts: pd.Series[str]) -> None:
    """Raise InvalidRequestError with the form of dates that all end in the same words, such as ` UTC`."""
    ending = _ENDING.search(texts.iloc[0]) if len(texts) else None
    if ending is None or texts.str.endswith(ending.group()).mean() < _FITS:
        return
    if forms := _forms_of(texts.str.removesuffix(ending.group())):
        raise InvalidRequestError(
            f"the dates end with {ending.group()!r}",
            found=f"{line_of(texts.index[0])}: {texts.iloc[0]!r}",
            expected="dates as they are, with an offset such as +01:00, or a form that has this ending",
            todo=f"repeat with --reading 'date_format={forms[0]}{ending.group()}', which reads days as written",
        )


def _zone_notes(texts: pd.Series[str], reading: Reading) -> tuple[str, ...]:
    """A note where each time is midnight by its own offset, and another day begins in the zone of the problem."""
    if reading.time_zone is None:
        return ()
    zone, moments = ZoneInfo(reading.time_zone), []
    for text in texts:
        with suppress(ValueError):  # the contract reports it
            moments.append(datetime.strptime(_SHORT_OFFSET.sub(r"\g<0>00", text), reading.date_format))
    midnight = time_of_day()
    if not moments or any(moment.time() != midnight for moment in moments):
        return ()
    moved = next((moment for moment in moments if moment.astimezone(zone).time() != midnight), None)
    if moved is None:
        return ()
    own, day = moved.isoformat(), moved.astimezone(zone).date()
    said = f"every time is midnight by its own offset, but not in {reading.time_zone}: {own} counts as {day}"
    return (f"{said}. If these are days of another place, set time_zone to the name of that one.",)


def _forms_of(texts: pd.Series[str]) -> list[str]:
    """The forms that fit; one with fractions of a second also reads texts without."""
    forms = _fitting(_forms(), lambda form: days_of(texts, _trial(form)).notna().mean())
    plain = set(forms)
    return [form for form in forms if ".%f" not in form or form.replace(".%f", "") not in plain]


def _trial(form: str) -> Reading:
    return Reading(date_format=form, time_zone="UTC" if "%z" in form else None)


def _forms() -> Iterator[str]:
    """The forms that are tried."""
    for day, time, offset in product(_DAYS, _TIMES, _OFFSETS):
        if time or not offset:
            yield day + time + offset


def _of_numbers(texts: pd.Series[str], given: Mapping[str, object]) -> dict[str, object]:
    """The marks of the numbers. Raises: InvalidRequestError where two ways fit and give other numbers."""
    if {"decimal", "thousands"} & set(given) or not len(texts):
        return {}
    read = {marks: numbers_of(texts, _marked(marks)) for marks in _NUMBERS}
    ways = _fitting(_NUMBERS, lambda marks: read[marks].notna().mean())
    if not ways or ways[0] == _NUMBERS[0]:
        return {}
    different = list({tuple(read[way].fillna(0)): way for way in reversed(ways)}.values())
    if len(different) > 1:
        different.reverse()
        index = _first_apart([read[way] for way in different])
        found_ways = [(_typed(way), number_text(read[way][index])) for way in different]
        raise _undecided("the numbers", index, texts, found_ways)
    return dict(zip(("decimal", "thousands"), ways[0], strict=True))


def _typed(marks: tuple[str, str | None]) -> list[str]:
    """The rules that say which marks numbers have."""
    decimal, thousands = marks
    return [f"decimal={decimal}", f"thousands={thousands}"] if thousands else [f"decimal={decimal}"]


def _marked(marks: tuple[str, str | None]) -> Reading:
    return Reading.model_validate({"decimal": marks[0], "thousands": marks[1]})


def _fitting(ways: Iterable[_Way], share: Callable[[_Way], float]) -> list[_Way]:
    """The ways that fit best, if they fit at all."""
    shares = {way: share(way) for way in ways}
    best = max(shares.values(), default=0.0)
    return [way for way, fits in shares.items() if fits == best and fits >= _FITS]


def _first_apart(read: Sequence[pd.Series[Any]]) -> Any:
    """Where two ways of reading the same cells first give different values."""
    first, *others = read
    apart = pd.Series(False, index=first.index)
    for other in others:
        apart |= (other != first) & ~(other.isna() & first.isna())
    return apart.index[apart][0]


def _undecided(
    what: str, index: Any, texts: pd.Series[str], ways: Sequence[tuple[Sequence[str], str]]
) -> InvalidRequestError:
    """ways: of each the rules that belong together, and what they make of the cell."""
    options = " or ".join("--reading '" + "' --reading '".join(rules) + "'" for rules, _ in ways)
    reads = "; ".join(f"{' '.join(rules)} reads {value}" for rules, value in ways)
    return InvalidRequestError(
        f"{what} can be read in more than one way", found=f"{line_of(index)}: {texts[index]!r}",
        expected=f"one way to read them: {reads}", todo=f"repeat with {options}",
    )  # fmt: skip


def _gaps(identity: pd.DataFrame) -> int:
    """Days of a series without a row, on days that another series has a row of."""
    date, *keys = identity.columns
    if not keys or identity.empty:
        return 0
    return int(identity[date].nunique() * len(identity[keys].drop_duplicates()) - len(identity.drop_duplicates()))
