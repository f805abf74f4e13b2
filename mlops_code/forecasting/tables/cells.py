"""Texts of cells as days and numbers, by the rules of the section `reading`; what they do not fit stays empty."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from forecasting.problem.reading import Reading

_FRACTION = ".%f"
_BLANKS = " \u00a0\u202f"  # how programs write a blank between thousands


def days_of(texts: pd.Series[str], reading: Reading) -> pd.Series[pd.Timestamp]:
    """The day of each text, at midnight and without a zone; NaT where it is not written in `date_format`."""
    written = texts.str.strip()
    zoned = reading.time_zone is not None
    moments = pd.to_datetime(written, format=reading.date_format, errors="coerce", utc=zoned)
    if _FRACTION in reading.date_format:  # programs leave out a fraction of a second that is zero
        whole = reading.date_format.replace(_FRACTION, "")
        moments = moments.fillna(pd.to_datetime(written, format=whole, errors="coerce", utc=zoned))
    if zoned:
        moments = moments.dt.tz_convert(reading.time_zone).dt.tz_localize(None)
    return moments.dt.normalize()


def numbers_of(texts: pd.Series[str], reading: Reading) -> pd.Series[float]:
    """The number of each text; NaN where it is not written with the marks of the section."""
    if (reading.decimal, reading.thousands) == (".", None):
        return pd.to_numeric(texts, errors="coerce").astype(np.float64)
    plain = texts.str.strip()
    legal = plain.str.fullmatch(_pattern(reading))
    if reading.thousands:
        plain = plain.str.replace(f"[{_marks(reading.thousands)}]", "", regex=True)
    plain = plain.str.replace(reading.decimal, ".", regex=False)
    return pd.to_numeric(plain.where(legal, ""), errors="coerce").astype(np.float64)


def number_text(value: float, reading: Reading) -> str:
    """A number of a workbook, as a text of this section says it."""
    if isinstance(value, int):
        return str(value)  # also one that no float can hold: the contract refuses it by its cell
    whole = value.is_integer() and abs(value) < 1e15
    return (str(int(value)) if whole else repr(value)).replace(".", reading.decimal)


def _pattern(reading: Reading) -> str:
    """One pass over a cell: no part can begin in two ways."""
    digits = r"\d+"
    if reading.thousands:
        digits = rf"(?:\d{{1,3}}(?:[{_marks(reading.thousands)}]\d{{3}})+|\d+)"
    return rf"[+-]?{digits}(?:{re.escape(reading.decimal)}\d*)?(?:[eE][+-]?\d{{1,3}})?"


def _marks(mark: str) -> str:
    """What may stand between thousands, as the content of a character class."""
    return re.escape(_BLANKS if mark == " " else mark)
