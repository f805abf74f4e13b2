"""A table of another system: other columns, many series of very different size, a trend and busy ends of months."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

FIRST = date(2024, 1, 1)
SHOPS, ITEMS = ("Nord", "Süd"), ("bread", "coffee", "milk")
WEEK = (1.0, 0.9, 0.9, 1.0, 1.3, 1.8, 0.4)


def units(shop: int, item: int, number: int) -> int:
    """Units sold: made by arithmetic, so that everybody has the same table."""
    day = FIRST + timedelta(days=number)
    level = (10, 80, 700)[item] * (1 + shop) * (1 + number / 200)
    busy = 1.5 if (day + timedelta(days=1)).day == 1 else 1.0
    wobble = 1 + ((number * 37 + item * 11 + shop * 5) % 13 - 6) / 60
    return round(level * WEEK[day.weekday()] * busy * wobble)


def write_sales(path: Path, days: int = 320) -> Path:
    """Write the table: a row a shop, item and day."""
    lines = ["Shop,Item,Day,Units,Remark"]
    for number in range(days):
        day = FIRST + timedelta(days=number)
        lines += [
            f'{shop},{item},{day},{units(row, column, number)},"counted, twice"'
            for row, shop in enumerate(SHOPS)
            for column, item in enumerate(ITEMS)
        ]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path
