"""HTML pages from templates: every value is escaped, and a page loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ml_service.output.moments import exact_moment, shown_moment

_SHARED = Path(__file__).parent
_PARTS = 500
"""Parts of a template's text that make one piece of a page."""


def render_page(template: Path, **values: Any) -> str:
    """The page of a template, which extends `page.html.j2`."""
    return "".join(stream_page(template, **values))


def stream_page(template: Path, **values: Any) -> Iterator[str]:
    """The same page piece by piece, so that a long one, whose values may be iterators, takes no memory."""
    stream = _pages(template.parent).get_template(template.name).stream(values)
    stream.enable_buffering(_PARTS)
    yield from stream


@cache
def _pages(folder: Path) -> Environment:
    pages = Environment(
        autoescape=True,
        loader=FileSystemLoader([folder, _SHARED]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["moment"] = shown_moment
    pages.filters["exact"] = exact_moment
    return pages
