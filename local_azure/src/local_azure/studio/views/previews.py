"""Previews of files: what kind a file is by its name, tables of CSV, readable JSON, pages from Markdown."""

from __future__ import annotations

import csv
import io
import json
import mimetypes
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from markdown_it import MarkdownIt
from markupsafe import Markup

Kind = Literal["table", "json", "image", "page", "markdown", "text", "other"]
MOST_ROWS = 200
MOST_COLUMNS = 50
MOST_CHARACTERS = 2 * 1024 * 1024  # of JSON with its indents, which may be a thousand times as long as without
_SECRET = re.compile("password|secret|token|credential|key$", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_LARGE_DIGITS = 5  # years have four
_IDENTIFIER = re.compile(r"(id|key|code|number|no)$", re.IGNORECASE)
_SCROLLING = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
_ENCODER = json.JSONEncoder(indent=2, ensure_ascii=False)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys((".csv", ".tsv"), "table"),
    ".json": "json",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"), "image"),
    **dict.fromkeys((".html", ".htm"), "page"),
    ".md": "markdown",
    **dict.fromkeys(
        (".txt", ".log", ".py", ".yml", ".yaml", ".toml", ".ini", ".cfg", ".sh", ".xml", ".ipynb", ".r", ".sql",
         ".jsonl", ".in", ".j2", ".amlignore", ".gitignore"), "text"
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """The beginning of a table. total: how many rows the whole file has, None if not all of it was read."""

    columns: list[str]
    rows: list[list[str]]
    is_cut: bool
    total: int | None = None

    @property
    def extent(self) -> str:
        """How many rows there are, and how many of them are shown."""
        shown = len(self.rows)
        if not self.is_cut:
            return f"{shown:,} row{'' if shown == 1 else 's'}"
        return f"{shown:,} of {self.total:,} rows" if self.total is not None else f"the first {shown:,} rows"

    def cell(self, place: int, text: str) -> str:
        """Show a cell: a column of numbers with thousands separators, if it has numbers of five digits or more."""
        whole, point, rest = text.strip().partition(".")
        if place not in self._separated or not _WHOLE.fullmatch(whole):
            return text
        return f"{whole[: -len(whole.lstrip('+-'))]}{int(whole.lstrip('+-')):,}{point}{rest}"

    @cached_property
    def _separated(self) -> frozenset[int]:
        """The positions of numbers that are amounts: large, no identifiers, without zeros in front."""
        return frozenset(place for place in self.numeric if self._are_amounts(place))

    def _are_amounts(self, place: int) -> bool:
        wholes = [row[place].strip().lstrip("+-").partition(".")[0] for row in self.rows if place < len(row)]
        has_large = any(len(whole) >= _LARGE_DIGITS for whole in wholes)
        has_zeros = any(len(whole) > 1 and whole.startswith("0") for whole in wholes)
        return has_large and not has_zeros and not _IDENTIFIER.search(self.columns[place])

    @cached_property
    def numeric(self) -> frozenset[int]:
        """The positions of the columns that hold numbers only; cells may be empty."""
        return frozenset(place for place in range(len(self.columns)) if _are_numbers(self.rows, place))


def _are_numbers(rows: list[list[str]], place: int) -> bool:
    cells = [row[place].strip() for row in rows if place < len(row)]
    filled = list(filter(None, cells))
    return bool(filled) and all(map(_NUMBER.fullmatch, filled))


def kind_of(name: str) -> Kind:
    """Tell how a file can be shown, by its name."""
    end = name.rpartition("/")[2].lower()
    dot = end.rfind(".")
    return _KINDS.get(end[dot:] if dot >= 0 else "", "text" if end in ("makefile", "dockerfile") else "other")


def media_type(name: str) -> str:
    """Return the media type of a file's name."""
    found, _ = mimetypes.guess_type(name)
    if found and found.startswith("text/"):
        return f"{found}; charset=utf-8"
    return found or "application/octet-stream"


def table_of(text: str, *, whole: bool, tabs: bool = False) -> Table:
    """Return the first rows of a CSV text. whole: the text is the whole file, so its last row is whole too."""
    reader = csv.reader(io.StringIO(text), delimiter="\t" if tabs else ",")
    rows: list[list[str]] = []
    read, is_broken = 0, False
    try:
        for row in reader:
            read += 1
            if read <= MOST_ROWS + 2:
                rows.append(row[:MOST_COLUMNS])
            elif not whole:
                break
    except csv.Error:
        is_broken = True  # what was read before a broken row is shown
    is_cut = not whole or read > MOST_ROWS + 1
    if is_cut and len(rows) > 1:
        rows = rows[:-1]
    total = read - 1 if whole and not is_broken else None
    return Table(rows[0] if rows else [], rows[1:], is_cut, total)


def json_of(text: str) -> Any:
    """Return what a JSON text holds, None where it holds nothing or is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def pretty(value: object, most: int = MOST_CHARACTERS) -> str:
    """Return JSON as people read it, up to about so many characters; its last line says that it is cut."""
    parts: list[str] = []
    left = most
    try:
        for part in _ENCODER.iterencode(value):
            parts.append(part[:left])
            left -= len(part)
            if left < 0:
                return "".join([*parts, "\n… cut"])
    except RecursionError:
        parts.append("\n… too deep")
    return "".join(parts)


def without_secrets(value: object) -> object:
    """Return a document in which the values of keys that name a secret are masked."""
    if isinstance(value, dict):
        return {
            key: "***" if inner and isinstance(inner, str) and _SECRET.search(key) else without_secrets(inner)
            for key, inner in value.items()
        }
    return [without_secrets(inner) for inner in value] if isinstance(value, list) else value


@cache
def _markdown() -> MarkdownIt:
    # No raw HTML, and the library refuses addresses that are scripts. An image would be an address of elsewhere.
    made = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
    made.add_render_rule("table_open", lambda *_: f"{_SCROLLING}<table>")
    made.add_render_rule("table_close", lambda *_: "</table></div>")
    return made


def markdown(text: str) -> Markup:
    """Return a page that others have written in Markdown as HTML; markup in it is shown, not obeyed."""
    return Markup(_markdown().render(text))  # noqa: S704 - html is off: the library escapes
