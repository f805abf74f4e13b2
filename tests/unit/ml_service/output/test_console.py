"""What is printed into a file is whole."""

from __future__ import annotations

import io
import subprocess
import sys
from subprocess import PIPE

import pytest

from ml_service.output.console import Terminal
from tests.story.product import ROOT


def test_a_table_in_a_file_is_never_cut() -> None:
    out = io.StringIO()
    columns = [f"a long heading {number}" for number in range(12)]
    Terminal(out=out).table(columns, [["0.123456789"] * 12], right=columns)
    assert out.getvalue().count("0.123456789") == 12
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) < 300, "a table is as wide as it must be"


HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\u202ed\x9be\rf ##vso[task.complete]\tg\u00fc"
SHOWN = "a\\x1b[2Jb\\x1b]0;title\\x07c\\u202ed\\x9be\\rf ##_vso[task.complete]"


def test_what_others_wrote_cannot_act_on_the_terminal() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out=out, err=err)
    terminal.out(HOSTILE)
    terminal.heading(HOSTILE)
    terminal.table(["column"], [[HOSTILE]])
    terminal.err(HOSTILE)
    assert out.getvalue().count(SHOWN) == 3
    assert err.getvalue().count(SHOWN) == 1
    assert "\u00fc" in out.getvalue()
    assert SHOWN in terminal.transcript


@pytest.mark.parametrize("as_json", [False, True])
def test_a_reader_that_leaves_does_not_break_a_command_off(as_json: bool) -> None:
    """As with `release | head -n 1`: what happens to production must not depend on who reads."""
    program = (
        "import sys; from ml_service.output.console import Terminal\n"
        f"terminal = Terminal(as_json={as_json})\n"
        "terminal.document({'first': 'x' * 200_000})\n"
        "for number in range(2_000): terminal.out(f'line {number} ' + 'x' * 200)\n"
        "terminal.print_closing(['live now: m:2'], failed=False)\n"
        "sys.exit(3)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=PIPE, stderr=PIPE, text=True, cwd=ROOT) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.read(1)
        command.stdout.close()
        said = command.stderr.read()
    assert command.returncode == 3
    assert "Error" not in said
    assert ("live now: m:2" in said) == as_json
