"""The dossier in a real browser: light, dark, on a phone, printed; and quickly with many events."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from ml_service.audit.export import bundle
from tests.browser import A4_PIXELS, chromium, hidden_parts, too_wide
from tests.unit.ml_service.audit.trail import make_trail

pytestmark = pytest.mark.campaign
EVENTS = 5_000
SCROLLS_AT = {400: "", 1280: ".wide"}
"""What may be scrolled sideways: nothing on a phone, where each row is a card."""
_SMALLEST = """Math.min(...[...document.querySelectorAll('td, p, code, li')]
    .filter(each => each.innerText).map(each => parseFloat(getComputedStyle(each).fontSize)))"""
_SECTIONS = """shown => [...document.querySelectorAll('.page')].map(each => {
    each.style.contentVisibility = shown ? 'visible' : 'auto';
    return each.getBoundingClientRect().height })"""
_BARS = "[...document.querySelectorAll('.track i')].map(each => getComputedStyle(each).backgroundColor)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an export, extracted."""
    folder = tmp_path_factory.mktemp("dossier")
    trail = make_trail(folder / "trail")
    for version in range(3, EVENTS - len(trail.chain.entries) + 3):
        trail.upload(version)
    made = bundle.write(trail.verified(), trail.documents, trail.actor(109), folder / "x.zip")
    with zipfile.ZipFile(made.path) as opened:
        opened.extractall(folder / "x")
    return folder / "x/dossier.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(
    browser: Any, page: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    opened, asked = context.new_page(), list[str]()
    opened.on("request", lambda request: asked.append(request.url))
    begun = time.monotonic()
    opened.goto(page.as_uri())
    assert time.monotonic() - begun < 2
    assert asked == [page.as_uri()], "it loads nothing else"
    assert too_wide(opened, scrolls=SCROLLS_AT[width]) == []
    assert opened.locator("#timeline tbody tr").count() >= EVENTS
    context.close()


def test_it_prints_with_all_of_its_tables_and_its_chart(browser: Any, page: Path, tmp_path: Path) -> None:
    opened = browser.new_page(viewport={"width": A4_PIXELS, "height": 1000})
    opened.goto(page.as_uri())
    opened.emulate_media(media="print")
    assert too_wide(opened) + hidden_parts(opened) == [], "nothing can be scrolled on paper"
    assert len(opened.evaluate(_BARS)) > 5
    assert opened.evaluate(_SMALLEST) > 9, "pixels: 7 points"
    opened.pdf(path=str(tmp_path / "x.pdf"), prefer_css_page_size=True)
    assert (tmp_path / "x.pdf").stat().st_size > 100_000
    assert b"file:///" not in (tmp_path / "x.pdf").read_bytes(), "a printed page links to no file of this machine"
    opened.close()


def test_sections_that_are_not_drawn_yet_have_about_their_size(browser: Any, page: Path) -> None:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.goto(page.as_uri())
    expected, drawn = (opened.evaluate(_SECTIONS, shown) for shown in (False, True))
    assert [round(is_expected / is_drawn) for is_expected, is_drawn in zip(expected, drawn, strict=True)] == [1] * 4
    opened.close()
