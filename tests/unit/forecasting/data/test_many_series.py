"""Tables of many series: from rows to a panel, what is refused, and the whole table of products."""

from __future__ import annotations

import csv
import io
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml

from forecasting.data.contract import Delivery, read_table
from forecasting.data.series import Panel
from forecasting.errors import ContractError, UsageError
from forecasting.problem.problem_file import Problem
from forecasting.problem.sections import Contract
from tests.sample import DATA, PROBLEMS

ROOT = Path(__file__).resolve().parents[4]
PRODUCTS = DATA / "daily_sales_by_product.csv"
# A folder with the original files, which are not part of the project.
WHOLE = Path(os.environ.get("ADVENTUREWORKS_FILES", "none")) / "product_daily_sales.csv.gz"
ROWS = """Shop,Item,Day,Units
a,x,2024-01-01,1
a,x,2024-01-03,3
b,x,2024-01-02,5
b,y,2024-01-01,7
b,y,2024-01-03,0
"""


def small(tmp_path: Path, rows: str = ROWS, **series: object) -> tuple[Path, Problem]:
    (tmp_path / "data.csv").write_text(rows)
    document = yaml.safe_load((PROBLEMS / "product_sales.yml").read_text())
    document["source"] = {"date": "Day", "measures": ["Units"]}
    document["series"] = {
        "name": "units", "keys": ["Shop", "Item"], "measure": "Units", "aggregation": "sum", "missing": "zero",
        **series,
    }  # fmt: skip
    (tmp_path / "problem.yml").write_text(yaml.safe_dump(document))
    return tmp_path / "data.csv", Problem(tmp_path / "problem.yml")


def read(table: Path, problem: Problem, contract: Contract | None = None, delivery: Delivery | None = None) -> Panel:
    return read_table(table, problem.source, problem.series, contract or Contract(), delivery)[0]


def refused(table: Path, problem: Problem, contract: Contract | None = None, delivery: Delivery | None = None) -> str:
    with pytest.raises(ContractError) as caught:
        read(table, problem, contract, delivery)
    return str(caught.value)


def test_rows_become_one_series_for_each_combination_of_keys(tmp_path: Path) -> None:
    panel = read(*small(tmp_path))
    assert panel.first == date(2024, 1, 1)
    assert panel.keys == ("a/x", "b/x", "b/y")
    assert panel.values.tolist() == [[1, 0, 3], [0, 5, 0], [7, 0, 0]]


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    header, *rows = ROWS.splitlines()
    turned = "\n".join([header, *reversed(rows)]) + "\n"
    one, other = read(*small(tmp_path)), read(*small(tmp_path, turned))
    assert one.keys == other.keys
    assert np.array_equal(one.values, other.values)


def test_a_mean_is_over_rows_where_nothing_counts_them(tmp_path: Path) -> None:
    panel = read(*small(tmp_path, keys=["Shop"], aggregation="mean"))
    assert panel.values.tolist() == [[1, 0, 3], [7, 5, 0]]


def test_series_with_few_active_days_are_left_out(tmp_path: Path) -> None:
    assert read(*small(tmp_path, min_active_days=2)).keys == ("a/x",)
    assert "no series with 3 days that are not zero" in refused(*small(tmp_path, min_active_days=3))


def test_a_missing_day_of_a_series_is_refused_unless_it_means_zero(tmp_path: Path) -> None:
    message = refused(*small(tmp_path, missing="refuse"))
    assert "a/x 2024-01-02, b/x 2024-01-01, b/x 2024-01-03, b/y 2024-01-02: a series without a row" in message


