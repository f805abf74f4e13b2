"""Take the pictures of README.md from a real run: python docs/images/shoot.py, after KEEP=1 make run.

Needs Chromium and the packages of requirements/dev.txt; the server of the state folder is started when needed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from local_azure.cli import lifecycle
from local_azure.cli.workspace.studio_command import one_time_address
from local_azure.machine_learning.storage.state import StateFolder, find_state_folder

HERE = Path(__file__).parent
SIZE = {"width": 1120, "height": 700}


def main() -> None:
    """Sign in and write the three pictures."""
    info, _ = lifecycle.ensure(StateFolder(find_state_folder()))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(one_time_address(info))
        page.wait_for_url("**/studio/")
        _shoot(page)
        browser.close()


def _shoot(page: Any) -> None:
    root = re.sub(r"/studio/.*", "/studio", page.url)
    workspace = f"{root}/w/local-development"
    page.goto(f"{workspace}/runs?experiment=paid-amount")
    page.locator("td a").first.click()
    page.screenshot(path=HERE / "studio_run.png")
    page.goto(f"{workspace}/services/paid-amount-test")
    page.get_by_role("button", name="Ask").click()
    page.locator("#answer").wait_for()
    page.locator("#ask").evaluate("heading => heading.scrollIntoView()")
    page.screenshot(path=HERE / "studio_service.png")
    page.goto(f"{root}/builds")
    page.locator("td a").first.click()
    page.screenshot(path=HERE / "studio_pipeline.png")


if __name__ == "__main__":
    main()
