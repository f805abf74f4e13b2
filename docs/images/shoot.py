"""Take pictures of the studio from a real run: python docs/images/shoot.py [--review FOLDER], after KEEP=1 make run.

Without --review, the three pictures of README.md; that of a pipeline run is of one that waits for its approval, as
after `python -m local_azure pipelines run .pipelines/release.yml --studio -p redeploy=true`. With it, every kind of
page in full, 1280 and 400 pixels wide, light and dark, for somebody to look at. Needs Chromium and the packages of
requirements/dev.txt; the server of the state folder is started when needed.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from local_azure.cli import lifecycle
from local_azure.cli.workspace.studio_command import one_time_address
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder, find_project, find_state_folder

HERE = Path(__file__).parent
SIZE = {"width": 1120, "height": 700}
WIDTHS = (1280, 400)
FRAME_MILLISECONDS = 200  # until a frame is drawn
W = "w/local-development"
PLACES = {
    "overview": "",
    "runs": f"{W}/runs",
    "pipelines": f"{W}/pipelines",
    "schedules": f"{W}/schedules",
    "data": f"{W}/data",
    "models": f"{W}/models",
    "services": f"{W}/services",
    "compute": f"{W}/compute",
    "builds": "builds",
    "queue": "queue",
    "error": "nowhere",
}
"""Pages by their address."""
RUNS_OF_PIPELINE = f"{W}/runs?experiment=paid-amount"
BEHIND = {
    "run": (RUNS_OF_PIPELINE, "td a"),
    "compare": (f"{W}/runs", "tr:nth-child(1) input", "tr:nth-child(2) input", "button[data-compare]"),
    "log": (RUNS_OF_PIPELINE, "td a", ".graph a", "#log a"),
    "files": (RUNS_OF_PIPELINE, "td a", "#files a"),
    "pipeline": (f"{W}/pipelines", "td a"),
    "data_set": (f"{W}/data", "td a"),
    "model": (f"{W}/models", "td a"),
    "service": (f"{W}/services/paid-amount-test", "button.main"),
    "build": ("builds", "td a"),
    "build_log": ("builds", "td a", "#stages summary:has(.badge)", "#stages li a"),
    "queue_form": ("queue", "td a"),
}
"""Pages that a person comes to from another one: its address, and what is clicked there, one after the other."""


def main() -> None:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--review", type=Path, metavar="FOLDER", help="every main page, for somebody to look at")
    folder = parser.parse_args().review
    info, _ = lifecycle.ensure(StateFolder(find_state_folder()))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if folder is None:
            _shoot_readme(browser, info)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _shoot_all(browser, info, folder)
        browser.close()


@contextmanager
def _signed_in(browser: Any, info: ServerInfo, **settings: Any) -> Iterator[tuple[Any, str]]:
    """A page of a browser that has signed in, and the address of the studio."""
    context = browser.new_context(**settings)
    page = context.new_page()
    page.goto(one_time_address(info, find_project()))
    page.wait_for_url("**/studio/")
    yield page, re.sub(r"/studio/.*", "/studio", page.url)
    context.close()


def _shoot_readme(browser: Any, info: ServerInfo) -> None:
    with _signed_in(browser, info, viewport=SIZE) as (page, root):
        for name, picture in (("run", "run"), ("service", "service"), ("build", "pipeline")):
            _go(page, root, *BEHIND[name])
            if name == "service":
                page.locator("#ask").evaluate("heading => heading.scrollIntoView()")
            page.screenshot(path=HERE / f"studio_{picture}.png")


def _shoot_all(browser: Any, info: ServerInfo, folder: Path) -> None:
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            size = {"width": width, "height": 900}
            with _signed_in(browser, info, viewport=size, color_scheme=scheme) as (page, root):
                for name, steps in {**{name: (place,) for name, place in PLACES.items()}, **BEHIND}.items():
                    _go(page, root, *steps)
                    _draw_frames(page)
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
                page.context.clear_cookies()
                _go(page, root, "")
                page.screenshot(path=folder / f"sign_in-{width}-{scheme}.png", full_page=True)


def _draw_frames(page: Any) -> None:
    """Bring each frame onto the screen: one that has never been there is blank in a picture of the whole page."""
    for frame in page.locator("iframe").all():
        frame.scroll_into_view_if_needed()
        page.wait_for_timeout(FRAME_MILLISECONDS)


def _go(page: Any, root: str, place: str, *clicked: str) -> None:
    """Open a page and click what leads to another one, the first of each kind."""
    page.goto(f"{root}/{place}")
    for selector in clicked:
        page.locator(selector).first.click()
        page.wait_for_load_state()


if __name__ == "__main__":
    main()
