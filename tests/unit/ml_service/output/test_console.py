"""What is printed into a file is whole."""

from __future__ import annotations

import io

from ml_service.output.console import Terminal


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
    terminal.say(HOSTILE)
    terminal.heading(HOSTILE)
    terminal.table(["column"], [[HOSTILE]])
    terminal.note(HOSTILE)
    assert out.getvalue().count(SHOWN) == 3
    assert err.getvalue().count(SHOWN) == 1
    assert "\u00fc" in out.getvalue()
    assert SHOWN in terminal.transcript
