"""Every command ends with what is live, what happened and what to do next; the end of a log comes after that."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from azure_ml.errors import AzureMlError
from ml_service.errors import CheckFailedError
from ml_service.output.agent import Agent
from ml_service.output.closing import LOG_LINES, Ending, closing, of_error
from ml_service.output.console import Terminal

LOG = "\n".join(f"line {number}" for number in range(60))
BROKEN = AzureMlError("service s did not become healthy", "it exits", "Healthy", "correct what the log shows", LOG)


def test_a_failure_answers_three_questions_before_its_log() -> None:
    words = list(closing("paid:3 in workspace p", of_error(BROKEN), 1).lines)

    assert words[:5] == [
        "live now:          paid:3 in workspace p",
        "what happened:     error: service s did not become healthy",
        "                     found:    it exits",
        "                     expected: Healthy",
        "what to do next:   correct what the log shows",
    ]
    assert words[5:8] == ["", "the end of the log:", f"  | line {60 - LOG_LINES}"]
    assert words[-1] == "  | line 59"


def test_the_log_is_part_of_what_is_recorded() -> None:
    assert "  log:      line 0" in str(BROKEN)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 124, 130])
def test_there_is_always_something_to_do(code: int) -> None:
    assert closing("x", Ending("it ended"), code).todo


def test_the_page_of_a_command_shows_the_answers_first_and_the_log_last(tmp_path: Path) -> None:
    out = io.StringIO()
    terminal = Terminal(out=out, err=io.StringIO())
    terminal.out("release    paid:4")
    error = CheckFailedError("the answer <b>differs</b>", "1\n2", log="the last line")

    Agent(terminal, True, tmp_path).page("release", closing("paid:3", of_error(error), 3), failed=True)

    (page,) = tmp_path.glob("*.md")
    lines = page.read_text().splitlines()
    assert lines[0] == "# Release failed"
    assert lines[4:6] == [
        "| **live now** | paid:3 |",
        "| **what happened** | error: the answer \\<b\\>differs\\</b\\><br>found:    1<br>2 |",
    ]
    assert lines.index("release    paid:4") < lines.index("the last line")


def test_closing_words_are_no_part_of_the_result_and_no_command_of_the_agent() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out=out, err=err)

    terminal.print_closing(["what happened: ##vso[task.complete]"], failed=False)

    assert out.getvalue() == "\nwhat happened: ##_vso[task.complete]\n"
    assert terminal.transcript == ""
