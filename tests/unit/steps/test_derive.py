"""derive.py sums every form of the raw table to the same bytes and refuses what it cannot sum."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

# A folder with the original files, which are not part of the project.
RAW = Path(os.environ.get("ADVENTUREWORKS_FILES", "none")) / "transactions_min.csv.gz"
HEADER = "TransactionDate,ProductID,TransactionType,Quantity,ActualCost\n"
ROWS = [
    ("2013-08-01", "784", "W", "2", "0.0"),
    ("2013-07-31", "797", "S", "3", "0.1"),
    ("2013-07-31", "799", "S", "1", "0.2"),
    ("2013-07-31", "800", "P", "1000", "1234.5678"),
]
DAILY = """TransactionDate,TransactionType,Transactions,Quantity,Amount
2013-07-31,P,1,1000,1234567.8
2013-07-31,S,2,4,0.5
2013-08-01,W,1,2,0
"""


class Ended(Protocol):
    code: int
    out: str
    err: str


Derive = Callable[..., Ended]


def csv_text() -> str:
    return HEADER + "".join(",".join(row) + "\n" for row in ROWS)


def headerless_text() -> str:
    lines = (
        f"{100000 + number}\t{product}\t41590\t0\t{day} 00:00:00\t{kind}\t{quantity}\t{cost}\t{day} 00:00:00\n"
        for number, (day, product, kind, quantity, cost) in enumerate(ROWS)
    )
    return "".join(lines)


def write(folder: Path, form: str) -> Path:
    path = folder / {"csv": "raw.csv", "gz": "raw.csv.gz", "tabs": "raw.csv", "parquet": "raw.parquet"}[form]
    if form == "gz":
        path.write_bytes(gzip.compress(csv_text().encode()))
    elif form == "parquet":
        from pyarrow import csv, parquet  # type: ignore[import-untyped]

        (folder / "source.csv").write_text(csv_text())
        parquet.write_table(csv.read_csv(folder / "source.csv"), path)
    else:
        path.write_bytes((csv_text() if form == "csv" else headerless_text()).encode("utf-8-sig"))
    return path


@pytest.mark.parametrize("form", ["csv", "gz", "tabs", "parquet"])
def test_every_form_gives_the_same_exact_sums(derive: Derive, tmp_path: Path, form: str) -> None:
    out = tmp_path / "new/daily.csv"
    ended = derive(write(tmp_path, form), "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert "3 rows from 4 transactions" in ended.out
    assert out.read_text() == DAILY


def test_sales_by_product_are_of_those_that_sold_on_enough_days(derive: Derive, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw.csv", tmp_path / "products.csv"
    raw.write_text(csv_text() + "2013-08-01,797,S,2,0.1\n2013-08-01,1000,S,1,5\n2013-08-02,1000,S,1,5.0\n")
    assert derive(raw, "--products", 2, "--out", out).code == 0
    assert out.read_text().splitlines() == [
        "ProductID,TransactionDate,Quantity,PaidAmount",
        "797,2013-07-31,3,0.3",
        "797,2013-08-01,2,0.2",
        "1000,2013-08-01,1,5",
        "1000,2013-08-02,1,5",
    ]


@pytest.mark.skipif(not RAW.is_file(), reason="ADVENTUREWORKS_FILES names no folder with the raw table")
def test_the_embedded_products_are_what_the_script_derives(derive: Derive, tmp_path: Path, table: Path) -> None:
    assert derive(RAW, "--products", 250, "--out", tmp_path / "products.csv").code == 0
    embedded = table.with_name("daily_sales_by_product.csv")
    assert (tmp_path / "products.csv").read_bytes() == embedded.read_bytes()


@pytest.mark.skipif(not RAW.is_file(), reason="ADVENTUREWORKS_FILES names no folder with the raw table")
def test_the_embedded_table_is_what_the_script_derives(derive: Derive, tmp_path: Path, table: Path) -> None:
    assert derive(RAW, "--out", tmp_path / "daily.csv").code == 0
    assert (tmp_path / "daily.csv").read_bytes() == table.read_bytes()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        (HEADER, "has no rows"),
        (HEADER.replace("ActualCost", "Cost"), "column ActualCost is missing"),
        (HEADER + "2013-07-31,1,S,1\n", "line 2: 4 fields, expected 5"),
        (HEADER + "31.07.2013,1,S,1,1\n", "line 2: TransactionDate '31.07.2013', expected YYYY-MM-DD"),
        (HEADER + "2013-07-31,1,,1,1\n", "TransactionType is empty"),
        (HEADER + "2013-07-31,x,S,1,1\n", "ProductID 'x', expected a number"),
        (HEADER + "2013-07-31,1,S,1.5,1\n", "Quantity '1.5', expected a whole number"),
        (HEADER + "2013-07-31,1,S,1,much\n", "ActualCost 'much', expected a number"),
        (HEADER + "2013-07-31,1,S,1,NaN\n", "expected finite numbers >= 0"),
        (HEADER + "2013-07-31,1,S,-1,1\n2013-07-31,1,S,1,-1\n", "2 rows cannot be used"),
    ],
)
def test_what_cannot_be_summed_is_refused(derive: Derive, tmp_path: Path, text: str, part: str) -> None:
    raw, out = tmp_path / "raw.csv", tmp_path / "daily.csv"
    raw.write_text(text)
    ended = derive(raw, "--out", out)
    assert (ended.code, part in ended.err) == (3, True)
    assert not out.exists()


def test_a_cut_off_archive_is_refused(derive: Derive, tmp_path: Path) -> None:
    whole = gzip.compress(csv_text().encode())
    for name, content in (("cut.csv.gz", whole[:-12]), ("plain.csv.gz", csv_text().encode())):
        (tmp_path / name).write_bytes(content)
        assert derive(tmp_path / name, "--out", tmp_path / "daily.csv").code == 3


def test_a_missing_file_and_a_missing_argument_are_usage(derive: Derive, tmp_path: Path) -> None:
    ended = derive(tmp_path / "none.csv")
    assert (ended.code, "no such file" in ended.err) == (2, True)
    assert derive().code == 2
    assert derive("--help").code == 0
