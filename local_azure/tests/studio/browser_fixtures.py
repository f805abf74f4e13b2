"""A real browser: the distribution's Chromium. Tests are skipped with the reason where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from local_azure.cli.workspace.studio_command import one_time_address
from local_azure.machine_learning.storage.state import ServerInfo

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MILLISECONDS = 20_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser, with a profile of its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def signed_in(chromium: Any, server: ServerInfo, **settings: Any) -> Any:
    """A page of a browser that was signed in with a one-time address; faults of scripts fail the test at its end."""
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    page.goto(one_time_address(server))
    page.wait_for_url("**/studio/")
    return page
