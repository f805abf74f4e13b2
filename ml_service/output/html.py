"""HTML pages from templates: every value is escaped, and a page loads nothing and runs nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ml_service.output.moments import exact_moment, shown_moment

_SHARED = Path(__file__).parent


def render_page(template: Path, **values: Any) -> str:
    """The page of a template, which extends `page.html.j2`."""
    return _pages(template.parent).get_template(template.name).render(values)


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
