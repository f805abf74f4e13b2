"""The server's log does not grow for ever, and no line of it does."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from local_azure.machine_learning.storage.server_log import MAX_LINE_CHARS, MAX_LOG_BYTES, ServerLog
from local_azure.machine_learning.storage.state import StateFolder
from tests.faults.fault_server import Machine


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    """A log that a process writes to."""
    with (tmp_path / "server.log").open("a", encoding="utf-8") as opened:
        yield opened


@pytest.fixture
def log(stream: TextIO) -> Path:
    """Its file."""
    return Path(stream.name)


def record(text: str) -> logging.LogRecord:
    """A line to write."""
    return logging.LogRecord("local_azure", logging.INFO, "", 0, text, None, None)


def test_a_log_at_its_size_is_kept_and_above_it_is_moved_away(log: Path, stream: TextIO) -> None:
    handler = ServerLog(log, 1_000, stream)
    log.write_bytes(b"x" * 1_000)
    handler.rotate()
    assert log.stat().st_size == 1_000
    log.write_bytes(b"x" * 1_001)
    handler.rotate()
    assert log.stat().st_size == 0
    assert log.with_name("server.log.1").read_bytes() == b"x" * 1_001
    assert log.with_name("server.log.1").stat().st_mode & 0o077 == 0


def test_ten_thousand_lines_take_no_more_than_twice_the_size(log: Path, stream: TextIO) -> None:
    handler = ServerLog(log, 20_000, stream)
    other = os.open(log, os.O_WRONLY | os.O_APPEND)  # a process of a step's parent
    for number in range(10_000):
        handler.emit(record(f"line {number:05}"))
        if number % 1_000 == 0:
            os.write(other, b"from another process\n")
    os.close(other)
    kept = log.with_name("server.log.1").read_text() + log.read_text()
    assert log.stat().st_size <= 21_000
    assert len(kept) <= 45_000
    lines = [line for line in kept.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number:05}" for number in range(10_000 - len(lines), 10_000)], "the newest, in order"


def test_a_line_has_a_length(log: Path, stream: TextIO) -> None:
    handler = ServerLog(log, stream=stream)
    for length in (MAX_LINE_CHARS, MAX_LINE_CHARS + 1, 10**6):
        assert len(handler.format(record("y" * length))) <= MAX_LINE_CHARS + 40
    assert handler.format(record("y" * MAX_LINE_CHARS)) == "y" * MAX_LINE_CHARS


def test_what_is_no_file_of_ours_is_left_alone(stream: TextIO, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_bytes(b"x" * 2_000)
    ServerLog(other, 10, stream).rotate()
    assert other.stat().st_size == 2_000


def test_a_server_moves_away_what_has_become_too_long(published: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "state")
    machine.state.create()
    with StateFolder(tmp_path / "state").server_log.open("wb") as stream:
        stream.truncate(MAX_LOG_BYTES + 1)
    machine.start()
    try:
        assert machine.state.server_log.stat().st_size < MAX_LOG_BYTES
        assert machine.state.server_log.with_name("server.log.1").stat().st_size > MAX_LOG_BYTES
    finally:
        machine.stop()
