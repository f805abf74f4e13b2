"""Derive the daily tables that the project embeds from AdventureWorks' transaction history.

Why a script: the embedded figures must be reproducible from the raw table, byte for byte, so that a reader
can check where each number of a forecast comes from. Amounts are added with decimal arithmetic, because
binary floating point would make the last digits depend on the order of the rows.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

USED_COLUMNS = ("TransactionDate", "TransactionType", "ProductID", "Quantity", "ActualCost")
# Production.TransactionHistory as Microsoft's install script ships it: tab-separated, no header line.
HEADERLESS_COLUMNS = (
    "TransactionID", "ProductID", "ReferenceOrderID", "ReferenceOrderLineID", "TransactionDate",
    "TransactionType", "Quantity", "ActualCost", "ModifiedDate",
)  # fmt: skip
OUTPUT_COLUMNS = ("TransactionDate", "TransactionType", "Transactions", "Quantity", "Amount")
PRODUCT_COLUMNS = ("ProductID", "TransactionDate", "Quantity", "PaidAmount")
SALE = "S"
Key = tuple[str, str, str]
SHOWN_FINDINGS = 10
EXIT_USAGE, EXIT_REFUSED = 2, 3


class DataRefusedError(Exception):
    """The raw table cannot be summed; the message names the file, the rows and what to do."""


@dataclass
class Total:
    """What one group of rows adds up to: a count of rows, units, and dollars with 4 decimal places."""

    transactions: int = 0
    quantity: int = 0
    amount: Decimal = field(default_factory=Decimal)


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a plain or gzip-compressed file as text; a byte order mark, if any, is dropped."""
    with path.open("rb") as stored:
        content = gzip.GzipFile(fileobj=stored) if path.suffix == ".gz" else stored
        with io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as text:
            yield text


def text_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row by column name) of a CSV file with a header or of the headerless form."""
    with open_text(path) as text:
        first = text.readline()
        if not first.strip():
            raise DataRefusedError(f"{path} is empty; expected one row a transaction.")
        if "\t" in first:
            reader = csv.reader(_again(first, text), delimiter="\t")
            yield from _named_rows(path, reader, HEADERLESS_COLUMNS, first_line=1)
            return
        header = next(csv.reader([first]))
        _demand_columns(path, header)
        yield from _named_rows(path, csv.reader(text), header, first_line=2)


def _again(first: str, rest: TextIO) -> Iterator[str]:
    """Put the line that was read to recognise the form back in front of the others."""
    yield first
    yield from rest


def _demand_columns(path: Path, header: list[str]) -> None:
    missing = [name for name in USED_COLUMNS if name not in header]
    if missing:
        raise DataRefusedError(
            f"{path}: column {', '.join(missing)} is missing. Expected {', '.join(USED_COLUMNS)} "
            f"(others are ignored); found {', '.join(header)}. Export the table with its header line."
        )


def _named_rows(
    path: Path, reader: Iterator[list[str]], names: tuple[str, ...] | list[str], first_line: int
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, cells in enumerate(reader, first_line):
        if not cells:
            continue
        if len(cells) != len(names):
            raise DataRefusedError(
                f"{path}, line {line}: {len(cells)} fields, expected {len(names)} ({', '.join(names)}). "
                "Is the file cut off, or its separator not the one of the first line?"
            )
        yield line, dict(zip(names, cells, strict=True))


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (row number, row) of a Parquet file; needs pyarrow, which only this form uses."""
    from pyarrow import parquet  # type: ignore[import-untyped]

    _demand_columns(path, parquet.read_schema(path).names)
    table = parquet.read_table(path, columns=list(USED_COLUMNS))
    for number, row in enumerate(table.to_pylist(), 1):
        yield number, {name: str(value) for name, value in row.items()}


def add_up(path: Path) -> dict[Key, Total]:
    """Sum the raw table by (ISO date, type, product).

    Every malformed row is looked at before the table is refused, so that one run names them all (the first
    ten in full). Raises: DataRefusedError, OSError.
    """
    totals: dict[Key, Total] = {}
    findings: list[str] = []
    for line, row in parquet_rows(path) if path.suffix == ".parquet" else text_rows(path):
        try:
            key, quantity, amount = _read_row(row)
        except ValueError as mistake:
            findings.append(f"line {line}: {mistake}")
            continue
        total = totals.setdefault(key, Total())
        total.transactions += 1
        total.quantity += quantity
        total.amount += amount
    if findings:
        shown = "\n  ".join(findings[:SHOWN_FINDINGS])
        raise DataRefusedError(
            f"{path}: {len(findings)} rows cannot be used, nothing was written. Correct or remove them:\n  {shown}"
        )
    if not totals:
        raise DataRefusedError(f"{path} has no rows; expected the transaction history.")
    return totals


