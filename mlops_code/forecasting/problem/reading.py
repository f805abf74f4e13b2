"""How a delivered table is written: the section `reading`. What it leaves out is as in a plain CSV file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from forecasting.problem.sections import Section, Text

ISO_DAY = "%Y-%m-%d"
Encoding = Literal["utf-8", "utf-16", "cp932", "shift_jis", "euc_jp", "cp1250", "cp1252", "iso-8859-15", "gb18030"]
_DIRECTIVES = frozenset("YymdbBHIMSfpz")
_DIRECTIVE = re.compile(r"%(.)")
_WHAT_MAKES_A_DAY = (("%Y", "%y"), ("%m", "%b", "%B"), ("%d",))
_TABS = ("tab", r"\t")  # the second as a shell hands it on
_SOME_MOMENT = datetime(2024, 12, 31, 23, 58, 59, tzinfo=UTC)
_EXAMPLES = "such as %Y-%m-%d, %d.%m.%Y or %Y-%m-%d %H:%M:%S"


def _readable(date_format: str) -> str:
    """Raises: ValueError for a form that says no day, or says one in words of another program."""
    if unknown := [f"%{letter}" for letter in _DIRECTIVE.findall(date_format) if letter not in _DIRECTIVES]:
        raise ValueError(f"{', '.join(unknown)} is not supported, expected a form {_EXAMPLES}")
    if not all(set(parts) & set(re.findall(r"%.", date_format)) for parts in _WHAT_MAKES_A_DAY):
        raise ValueError(f"it lacks the day, month or year, expected all three, {_EXAMPLES}")
    try:
        datetime.strptime(_SOME_MOMENT.strftime(date_format), date_format)
    except (ValueError, re.error):
        raise ValueError(f"it has a stray % or a part twice, expected a form {_EXAMPLES}") from None
    return date_format


def _separator(given: object) -> object:
    """A tab by its name, because it cannot be seen."""
    return "\t" if given in _TABS else given


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):  # a name that nobody knows is a KeyError
        raise ValueError(
            "it is not a time zone, expected an IANA name such as Europe/Berlin, America/New_York, Asia/Tokyo or UTC"
        ) from None


class Reading(Section):
    """How cells are separated, encoded and written; several_rows: whether a day of a series may have several rows."""

    separator: Annotated[Literal[",", ";", "\t", "|"], BeforeValidator(_separator)] = ","  # or the word tab
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", "'", " "] | None = None  # between groups of three digits; None: there are no groups
    encoding: Encoding = "utf-8"
    date_format: Annotated[str, Field(max_length=64), AfterValidator(_readable)] = ISO_DAY  # as Python's strptime
    # Whose days are meant, where date_format ends with %z, the offset of each row; else the day is read as written.
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] | None = None
    sheet: Text | None = None  # of a workbook (.xlsx); it may be left out where there is only one
    several_rows: bool = False  # as of transactions or hourly values; series.aggregation says what becomes of them

    @property
    def timed(self) -> bool:
        """Whether a date has a time of day."""
        return "%H" in self.date_format or "%I" in self.date_format

    @model_validator(mode="after")
    def _fits_together(self) -> Reading:
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}, expected different marks")
        if self.time_zone is not None and "%z" not in self.date_format:
            raise ValueError(
                f"time_zone is {self.time_zone}, but date_format is {self.date_format} without %z: days without an "
                "offset are read as they are written. Remove time_zone, or correct date_format"
            )
        if self.time_zone is None and "%z" in self.date_format:
            raise ValueError(
                "date_format has %z, expected time_zone, too: the IANA name of the place whose days are meant, "
                "such as Europe/Berlin"
            )
        return self
