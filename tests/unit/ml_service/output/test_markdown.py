"""Foreign text stays text on a Markdown page: in a line, in the cell of a table, in code and in a block."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.output.markdown import fenced, neutral, render


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>no</b>", r"\<b\>no\</b\>"),
        ("[a](http://x)", r"\[a\](http://x)"),
        ("a | b\nc", r"a \| b c"),
        ("# *x* _y_ ~z~ `c` \\", r"\# \*x\* \_y\_ \~z\~ \`c\` \\"),
    ],
)
def test_a_value_has_no_meaning_of_its_own(text: str, shown: str) -> None:
    assert neutral(text) == shown


def test_a_template_neutralises_every_value_but_its_own_text(tmp_path: Path) -> None:
    template = tmp_path / "page.md.j2"
    template.write_text("# {{ a }}: {{ a | code }}, {{ a | safe }}\n")

    assert render(template, a="`x` | <i>") == "# \\`x\\` \\| \\<i\\>: `'x' / <i>`, `x` | <i>\n"


def test_a_block_cannot_be_ended_by_its_text() -> None:
    assert fenced("a\n```\n# b") == "````text\na\n```\n# b\n````"