def _read_row(row: dict[str, str]) -> tuple[Key, int, Decimal]:
    """Return ((date, type, product), quantity, quantity x cost); ValueError says which cell is wrong and how."""
    try:
        day = date.fromisoformat(row["TransactionDate"][:10]).isoformat()
    except ValueError:
        raise ValueError(f"TransactionDate {row['TransactionDate']!r}, expected YYYY-MM-DD") from None
    kind = row["TransactionType"].strip()
    if not kind:
        raise ValueError("TransactionType is empty, expected a letter such as S, P or W")
    product = row["ProductID"].strip()
    if not product.isdecimal():
        raise ValueError(f"ProductID {product!r}, expected a number")
    try:
        quantity = int(row["Quantity"])
    except ValueError:
        raise ValueError(f"Quantity {row['Quantity']!r}, expected a whole number") from None
    try:
        cost = Decimal(row["ActualCost"])
    except InvalidOperation:
        raise ValueError(f"ActualCost {row['ActualCost']!r}, expected a number") from None
    if quantity < 0 or not cost.is_finite() or cost < 0:
        raise ValueError(f"Quantity {quantity}, ActualCost {cost}: expected finite numbers >= 0")
    return (day, kind, product), quantity, quantity * cost


def plain(amount: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros: the one form that compares as bytes."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def by_type(totals: dict[Key, Total]) -> list[str]:
    """One line a date and type, sorted."""
    merged: dict[tuple[str, str], Total] = {}
    for (day, kind, _), part in totals.items():
        total = merged.setdefault((day, kind), Total())
        total.transactions += part.transactions
        total.quantity += part.quantity
        total.amount += part.amount
    return [
        f"{day},{kind},{total.transactions},{total.quantity},{plain(total.amount)}"
        for (day, kind), total in sorted(merged.items())
    ]


def by_product(totals: dict[Key, Total], min_days: int) -> list[str]:
    """One line a product and date of sales, for the products that sold on at least min_days days."""
    sales = {(product, day): total for (day, kind, product), total in totals.items() if kind == SALE}
    days = Counter(product for product, _ in sales)
    return [
        f"{product},{day},{total.quantity},{plain(total.amount)}"
        for (product, day), total in sorted(sales.items(), key=lambda item: (int(item[0][0]), item[0][1]))
        if days[product] >= min_days
    ]


def write_lines(header: tuple[str, ...], lines: list[str], out: Path) -> None:
    """Write a table; an old file stays whole until the new one is."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".part")
    draft.write_bytes(("\n".join([",".join(header), *lines]) + "\n").encode())
    draft.replace(out)


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Sum AdventureWorks' Production.TransactionHistory to a row a date and transaction type, or with "
        "--products to a row a product and date of sales.",
        epilog="Exit codes: 0 written; 2 usage or missing file; 3 the table was refused, nothing written.",
    )
    parser.add_argument(
        "raw",
        type=Path,
        help="the raw table: CSV or CSV.gz whose header names TransactionDate, TransactionType, ProductID, Quantity "
        "and ActualCost; or Microsoft's headerless tab-separated TransactionHistory.csv; or Parquet",
    )
    parser.add_argument(
        "--products", type=int, metavar="DAYS", help="sales by product, of those that sold on at least DAYS days"
    )
    parser.add_argument("--out", type=Path, help="where to write (default: the embedded table beside this script)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Derive the daily table; returns the exit code."""
    args = build_parser().parse_args(argv)
    if not args.raw.is_file():
        sys.stderr.write(f"{args.raw}: no such file. Name the raw transaction history, see --help.\n")
        return EXIT_USAGE
    try:
        totals = add_up(args.raw)
    except (DataRefusedError, UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError) as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return EXIT_REFUSED
    if args.products is None:
        header: tuple[str, ...] = OUTPUT_COLUMNS
        lines, name = by_type(totals), "daily_by_type.csv"
    else:
        header = PRODUCT_COLUMNS
        lines, name = by_product(totals, args.products), "daily_sales_by_product.csv"
    out = args.out or Path(__file__).with_name(name)
    write_lines(header, lines, out)
    rows = sum(total.transactions for total in totals.values())
    sys.stdout.write(f"{out}: {len(lines)} rows from {rows} transactions\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
