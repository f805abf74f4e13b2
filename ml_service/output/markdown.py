"""Markdown pages from templates: every value is neutralised, so that foreign text stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def render(template: Path, **values: Any) -> str:
    """The page of a template. A value is one line of text without tag, link, heading or emphasis of Markdown.

    What a template marks with `safe` is not neutralised; `code` and `fenced` show a value as it is, as code;
    `answered` makes the answers of a closing a table.
    """
    pages = Environment(
        autoescape=True,
        finalize=neutral,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {"code": _code, "fenced": fenced, "answered": _answered}
    return pages.from_string(template.read_text(encoding="utf-8")).render(values)


def neutral(value: object) -> Markup:
    """A value as Markdown that shows exactly its text, also in the cell of a table."""
    if isinstance(value, Markup):
        return value
    return Markup(_SPECIAL.sub(r"\\\1", " ".join(str(value).splitlines())))  # noqa: S704 - neutral for Markdown


def _code(value: object) -> Markup:
    """A value as code. No escape works between backticks, so the characters that would end it are replaced."""
    text = str(value).replace("`", "'").replace("|", "/").replace("\n", " ")
    return Markup(f"`{text}`")  # noqa: S704 - code shows its text


def _answered(answers: Iterable[tuple[str, str]]) -> Markup:
    """Labels and texts of a closing as a table; a text of several lines keeps them."""
    rows = ["|   |   |", "| --- | --- |"]
    for label, text in answers:
        lines = "<br>".join(neutral(line.strip()) for line in text.splitlines())
        rows.append(f"| **{neutral(label)}** | {lines} |")
    return Markup("\n".join(rows))  # noqa: S704 - every text is neutral


def fenced(text: str) -> Markup:
    """Plain text as a block, between fences that are longer than any in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return Markup(f"{fence}text\n{text.rstrip()}\n{fence}")  # noqa: S704 - a block shows its text
