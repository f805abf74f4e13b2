"""Numbers and days in other forms: read as they are meant, and not at all where a mark has another meaning."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from pydantic import ValidationError

from forecasting.problem.reading import Reading
from forecasting.tables.cells import days_of, number_text, numbers_of

GERMAN = Reading(decimal=",", thousands=".")
NUMBERS = [
    (GERMAN, "1.234.567,5", 1234567.5),
    (GERMAN, " -12,5 ", -12.5),
    (GERMAN, "1234,5", 1234.5),
    (GERMAN, "12e3", 12000.0),
    (GERMAN, "1.23", math.nan),  # no group of three: a point that is meant as a decimal mark
    (GERMAN, "12.34.567", math.nan),
    (GERMAN, "1,234.5", math.nan),
    (Reading(decimal=","), "1.234", math.nan),
    (Reading(decimal=","), "2,5", 2.5),
    (Reading(decimal=","), "", math.nan),
    (Reading(decimal=",", thousands=" "), "1\u202f234\u00a0567,5", 1234567.5),
    (Reading(thousands="'"), "1'234.5", 1234.5),
    (Reading(thousands=","), "1,234.5", 1234.5),
    (Reading(thousands=","), "1,23", math.nan),
]


@pytest.mark.parametrize(("reading", "text", "number"), NUMBERS)
def test_a_number_is_read_as_the_section_says(reading: Reading, text: str, number: float) -> None:
    assert numbers_of(pd.Series([text]), reading).iloc[0] == pytest.approx(number, nan_ok=True)


def test_a_day_is_that_of_the_time_zone() -> None:
    reading = Reading(date_format="%Y-%m-%dT%H:%M:%S%z", time_zone="Asia/Tokyo")
    texts = pd.Series(["2024-03-01T14:59:59Z", "2024-03-01T15:00:00Z", "2024-03-02T00:00:00+09:00", "2024-03-01"])
    days = days_of(texts, reading)
    assert [str(day)[:10] for day in days] == ["2024-03-01", "2024-03-02", "2024-03-02", "NaT"]


def test_a_fraction_of_a_second_may_be_left_out() -> None:
    for suffix, zone in (("", None), ("%z", "UTC")):
        reading = Reading(date_format=f"%Y-%m-%dT%H:%M:%S.%f{suffix}", time_zone=zone)
        end = "Z" if zone else ""
        texts = pd.Series([f"2024-03-01T10:00:00.250{end}", f"2024-03-02T10:00:00{end}", "2024-03-03"])
        days = days_of(texts, reading)
        assert [str(day)[:10] for day in days] == ["2024-03-01", "2024-03-02", "NaT"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("date_format", "%d.%m", "it lacks the day"),
        ("date_format", "%A %Y-%m-%d", "%A is not supported"),
        ("date_format", "%Y-%m-%dT%H:%M:%S%z", "date_format has %z, expected time_zone, too"),
        ("time_zone", "Europe/Berlin", "date_format is %Y-%m-%d without %z"),
        ("time_zone", "../../etc/passwd", "it is not a time zone"),
        ("thousands", ".", "thousands and decimal are both '.'"),
        ("encoding", "rot13", "Input should be 'utf-8'"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("'.'", r"'\.'")):
        Reading.model_validate({key: value})


def test_a_number_of_a_workbook_is_written_as_the_section_says() -> None:
    assert [number_text(value, GERMAN) for value in (7.0, 2.5, -1e20)] == ["7", "2,5", "-1e+20"]
