"""Tables as programs export them: one of each kind that newcomers bring, with what a person types or has to correct.

The quirks are those of the programs: quoted cells, columns without a name, padded numbers, months without a zero in
front, fractions of a second that are left out, titles above the header, totals below the rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from tests.arriving_tables import DAYS, ONE

VALUES = ONE[""]
ROWS: list[tuple[int, date, float]] = [(number, day, VALUES[number]) for number, day in enumerate(DAYS)]
NEGATIVE = ("non_negative: true", "non_negative: false")


@dataclass(frozen=True)
class Exported:
    """A table: date and measure, its bytes; refused: what the first attempt says.

    typed: rules that a person types then, edits: of the problem file, corrected: the bytes after the correction.
    """

    columns: tuple[str, str]
    content: bytes
    name: str = "export.csv"
    keys: tuple[str, ...] = ()
    aggregation: str = "sum"
    refused: str = ""
    typed: dict[str, object] = field(default_factory=dict)
    missing: str = ""
    edits: tuple[tuple[str, str], ...] = ()
    corrected: bytes = b""


def lines(header: str, rows: Iterable[str], encoding: str = "utf-8", end: str = "\r\n") -> bytes:
    return end.join([header, *rows, ""]).encode(encoding)


def german(number: float, places: int = 2) -> str:
    return f"{number:,.{places}f}".translate(str.maketrans(",.", ".,"))


def short(day: date, separator: str = "/") -> str:
    """Year first, as Excel shows a day in Japan: no zeros in front."""
    return f"{day.year}{separator}{day.month}{separator}{day.day}"


def american(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


def of_erp() -> bytes:
    """A ledger of an ERP system: everything quoted, a column at the end that has no name."""
    rows = (f'"{day:%d.%m.%Y}";"Köln";"{german(number * 1000)}";' for _, day, number in ROWS)
    return lines('"Buchungstag";"Filiale";"Umsatz";', rows, "cp1252")


def of_point_of_sale() -> bytes:
    """Receipts with a time in UTC; the program leaves out a fraction of a second that is zero."""
    rows = []
    for place, day, number in ROWS:
        for receipt in range(4):
            fraction = "" if place % 9 == 0 else f".{place:03}"
            moment = f"{day}T{9 + receipt:02}:{place % 60:02}:{receipt:02}{fraction}Z"
            rows.append(f"{place}-{receipt},{moment},card,{number / 4:.4f}")
    return lines("receipt,created_at,method,amount", rows, end="\n")


def of_grid() -> bytes:
    rows = (f"{day:%d.%m.%Y} {hour:02}:00;{german(number, 1)}" for _, day, number in ROWS for hour in range(24))
    return lines("Zeit;Last [MW]", rows, "cp1252")


def of_weather_service() -> bytes:
    """Station files: days without marks, numbers padded with blanks, an end mark in each row."""
    rows = (f"433;{day:%Y%m%d};    3;{number - 12:7.1f};eor" for _, day, number in ROWS)
    return lines("STATIONS_ID;MESS_DATUM;QN_3; TMK;eor", rows)


def of_spreadsheet(*, titled: bool) -> bytes:
    """A workbook with a title and an empty row above the header, or without."""
    from openpyxl import Workbook

    book, content = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in [["Umsatzbericht 2024"], []] if titled else []:
        sheet.append(row)
    sheet.append(["Datum", "Filiale", "Umsatz"])
    for _, day, number in ROWS:
        sheet.append([day, "Nord", number])
    book.save(content)
    return content.getvalue()


def with_empty_cells(*, left_out: bool) -> bytes:
    """Three series; a shop was closed on some days, as an empty cell or without a row."""
    rows = []
    for place, day, number in ROWS:
        for shop in ("Nord", "Ost", "Süd"):
            closed = shop == "Ost" and place % 30 == 1
            if not (closed and left_out):
                rows.append(f"{day},{shop},{'' if closed else number}")
    return lines("Day,Shop,Units", rows)


def with_returns() -> bytes:
    return lines(
        "Date,Type,Amount", (row for _, day, n in ROWS for row in (f"{day},sale,{n}", f"{day},return,{-n / 8:.2f}"))
    )


def of_american_spreadsheet() -> bytes:
    rows = (f'{american(day)},Main,"{number * 1000:,.2f}"' for _, day, number in ROWS)
    return lines("Date,Store,Net Sales", rows, "utf-8-sig")


def of_japanese_register() -> bytes:
    """Half-width and circled characters that only Microsoft's Shift_JIS has."""
    rows = (f'{short(day)},髙島屋①,ｶﾌｪﾗﾃ,"{int(number * 500):,}"' for _, day, number in ROWS)
    return lines("売上日,店舗名,商品名,売上金額", rows, "cp932")


def with_total(*, kept: bool) -> bytes:
    rows = [f"{day:%d.%m.%Y};{german(number * 1000)}" for _, day, number in ROWS]
    return lines("Datum;Umsatz", [*rows, *(["", f"Gesamtsumme;{german(sum(VALUES) * 1000)}"] if kept else [])])


def plain(day_of: Callable[[date], str], header: str = "SaleDate,Qty") -> bytes:
    return lines(header, (f"{day_of(day)},{number}" for _, day, number in ROWS))


EXPORTS: dict[str, Exported] = {
    "semicolons and decimal commas": Exported(("Buchungstag", "Umsatz"), of_erp()),
    "Excel with a mark of its encoding": Exported(("Date", "Net Sales"), of_american_spreadsheet()),
    "Shift_JIS": Exported(
        ("売上日", "売上金額"), of_japanese_register(), keys=("商品名",),
        refused="repeat with --reading 'decimal=,' or --reading 'decimal=.' --reading 'thousands=,'",
        typed={"decimal": ".", "thousands": ","},
    ),
    "days with slashes": Exported(("day", "units"), plain(short, "day,units")),
    "timestamps at midnight": Exported(("SaleDate", "Qty"), plain(lambda day: f"{american(day)} 12:00:00 AM")),
    "raw transactions": Exported(
        ("created_at", "amount"), of_point_of_sale(),
        refused="repeat with --reading 'time_zone=Europe/Berlin' or --reading 'time_zone=UTC'",
        typed={"time_zone": "Europe/Berlin"},
    ),
    "hourly values": Exported(("Zeit", "Last [MW]"), of_grid(), aggregation="mean"),
    "temperatures": Exported(
        ("MESS_DATUM", "TMK"), of_weather_service(),
        refused="set contract.non_negative to false", edits=(NEGATIVE,),
    ),
    "a workbook with a title": Exported(
        ("Datum", "Umsatz"), of_spreadsheet(titled=True), "export.xlsx",
        refused="the table at line 1: is not the header, which is in line 3; expected the header. "
        "Remove the lines above the header.", corrected=of_spreadsheet(titled=False),
    ),
    "three series with empty cells": Exported(
        ("Day", "Units"), with_empty_cells(left_out=False), keys=("Shop",),
        refused="empty; expected a number. Fill it in, or remove the row; series.missing says what",
        missing="zero", corrected=with_empty_cells(left_out=True),
    ),
    "negative returns": Exported(
        ("Date", "Amount"), with_returns(), refused="set contract.non_negative to false", edits=(NEGATIVE,)
    ),
    "a total below the rows": Exported(
        ("Datum", "Umsatz"), with_total(kept=True), refused="line 243 ('Gesamtsumme'): not a day; expected %d.%m.%Y",
        corrected=with_total(kept=False),
    ),
}  # fmt: skip
