"""A page in a real browser: the distribution's Chromium, what is wider than its window, what axe finds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or ""
A4_PIXELS = 703
"""Width of a page of A4 within margins of 12 mm, at 96 pixels an inch."""
_OUTSIDE = """scrolls => [...document.querySelectorAll('body *')]
    .filter(each => each.getBoundingClientRect().width && !(scrolls && each.closest(scrolls)))
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1 || each.getBoundingClientRect().left < -1)
    .map(each => each.outerHTML.slice(0, 120))"""
_CUT = """[...document.querySelectorAll('body *')]
    .filter(each => getComputedStyle(each).overflowX != 'visible' && each.scrollWidth > each.clientWidth + 1)
    .map(each => each.outerHTML.slice(0, 120))"""
_PAGES = re.compile(rb"/Type\s*/Page\b")


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser without a window; the test is skipped where there is none."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def too_wide(page: Any, scrolls: str = "") -> list[str]:
    """What reaches beyond the window. scrolls: selector of boxes that may be scrolled inside; empty: none may."""
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        return ["the page itself", *page.evaluate(_OUTSIDE, scrolls)]
    found: list[str] = page.evaluate(_OUTSIDE, scrolls)
    return found


def hidden_parts(page: Any) -> list[str]:
    """Boxes that would have to be scrolled to be read, which nobody can do on paper."""
    found: list[str] = page.evaluate(_CUT)
    return found


def violations(page: Any) -> list[str]:
    """What axe calls serious or critical, contrast among it: rule and element."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


def printed_pages(page: Any, file: Path) -> int:
    """Print into a PDF; returns the number of its pages."""
    page.pdf(path=str(file), prefer_css_page_size=True)
    return len(_PAGES.findall(file.read_bytes()))
