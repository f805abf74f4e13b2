"""The recording of `make run`: what a terminal shows becomes a picture, and both pictures show the same run."""

from __future__ import annotations

import re
import runpy
import sys
from html import unescape
from typing import Any

from tests.sample import ROOT

FOLDER = ROOT / "docs/images"
RECORD: dict[str, Any] = runpy.run_path(str(FOLDER / "record.py"))
LIGHT, DARK = ((FOLDER / f"make_run_{theme}.svg").read_text(encoding="utf-8") for theme in ("light", "dark"))


def rows(picture: str) -> list[str]:
    """The lines of the terminal, without their style."""
    return [unescape(re.sub(r"<[^>]+>", "", row)) for row in re.findall(r"<text .*</text>", picture)]


def test_both_pictures_show_one_whole_run() -> None:
    shown = rows(LIGHT)
    assert rows(DARK) == shown
    assert shown[0] == "$ make run"
    text = "\n".join(shown)
    assert re.search(r"^outcome +accepted, first-model", text, re.MULTILINE)
    assert "Nothing that this command has started is left running." in text
    assert "has no effect" not in text


def test_a_picture_holds_no_folder_of_a_machine_and_asks_nobody() -> None:
    foreign = re.findall(r"(?<![\w~./-])/(?:home|root|tmp|work)/\S*", "\n".join(rows(LIGHT)))
    assert foreign == []
    for picture in (LIGHT, DARK):
        assert re.findall(r"<script|<image|href=|url\(|@import", picture) == []


def test_colors_wrapping_and_pauses_are_those_of_a_terminal() -> None:
    wide = RECORD["COLUMNS"]
    printed = [(9.0, "\x1b[1;32mgreen\x1b[0m plain\r\n"), (9.5, "10 %\r20 %\r\n"), (30.0, "x" * (wide + 2) + "\n")]
    lines = list(RECORD["shown"](printed))
    assert lines[0].texts == (("green", "b c2"), (" plain", ""))
    assert [line.texts[0][0] for line in lines[1:]] == ["20 %", "x" * wide, "xx"]
    assert [line.second for line in lines] == [1.0, 1.5, 2.5, 2.5]


def test_a_folder_of_the_repository_is_shown_as_the_readers_own() -> None:
    (line,) = RECORD["shown"]([(0.0, f"kept in {ROOT}/out\n")])
    assert line.texts == (("kept in ~/template/out", ""),)


def test_what_is_printed_is_text_of_the_picture_and_nothing_else() -> None:
    lines = list(RECORD["shown"]([(0.1, "<b> & </style>\n"), *((0.2, f"{number}\n") for number in range(40))]))
    picture = RECORD["picture"](lines, "dark")
    assert "&lt;b&gt; &amp; &lt;/style&gt;" in picture
    assert rows(picture)[:2] == ["<b> & </style>", "0"]
    assert f"translateY(-{(41 - RECORD['ROWS']) * RECORD['HIGH']}px)" in picture, "the last line is in sight"


def test_a_command_is_recorded_line_by_line() -> None:
    printed = list(RECORD["recorded"]([sys.executable, "-c", "print('one'); print('two')"]))
    assert [line for _, line in printed] == ["one\r\n", "two\r\n"]
