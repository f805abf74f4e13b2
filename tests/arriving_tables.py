"""Tables as other systems write them, made from one series that a test knows: how each is typed, and what it holds.

`TABLES` has the twelve kinds that a newcomer brings along; `write` makes the file and returns what must be read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

FIRST = date(2024, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(240)]
WEEK = (12, 10, 11, 13, 16, 22, 6)
Series = dict[str, list[float]]


def value(day: date, scale: float = 1.0) -> float:
    """A level that rises, with a week and a wobble; quarters, so that every text has the same number."""
    number = (day - FIRST).days
    return round((WEEK[day.weekday()] * 4 + number // 10 + number * 7 % 5) * scale) / 4


ONE: Series = {"": [value(day) for day in DAYS]}


@dataclass(frozen=True)
class Arriving:
    """A table: its columns, how it is written, what it holds, and what a person has to type or edit."""

    columns: tuple[str, ...]
    write: Callable[[Path], Series]
    name: str = "table.csv"
    keys: tuple[str, ...] = ()
    aggregation: str = "sum"
    rules: dict[str, object] = field(default_factory=dict)
    missing: str = ""
    refused: str = ""
    """What the first check says; after `edits` it must pass."""
    edits: tuple[tuple[str, str], ...] = ()
    cured: bool = True
    """Whether an edit of the problem file cures it; else the table has to be corrected."""


def _lines(path: Path, rows: Iterable[Iterable[object]], separator: str = ",", encoding: str = "utf-8") -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def semicolons(path: Path) -> Series:
    """A German export: decimal comma, point between thousands."""

    def german(number: float) -> str:
        return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))

    big = [number * 1000 for number in ONE[""]]
    rows = ((f"{day:%d.%m.%Y}", "Süd", german(number)) for day, number in zip(DAYS, big, strict=True))
    _lines(path, [("Datum", "Ort", "Umsatz"), *rows], ";", "cp1252")
    return {"": big}


def excel_export(path: Path) -> Series:
    """What Excel saves as "CSV UTF-8" on a machine that separates by semicolons."""
    rows = ((f"{day}", f"{number:.2f}".replace(".", ",")) for day, number in zip(DAYS, ONE[""], strict=True))
    _lines(path, [("Day", "Größe"), *rows], ";", "utf-8-sig")
    return ONE


def shift_jis(path: Path) -> Series:
    """A Japanese export with Japanese columns and series."""
    series = {"りんご": [value(day) for day in DAYS], "表示": [value(day, 2) for day in DAYS]}
    rows = [(f"{day:%Y/%m/%d}", key, series[key][place]) for place, day in enumerate(DAYS) for key in series]
    _lines(path, [("日付", "商品", "売上"), *rows], encoding="cp932")
    return series


def slashes(path: Path) -> Series:
    """Days as 2024/03/01."""
    rows = ((f"{day:%Y/%m/%d}", number) for day, number in zip(DAYS, ONE[""], strict=True))
    _lines(path, [("Day", "Units"), *rows])
    return ONE


def midnights(path: Path) -> Series:
    """A database's timestamps, all at midnight."""
    rows = ((f"{day} 00:00:00", number) for day, number in zip(DAYS, ONE[""], strict=True))
    _lines(path, [("Day", "Units"), *rows])
    return ONE


def transactions(path: Path) -> Series:
    """A row a sale, at some time of the day; the parts of a day add up to its value."""
    rows = []
    for place, day in enumerate(DAYS):
        first = ONE[""][place] // 3
        for number, part in enumerate((first, first, ONE[""][place] - 2 * first)):
            rows.append((f"{day}T{9 + number:02}:{place % 60:02}:{number:02}", f"T{place}-{number}", part))
    _lines(path, [("SoldAt", "Receipt", "Amount"), *rows])
    return ONE