def test_a_day_without_any_row_is_never_taken_for_zero(tmp_path: Path) -> None:
    message = refused(*small(tmp_path, ROWS.replace("b,x,2024-01-02,5\n", "")))
    assert "2024-01-02: no row" in message
    every = refused(*small(tmp_path, ROWS.replace("b,x,2024-01-02,5\n", ""), missing="refuse"))
    assert "2024-01-02: no row" in every
    assert "a series without a row" not in every, "it is named once, with the cure that helps"


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("a,x,2024-01-01,1", "a/b,x,2024-01-01,1", "column Shop at line 2 ('a/b'): empty or with a /"),
        ("a,x,2024-01-01,1", ",x,2024-01-01,1", "column Shop at line 2 (''): empty"),
        ("a,x,2024-01-03,3", "a,x,2024-01-01,3", "line 3 (2024-01-01 a x): a day and Shop and Item that occurred"),
        ("a,x,2024-01-01,1", "a,x,2024-01-01,-1", "column Units at line 2 ('-1'): negative"),
        ("Shop,Item", "Shop,Thing", "column Item: missing"),
    ],
)
def test_every_finding_names_column_line_and_text(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert part in refused(*small(tmp_path, ROWS.replace(old, new)))


def test_negative_values_pass_where_the_contract_admits_them(tmp_path: Path) -> None:
    table, problem = small(tmp_path, ROWS.replace("2024-01-01,1", "2024-01-01,-1"))
    assert read(table, problem, Contract(non_negative=False)).values[0, 0] == -1


@pytest.mark.parametrize(
    ("contract", "delivery", "part"),
    [
        (Contract(min_days=4), Delivery(), "3 days from 2024-01-01 to 2024-01-03; expected at least 4 days"),
        (Contract(max_age_days=2), Delivery(as_of=date(2024, 1, 6)), "3 days before 2024-01-06"),
        (
            Contract(rows_change=0.5),
            Delivery(accepted_rows=11),
            "5 rows, -55% against the last accepted version's 11",
        ),
        (Contract(rows_change=0.5), Delivery(accepted_rows=3), "5 rows, +67% against the last accepted version's 3"),
        (Contract(max_series=2), Delivery(), "3 series; expected at most 2"),
    ],
)
def test_what_a_person_must_look_at_first_is_refused(
    tmp_path: Path, contract: Contract, delivery: Delivery, part: str
) -> None:
    assert part in refused(*small(tmp_path), contract, delivery)


@pytest.mark.parametrize(
    ("contract", "delivery"),
    [
        (Contract(min_days=3), Delivery()),
        (Contract(max_age_days=3), Delivery(as_of=date(2024, 1, 6))),
        (Contract(max_age_days=3), Delivery()),
        (Contract(rows_change=0.5), Delivery(accepted_rows=10)),
        (Contract(rows_change=0.5), Delivery()),
        (Contract(max_series=3), Delivery()),
    ],
)
def test_at_the_bound_a_delivery_is_taken(tmp_path: Path, contract: Contract, delivery: Delivery) -> None:
    read(*small(tmp_path), contract, delivery)


def test_all_findings_of_a_delivery_come_together_and_as_a_table(tmp_path: Path) -> None:
    broken = ROWS.replace("a,x,2024-01-01,1", "a,=x,2024-01-01,-1").replace("b,y,2024-01-01,7", "b,y,2024-01-01,inf")
    table, problem = small(tmp_path, broken)
    with pytest.raises(ContractError) as caught:
        read(table, problem, Contract(rows_change=0.1), Delivery(accepted_rows=99))
    rows = list(csv.DictReader(io.StringIO(caught.value.table())))
    assert [(row["column"], row["place"]) for row in rows] == [
        ("Units", "line 5 ('inf')"),
        ("Units", "line 2 ('-1')"),
        ("", ""),
    ]
    assert all(row["file"].endswith("data.csv") and row["fix"] for row in rows)


@pytest.mark.parametrize("name", ["=cmd", "\uff1dcmd", "\uff0bcmd"])
def test_no_cell_of_the_table_is_a_formula(tmp_path: Path, name: str) -> None:
    table, problem = small(tmp_path, ROWS.replace("a,x,2024-01-01,1", f"{name},x,2024-01-01,1"), missing="refuse")
    with pytest.raises(ContractError) as caught:
        read(table, problem)
    places = [row["place"] for row in csv.DictReader(io.StringIO(caught.value.table()))]
    assert f"'{name}/x 2024-01-02" in places


def test_types_need_a_column_of_types(tmp_path: Path) -> None:
    table, problem = small(tmp_path, types=["S"])
    with pytest.raises(UsageError, match=r"source\.type"):
        read(table, problem)
    with pytest.raises(UsageError, match=r"source\.type"):
        problem.check()


def test_the_types_of_the_default_table_are_three_series(table: Path) -> None:
    problem = Problem(PROBLEMS / "units_by_type.yml")
    panel = read(table, problem, problem.contract)
    assert panel.keys == ("P", "S", "W")
    assert panel.values.shape == (3, 305)
    assert (panel.values[0] == 0).sum() == 113


def test_the_embedded_products_are_part_of_the_whole_table() -> None:
    problem = Problem(PROBLEMS / "product_sales.yml")
    panel = read(PRODUCTS, problem, problem.contract)
    assert panel.values.shape == (22, 305)
    assert panel.keys[0] == "707"


@pytest.mark.skipif(not WHOLE.is_file(), reason="ADVENTUREWORKS_FILES names no folder with the table of products")
def test_the_whole_table_of_products_is_read_by_the_same_file() -> None:
    problem = Problem(PROBLEMS / "product_sales.yml")
    whole, part = read(WHOLE, problem, problem.contract), read(PRODUCTS, problem, problem.contract)
    assert len(whole.keys) > 100
    rows = [whole.keys.index(key) for key in part.keys]
    assert np.array_equal(whole.rows(rows).values, part.values)
