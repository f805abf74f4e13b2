"""Tables as they really arrive: each is read right or refused with its line or column, and never half of either."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.data.contract import Delivery, read_table
from forecasting.data.reading import find_table
from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.errors import LISTED_ROWS, ContractError, Finding, UsageError
from forecasting.problem.sections import Contract, SeriesRule, Source

SOURCE = Source(date="Day", measures=("Units",))
RULE = SeriesRule(name="units", measure="Units", aggregation="sum")
# A leap day and both changes of the clock of 2024 in Europe and in America lie in these days.
DAYS = [date(2024, 2, 25) + timedelta(days=number) for number in range(260)]
HEADER, *ROWS = ["Day,Units", *(f"{day},{number}.5" for number, day in enumerate(DAYS))]
VALUES = [number + 0.5 for number in range(len(DAYS))]


def text(lines: Sequence[str], separator: str = "\n") -> bytes:
    return separator.join([*lines, ""]).encode()


def with_row(number: int, row: str) -> bytes:
    """The table with another row at a line of the file."""
    lines = [HEADER, *ROWS]
    lines[number - 1] = row
    return text(lines)


def read(
    folder: Path,
    content: bytes,
    name: str = "table.csv",
    *,
    source: Source = SOURCE,
    rule: SeriesRule = RULE,
    contract: Contract | None = None,
    as_of: date | None = None,
) -> Panel:
    (folder / name).write_bytes(content)
    return read_table(folder / name, source, rule, contract or Contract(), Delivery(as_of=as_of))[0]


PLAIN = text([HEADER, *ROWS])
READ: dict[str, tuple[bytes, str]] = {
    "plain": (PLAIN, "table.csv"),
    "byte order mark": (b"\xef\xbb\xbf" + PLAIN, "table.csv"),
    "lines of windows": (text([HEADER, *ROWS], "\r\n"), "table.csv"),
    "lines of an old mac": (text([HEADER, *ROWS], "\r"), "table.csv"),
    "no newline at the end": (PLAIN.rstrip(), "table.csv"),
    "empty lines at the end": (PLAIN + b"\n\n \n", "table.csv"),
    "empty rows of a spreadsheet": (PLAIN + b",\n,\n", "table.csv"),
    "empty lines between": (text([HEADER, "", *ROWS[:9], "", *ROWS[9:]]), "table.csv"),
    "newest first": (text([HEADER, *reversed(ROWS)]), "table.csv"),
    "quoted": (text(['"' + row.replace(",", '","') + '"' for row in (HEADER, *ROWS)]), "table.csv"),
    "blanks around": (text([" Day , Units", *(row.replace(",", " , ") for row in ROWS)]), "table.csv"),
    "other columns twice": (text([f"a,{HEADER},a", *(f"x,{row},y" for row in ROWS)]), "table.csv"),
    "a column without a name": (text([f",{HEADER}", *(f"{place},{row}" for place, row in enumerate(ROWS))]), "a.csv"),
    "days without leading zeros": (with_row(7, "2024-3-1,5.5"), "table.csv"),
    "exponents": (with_row(7, "2024-03-01,55e-1"), "table.csv"),
    "compressed": (gzip.compress(PLAIN), "table.csv.gz"),
    "capital letters": (PLAIN, "TABLE.CSV"),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_what_is_unambiguous_is_read(tmp_path: Path, kind: str) -> None:
    panel = read(tmp_path, *READ[kind], as_of=DAYS[-1])
    assert (panel.first, panel.last) == (DAYS[0], DAYS[-1])
    assert panel.values.tolist() == [VALUES]


def test_leap_day_and_days_of_23_and_25_hours_are_days(tmp_path: Path) -> None:
    panel = read(tmp_path, PLAIN)
    for day in (date(2024, 2, 29), date(2024, 3, 10), date(2024, 3, 31), date(2024, 10, 27), date(2024, 11, 3)):
        assert panel.day(DAYS.index(day)) == day
    with pytest.raises(ContractError, match=r"Day at 2024-02-29: no row"):
        read(tmp_path, text([HEADER, *(row for row in ROWS if not row.startswith("2024-02-29"))]))
    with pytest.raises(ContractError, match=r"line 6 \('2023-02-29'\): not a day"):
        read(tmp_path, with_row(6, "2023-02-29,4.5"))


def test_no_zero_is_negative(tmp_path: Path) -> None:
    values = read(tmp_path, with_row(4, "2024-02-27,-0.0")).values[0]
    assert values[2] == 0
    assert not np.signbit(values).any()


NUMBER = "NaN, infinite or not a number; expected a finite number such as 1234.5"
EMPTY = "empty; expected a number. Fill it in, or remove the row"
REFUSED: dict[str, tuple[bytes, str]] = {
    "latin letters": (with_row(1, "Day,Units,Größe").decode().encode("latin-1"), "line 1: is not UTF-8 (byte 0xf6"),
    "latin letters later": (
        text([f"Note,{HEADER}", *(f"a,{row}" for row in ROWS), "Müll,2024-11-11,1"]).decode().encode("latin-1"),
        "line 262: is not UTF-8 (byte 0xfc at position 2)",
    ),
    "sixteen bits": (PLAIN.decode().encode("utf-16"), "line 1: is not UTF-8 (byte 0xff"),
    "semicolons": (PLAIN.replace(b",", b";"), "line 1: is separated by semicolons; expected commas"),
    "semicolons, decimal commas": (PLAIN.replace(b",", b";").replace(b".5", b",5"), "separated by semicolons"),
    "tabs": (PLAIN.replace(b",", b"\t"), "line 1: is separated by tabs"),
    "decimal comma": (with_row(4, "2024-02-27,2,5"), "line 4: has 3 cells, the header has 2"),
    "decimal commas": (
        text([HEADER, *(row.replace(".", ",") for row in ROWS)]),
        "line 2: has more cells than the header; expected one cell a column. Quote texts that contain a comma",
    ),
    "quoted decimal comma": (with_row(4, '2024-02-27,"2,5"'), f"column Units at line 4 ('2,5'): {NUMBER}"),
    "thousands": (with_row(4, '2024-02-27,"1,000"'), f"column Units at line 4 ('1,000'): {NUMBER}"),
    "currency": (with_row(4, "2024-02-27,$2"), f"column Units at line 4 ('$2'): {NUMBER}"),
    "german day": (with_row(4, "27.02.2024,2.5"), "column Day at line 4 ('27.02.2024'): not a day"),
    "american day": (with_row(4, "02/27/2024,2.5"), "column Day at line 4 ('02/27/2024'): not a day"),
    "time": (with_row(4, "2024-02-27 00:00:00,2.5"), "line 4 ('2024-02-27 00:00:00'): not a day; expected YYYY"),
    "zone": (with_row(4, "2024-02-27T00:00+01:00,2.5"), "line 4 ('2024-02-27T00:00+01:00'): not a day"),
    "no such day": (with_row(4, "2024-02-30,2.5"), "line 4 ('2024-02-30'): not a day"),
    "antiquity": (with_row(4, "0001-01-01,2.5"), "line 4 ('0001-01-01'): not a day; expected YYYY-MM-DD, 1900 to"),
    "science fiction": (with_row(4, "9999-12-31,2.5"), "line 4 ('9999-12-31'): not a day"),
    "column twice": (text(["Day,Units,Units", *(f"{row},1" for row in ROWS)]), "column Units at line 1: more than"),
    "column twice, a blank": (text(["Day,Units, Units", *(f"{row},1" for row in ROWS)]), "Units at line 1: more"),
    "header again": (text([HEADER, *ROWS, HEADER]), "column Units at line 262 ('Units')"),
    "a line of totals": (text([HEADER, *ROWS, "Total,9"]), "column Day at line 262 ('Total'): not a day"),
    "short row": (with_row(4, "2024-02-27"), f"column Units at line 4 (''): {EMPTY}"),
    "nothing but the day after an empty line": (
        text([HEADER, *ROWS[:3], "", "2024-02-28", *ROWS[4:]]),
        f"column Units at line 6 (''): {EMPTY}",
    ),
    "infinity": (with_row(4, "2024-02-27,Infinity"), f"column Units at line 4 ('Infinity'): {NUMBER}"),
    "beyond a double": (with_row(4, "2024-02-27,1e400"), f"column Units at line 4 ('1e400'): {NUMBER}"),
    "nearly a double": (with_row(4, "2024-02-27,1e308"), "column Units at line 4 ('1e308'): too large; expected"),
    "zero byte": (with_row(4, "2024-02-27,2\0"), "column Units at line 4 ('2\\x00')"),
    "open quotation mark": (with_row(4, '2024-02-27,"2'), "line 4: has a quotation mark that is never closed"),
    "long cell": (with_row(4, f"2024-02-27,{'9' * 500}x"), f"line 4 ('{'9' * 80}'...)"),
    "huge cell in the header": (text([f"Day,Units,{'x' * 200_000}"]), "line 1: is not a header"),
    "empty first line": (b"\n" + PLAIN, "line 1: is not the header, which is in line 2"),
    "a title and a note": (
        b"Sales\nof 2024,\n\n" + PLAIN.replace(b",", b";"),
        "line 1: is not the header, which is in line 4; expected the header. Remove the lines above the header.",
    ),
    "a hint for a spreadsheet": (b"sep=,\n" + PLAIN, "line 1: is not the header, which is in line 2"),
    "nothing but empty lines": (b"\n\n\n", "line 1: is empty; expected the header"),
    "a page that asks for a password": (b"<html>Sign in</html>", "the header is <html>Sign in</html>"),
    "a workbook": (b"PK\x03\x04\x14\0\x06\0\x08\0" + bytes(range(128, 256)), "is not UTF-8 (byte 0x80"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_is_refused_with_its_place(tmp_path: Path, kind: str) -> None:
    content, said = REFUSED[kind]
    with pytest.raises(ContractError) as caught:
        read(tmp_path, content, as_of=DAYS[-1])
    assert said in str(caught.value)
    assert "table.csv violates the data contract" in str(caught.value)
    assert len(list(csv.reader(io.StringIO(caught.value.table())))) > 1


ARCHIVE = gzip.compress(PLAIN)


@pytest.mark.parametrize(
    "content",
    [PLAIN, ARCHIVE[:-12], ARCHIVE[:200] + b"spoilt" + ARCHIVE[206:], ARCHIVE[:8]],
    ids=["none", "cut", "spoilt", "head"],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ContractError, match="is not a complete gzip file"):
        read(tmp_path, content, "table.csv.gz")


@pytest.mark.parametrize("name", ["table.zip", "table.xls", "table.csv.bz2", "table"])
def test_other_kinds_of_file_are_a_mistake_of_the_caller(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"ends with \.csv or \.csv\.gz"):
        read(tmp_path, PLAIN, name)


def test_a_table_and_its_archive_are_two_tables(tmp_path: Path) -> None:
    (tmp_path / "A.CSV").write_bytes(PLAIN)
    assert find_table(tmp_path).name == "A.CSV"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(PLAIN))
    with pytest.raises(ContractError, match=r"A\.CSV, a\.csv\.gz: 2 tables"):
        find_table(tmp_path)


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_sum_that_leaves_the_range_of_numbers_is_refused(tmp_path: Path, sign: str) -> None:
    """Each row is legal; the day is not. No infinity ever reaches a series."""
    rows = [f"{shop},{day},{sign}9e14" for shop in "ab" for day in DAYS]
    source, contract = Source(date="Day", type="Shop", measures=("Units",)), Contract(non_negative=False)
    with pytest.raises(ContractError, match=r"Units at units 2024-02-25, .* and 255 more: a day that is too large"):
        read(tmp_path, text(["Shop,Day,Units", *rows]), source=source, contract=contract)


def test_a_count_is_not_beyond_counting(tmp_path: Path) -> None:
    source = Source(date="Day", count="Rows", measures=("Units",))
    with pytest.raises(ContractError, match=r"column Rows at line 2 \('1e308'\): not a whole number"):
        read(tmp_path, text(["Day,Units,Rows", f"{ROWS[0]},1e308", f"{ROWS[1]},1"]), source=source)


def test_a_problem_may_bound_its_values(tmp_path: Path) -> None:
    """Grams that were meant to be kilograms."""
    with pytest.raises(
        ContractError, match=r"line 4 \('2500'\): too large; expected at most 300 \(contract\.max_value"
    ):
        read(tmp_path, with_row(4, "2024-02-27,2500"), contract=Contract(max_value=300))
    read(tmp_path, PLAIN, contract=Contract(max_value=259.5))


def test_days_that_have_not_been_are_refused(tmp_path: Path) -> None:
    """One day ahead is still today somewhere; a slip of the year is not a gap of many days."""
    last = DAYS[-1]
    read(tmp_path, PLAIN, as_of=last - timedelta(days=1))
    with pytest.raises(ContractError, match=rf"line 261 \({last}\): in the future; expected days up to"):
        read(tmp_path, PLAIN, as_of=last - timedelta(days=2))
    slip = text([HEADER, *ROWS, "2042-11-11,1"])
    with pytest.raises(ContractError) as caught:
        read(tmp_path, slip, as_of=last)
    assert len(caught.value.findings) == 1
    assert "line 262 (2042-11-11): in the future" in str(caught.value)


def test_dates_of_no_known_frequency_are_named_and_no_list_of_gaps(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, text([HEADER, *ROWS[::2]]))
    (finding,) = caught.value.findings
    assert finding.found == "no two days follow each other, the nearest are 2 days apart"
    assert finding.fix == "Deliver daily values."


def test_days_beyond_the_problems_last_are_not_looked_at(tmp_path: Path) -> None:
    rule = RULE.model_copy(update={"last_date": DAYS[-1]})
    panel = read(tmp_path, text([HEADER, *ROWS, "2042-11-11,1"]), rule=rule, as_of=DAYS[-1])
    assert panel.last == DAYS[-1]


def test_the_table_of_a_refusal_stays_readable(tmp_path: Path) -> None:
    finding = Finding("Units", tuple(f"line {number}" for number in range(30_000)), "odd", "even", "Mend it.")
    lines = list(csv.DictReader(io.StringIO(ContractError("t.csv", [finding]).table())))
    assert len(lines) == 10_001
    assert lines[-1]["place"] == "and 20000 more"


@pytest.mark.parametrize("findings", [LISTED_ROWS // 100, LISTED_ROWS // 100 + 3])
def test_the_whole_table_of_a_refusal_is_capped(findings: int) -> None:
    places = tuple(f"line {number}" for number in range(100))
    odd = [Finding(f"c{number}", places, "odd", "even", "Correct it.") for number in range(findings)]
    lines = list(csv.DictReader(io.StringIO(ContractError("t.csv", odd).table())))
    listed = [(line["column"], line["place"]) for line in lines]
    if findings == LISTED_ROWS // 100:
        assert (len(listed), listed[-1]) == (LISTED_ROWS, (f"c{findings - 1}", "line 99"))
    else:
        assert (len(listed), listed[-1]) == (LISTED_ROWS + 1, ("", "and 300 more"))


def test_long_cells_of_a_refusal_are_cut_to_what_a_csv_reader_takes(tmp_path: Path) -> None:
    source, rule = SOURCE.model_copy(update={"type": "Kind"}), RULE
    row = f"2024-02-25,{'k' * 140_000},1"
    with pytest.raises(ContractError) as caught:
        read(tmp_path, text(["Day,Kind,Units", row, row]), source=source, rule=rule)
    assert len(caught.value.findings[0].places[0]) < 200
    finding = Finding("C" * 140_000, ("line 2",), "odd", "even", "Mend it.")
    (line,) = csv.DictReader(io.StringIO(ContractError("t.csv", [finding]).table()))
    assert len(line["column"]) < 1_000


def test_what_was_read_is_written_and_read_again(tmp_path: Path) -> None:
    panel = read(tmp_path, with_row(4, "2024-02-27,1e15"))
    write_series(tmp_path / "series", panel, facts_of(panel, "0" * 64, 260, "table.csv"))
    again, facts = read_series(tmp_path / "series")
    assert np.array_equal(again.values, panel.values)
    assert json.loads(json.dumps(facts, allow_nan=False))["maximum"] == 1e15