def hours(path: Path) -> Series:
    """A value an hour, in UTC, to be averaged over the days of Berlin."""
    start = datetime(2024, 1, 1)
    rows = []
    for hour in range(len(DAYS) * 24 - 1, -26, -1):
        moment = start + timedelta(hours=hour)
        local = moment + timedelta(hours=2 if datetime(2024, 3, 31, 1) <= moment < datetime(2024, 10, 27, 1) else 1)
        rows.append((f"{moment:%Y-%m-%dT%H:%M:%S}Z", value(local.date()) if local.date() in set(DAYS) else 0))
    kept = [row for row in rows if row[1]]
    _lines(path, [("Time", "Load"), *kept])
    return ONE


def temperatures(path: Path) -> Series:
    """Values below zero that are right."""
    values = [number - 12 for number in ONE[""]]
    _lines(path, [("Day", "Celsius"), *zip(DAYS, values, strict=True)])
    return {"": values}


def workbook(path: Path) -> Series:
    """A workbook of two sheets with dates and numbers as Excel has them, and an empty row at the end."""
    from openpyxl import Workbook

    book = Workbook()
    notes, sheet = book.active, book.create_sheet("Sales")
    assert notes is not None
    notes.append(["exported on a Monday"])
    sheet.append(["Day", "Shop", "Units"])
    for day, number in zip(DAYS, ONE[""], strict=True):
        sheet.append([datetime(day.year, day.month, day.day), 7, number])
    sheet.append([None, None, None])
    book.save(path)
    return ONE


def gaps(path: Path) -> Series:
    """Three series; two of them have no row on some days."""
    series = {key: [value(day, scale) for day in DAYS] for key, scale in (("a", 1), ("b", 2), ("c", 3))}
    for place in range(5, 190, 5):
        series["b"][place] = series["c"][place + 1] = 0.0
    rows = [(day, key, series[key][place]) for place, day in enumerate(DAYS) for key in series if series[key][place]]
    _lines(path, [("Day", "Item", "Units"), *rows])
    return series


def returns(path: Path) -> Series:
    """Sales with returns as negative rows of their own."""
    rows = [(day, number + 3) for day, number in zip(DAYS, ONE[""], strict=True)]
    rows += [(day, -3) for day in DAYS]
    _lines(path, [("Day", "Units"), *sorted(rows, key=lambda row: row[0])])
    return ONE


def with_total(path: Path) -> Series:
    """A total below the rows."""
    _lines(path, [("Day", "Units"), *zip(DAYS, ONE[""], strict=True), ("Total", sum(ONE[""]))])
    return ONE


_NEGATIVE = ("non_negative: true", "non_negative: false")
TABLES: dict[str, Arriving] = {
    "semicolons and decimal commas": Arriving(("Datum", "Umsatz"), semicolons),
    "an export of Excel with a mark of its encoding": Arriving(("Day", "Größe"), excel_export),
    "Shift_JIS": Arriving(("日付", "売上"), shift_jis, keys=("商品",)),
    "days with slashes": Arriving(("Day", "Units"), slashes),
    "timestamps at midnight": Arriving(("Day", "Units"), midnights),
    "raw transactions": Arriving(("SoldAt", "Amount"), transactions),
    "hourly values": Arriving(
        ("Time", "Load"), hours, aggregation="mean", rules={"time_zone": "Europe/Berlin"},
    ),
    "temperatures": Arriving(
        ("Day", "Celsius"), temperatures, refused="set contract.non_negative to false", edits=(_NEGATIVE,)
    ),
    "a workbook": Arriving(("Day", "Units"), workbook, "table.xlsx", rules={"sheet": "Sales"}),
    "three series with gaps": Arriving(("Day", "Units"), gaps, keys=("Item",), missing="zero"),
    "negative returns": Arriving(
        ("Day", "Units"), returns, refused="set contract.non_negative to false", edits=(_NEGATIVE,)
    ),
    "a total below the rows": Arriving(
        ("Day", "Units"), with_total, refused="line 242 ('Total'): not a day; expected YYYY-MM-DD", cured=False
    ),
}  # fmt: skip
