"""Caps of a delivered table: at a cap it is read, above it refused at once and with little memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from forecasting.data import sizes
from forecasting.data.contract import read_table
from forecasting.data.series import Panel
from forecasting.errors import ContractError
from forecasting.problem.sections import SeriesRule, Source

SOURCE = Source(date="Day", measures=("Units",))
RULE = SeriesRule(name="units", measure="Units", aggregation="sum")
ROWS = [f"{date(2024, 1, 1) + timedelta(days=number)},1" for number in range(50)]
PLAIN = "\n".join(["Day,Units", *ROWS, ""]).encode()
BOMB_BYTES = 300_000_000
SECONDS, MEMORY = 8.0, 32_000_000  # a busy machine; alone it takes half a second


def read(folder: Path, content: bytes, name: str = "table.csv") -> Panel:
    (folder / name).write_bytes(content)
    return read_table(folder / name, SOURCE, RULE)[0]


def packed(parts: Iterator[bytes], path: Path) -> Path:
    with gzip.open(path, "wb", compresslevel=6) as file:
        for part in parts:
            file.write(part)
    return path


def repeated(piece: bytes, first: bytes = b"Day,Units\n") -> Iterator[bytes]:
    """A header, then the piece again and again."""
    yield first
    piece *= max(1, 1_000_000 // len(piece))
    yield from (piece for _ in range(BOMB_BYTES // len(piece)))


BOMBS = {
    "one line": (b"x", b"", "bytes without a line break"),
    "one quoted cell": (b"a\n", b'Day,Units\n"', "more than"),
    "rows": (b"2024-01-01,1\n", b"Day,Units\n", "more than"),
    "empty rows": (b"\n", b"Day,Units\n", "has more than 10000000 rows"),
    "columns": (b"a,", b"Day,Units,", "bytes without a line break"),
    "commas": (b"," * 200_000 + b"\n", b"Day,Units\n", "more than"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_soon_and_with_little_memory(tmp_path: Path, kind: str) -> None:
    piece, first, said = BOMBS[kind]
    bomb = packed(repeated(piece, first), tmp_path / "bomb.csv.gz")
    assert bomb.stat().st_size < 1_000_000
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(ContractError, match=said):
            read_table(bomb, SOURCE, RULE)
        seconds, memory = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < SECONDS
    assert memory < MEMORY


CAPS = {
    "MAX_BYTES": (len(PLAIN), f"has more than {len(PLAIN) - 1} bytes"),
    "MAX_ROWS": (len(ROWS), f"has more than {len(ROWS) - 1} rows"),
    "MAX_CELLS": (2 * len(ROWS) + 2, f"has more than {2 * len(ROWS) + 1} cells"),
    "MAX_COLUMNS": (2, "line 1: has 2 columns; expected at most 1 columns"),
    "MAX_LINE_BYTES": (len(ROWS[0]), "line 2: has more than 11 bytes without a line break"),
}


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("ends", [b"\n", b"\r"])
def test_at_a_cap_a_table_is_read_and_above_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cap: str, ends: bytes
) -> None:
    most, said = CAPS[cap]
    content = PLAIN.replace(b"\n", ends)
    monkeypatch.setattr(sizes, cap, most)
    assert read(tmp_path, content).days == len(ROWS)
    monkeypatch.setattr(sizes, cap, most - 1)
    with pytest.raises(ContractError) as caught:
        read(tmp_path, content)
    assert said in str(caught.value)
    assert "Split it" in str(caught.value)


def test_an_archive_may_be_so_much_smaller_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = gzip.compress(PLAIN)
    monkeypatch.setattr(sizes, "FREE_BYTES", 1)
    monkeypatch.setattr(sizes, "MAX_RATIO", len(PLAIN) / len(archive))
    assert read(tmp_path, archive, "table.csv.gz").days == len(ROWS)
    monkeypatch.setattr(sizes, "MAX_RATIO", (len(PLAIN) - 1) / len(archive))
    with pytest.raises(ContractError, match=r"unpacks to more than .* bytes from"):
        read(tmp_path, archive, "table.csv.gz")
    monkeypatch.setattr(sizes, "FREE_BYTES", len(PLAIN))
    assert read(tmp_path, archive, "table.csv.gz").days == len(ROWS), "a small one may have any ratio"


def test_columns_that_nobody_asked_for_are_not_kept(tmp_path: Path) -> None:
    """A hundred columns of text beside the two that are read: held a part at a time only."""
    others = ",".join(f"text {number}" for number in range(100))
    days = [date(1990, 1, 1) + timedelta(days=number) for number in range(3_000)]
    lines = [f"Day,Units,{others}", *(f"{day},1,{','.join([str(day)] * 100)}" for day in days)]
    tracemalloc.start()
    try:
        assert read(tmp_path, "\n".join(lines).encode()).days == len(days)
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert memory < 40_000_000


def test_a_row_that_is_too_long_is_seen_in_a_later_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting.data.reading.CELLS_AT_A_TIME", 20)
    lines = ["Day,Units", *ROWS]
    assert read(tmp_path, "\n".join([*lines[:20], "", *lines[20:]]).encode()).days == len(ROWS)
    lines[31] += ",2"
    with pytest.raises(ContractError, match="line 32: has 3 cells, the header has 2"):
        read(tmp_path, "\n".join(lines).encode())
    lines[31] = "nonsense,1"
    with pytest.raises(ContractError, match=r"line 32 \('nonsense'\): not a day"):
        read(tmp_path, "\n".join(lines).encode())


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_a_wrong_separator_is_named_before_wrong_names(tmp_path: Path, mark: str, word: str) -> None:
    content = PLAIN.replace(b"Day,Units", b"Tag,Menge").replace(b",", mark.encode())
    with pytest.raises(ContractError, match=rf"line 1: is separated by {word}; expected commas"):
        read(tmp_path, content)
    with pytest.raises(ContractError, match="column Day: missing"):
        read(tmp_path, PLAIN.replace(b"Day,Units", b"Tag,Menge"))
