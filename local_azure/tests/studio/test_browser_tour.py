"""A tour of the studio in a real browser: live runs, comparison, a service, approvals, print, accessibility."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import chromium, signed_in  # type: ignore[import-not-found]  # noqa: F401 - a fixture
from service_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures

from local_azure.machine_learning.storage.state import ServerInfo, StateFolder
from tests.pipelines.approval_pipeline import PIPELINE

pytestmark = [pytest.mark.campaign, pytest.mark.filterwarnings("ignore:azureml.core.model:FutureWarning")]

SLOW_STEP = """
import pathlib, time
from azureml.core import Run
print("the step has begun", flush=True)
while not pathlib.Path("GATE").exists():
    time.sleep(0.05)
Run.get_context().log("loss", 0.125)
print("the step goes on", flush=True)
"""


@pytest.fixture
def page(chromium: Any, server: ServerInfo) -> Iterator[Any]:  # noqa: F811
    """A browser that has signed in; a script that breaks, or that the policy refuses, fails the test."""
    made = signed_in(chromium, server)
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda message: faults.append(message.text) if "Refused" in message.text else None)
    yield made
    made.context.close()
    assert faults == []


def test_a_live_pipeline_run_is_watched_to_its_end(project: Any, page: Any, unique: Callable[[str], str]) -> None:
    from azureml.core import Experiment

    gate = project.folder / "gate"
    slow = project.step("slow", SLOW_STEP.replace("GATE", str(gate)))
    later = project.step("later", "print('later')")
    later.run_after(slow)
    run = Experiment(project.workspace, unique("live")).submit(project.pipeline(slow, later))
    page.goto(run.get_portal_url())
    page.locator(".graph .live").wait_for()
    assert page.locator(".graph .node").count() == 2
    page.locator("#live-note").get_by_text("Updated live").wait_for()
    gate.touch()
    page.locator("#head .badge", has_text="Completed").wait_for()
    assert page.locator(".graph .good").count() == 2
    page.locator("#metrics").get_by_text("0.125").wait_for()
    page.locator(".graph a", has_text="slow").click()
    assert "the step goes on" in page.locator("#log").inner_text()


def test_two_runs_are_chosen_and_compared(ws: Any, page: Any, unique: Callable[[str], str]) -> None:
    from azureml.core import Experiment

    name = unique("compared")
    for loss in (0.5, 0.25):
        run = Experiment(ws, name).start_logging(snapshot_directory=None)
        run.log("loss", loss)
        run.tag("recipe", f"recipe-{loss}")
        run.complete()
    page.goto(f"{_root(page)}/w/{ws.name}/runs?experiment={name}")
    for box in page.locator("input[name=run]").all():
        box.check()
    page.get_by_role("button", name="Compare 2 runs").click()
    assert page.locator("tr", has_text="loss").first.inner_text().split()[-2:] == ["0.25", "0.5"]
    assert "recipe-0.25" in page.content()


def _root(page: Any) -> str:
    return re.sub(r"/studio/.*", "/studio", page.url)


def test_a_service_is_asked_from_its_page(ws: Any, service: Any, page: Any) -> None:
    page.goto(f"{_root(page)}/w/{ws.name}/services/{service.name}")
    assert '"data"' in page.locator("#request").input_value(), "the example of its swagger document"
    keys = service.get_keys()
    assert all(key not in page.content() for key in keys)
    page.locator("#request").fill('{"data": [1, 2]}')
    page.get_by_role("button", name="Ask").click()
    assert "Answer 200" in page.locator("#answer").inner_text()
    assert "forecast" in page.locator("section[aria-labelledby=answer]").inner_text()
    assert all(key not in page.content() for key in keys)
    page.get_by_role("button", name="Show the keys").click()
    assert keys[0] in page.content()


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline that asks for an approval."""
    file = tmp_path / "repository" / "azure-pipelines.yml"
    file.parent.mkdir()
    file.write_text(PIPELINE)
    return file


@pytest.fixture
def waiting(state: StateFolder, server: ServerInfo, pipeline: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of it, without a terminal."""
    command = [sys.executable, "-m", "local_azure", "--state", str(state.root), "pipelines", "run", str(pipeline)]
    run = subprocess.Popen([*command, "--studio"], stdin=subprocess.DEVNULL)
    yield run
    run.kill()
    run.wait()


def test_one_release_is_approved_and_another_rejected(waiting: subprocess.Popen[bytes], page: Any) -> None:
    link = page.get_by_role("link", name="Production to the environment production")
    for _ in range(100):
        page.goto(f"{_root(page)}/builds")
        if link.count():
            break
        page.wait_for_timeout(200)
    link.click()
    page.get_by_label("Comment").fill("seen the report")
    page.get_by_role("button", name="Approve").click()
    page.locator("#head .badge", has_text="Succeeded").wait_for()
    assert waiting.wait(timeout=60) == 0
    assert "seen the report" in page.locator("#approvals").inner_text()
    page.get_by_role("link", name="Queue this pipeline again").click()
    page.get_by_label("who").fill("Ada")
    page.get_by_role("button", name="Queue").click()
    page.get_by_role("button", name="Reject").click()
    assert "needs a comment" in page.content()
    page.go_back()
    page.get_by_label("Comment").fill("not on a Friday")
    page.get_by_role("button", name="Reject").click()
    page.locator("#head .badge", has_text="Failed").wait_for()
    assert "not on a Friday" in page.locator("#approvals").inner_text()
    page.locator("summary", has_text="train").click()
    page.get_by_role("link", name="Judge").click()
    assert "hello Ada" in page.locator(".log").inner_text()


PAGES = ("", "builds", "queue", *(f"w/local-development/{name}" for name in (
    "runs", "pipelines", "schedules", "data", "models", "services", "compute")))  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_violation(chromium: Any, server: ServerInfo, ws: Any, scheme: str) -> None:  # noqa: F811
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
    from azureml.core import Experiment

    run = Experiment(ws, "accessible").start_logging(display_name="a run", snapshot_directory=None)
    for loss in (0.5, 0.25, 0.125):
        run.log("loss", loss)
    run.fail("it broke")
    page = signed_in(chromium, server, color_scheme=scheme, bypass_csp=True)
    root = _root(page)
    found = {}
    for address in (*(f"{root}/{name}" for name in PAGES), run.get_portal_url()):
        page.goto(address)
        violations = Axe().run(page).response["violations"]
        found[address] = [each["id"] for each in violations if each["impact"] in ("serious", "critical")]
    assert {address: ids for address, ids in found.items() if ids} == {}
    page.context.close()


def test_pages_work_without_scripts_fit_a_phone_and_print(
    chromium: Any,  # noqa: F811
    server: ServerInfo,
    ws: Any,
    tmp_path: Path,
) -> None:
    from azureml.core import Experiment

    run = Experiment(ws, "plain").start_logging(display_name="a plain run", snapshot_directory=None)
    run.log("loss", 0.5)
    run.complete()
    page = signed_in(chromium, server, java_script_enabled=False, viewport={"width": 400, "height": 800})
    root = _root(page)
    page.goto(f"{root}/w/{ws.name}/runs")
    page.get_by_label("Experiment").select_option("plain")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="a plain run").first.click()
    assert "0.5" in page.locator("#metrics").inner_text()
    page.pdf(path=tmp_path / "run.pdf")
    assert (tmp_path / "run.pdf").read_bytes().startswith(b"%PDF")
    page.context.close()
    narrow = signed_in(chromium, server, viewport={"width": 400, "height": 800})
    for address in (*(f"{root}/{name}" for name in PAGES), run.get_portal_url()):
        narrow.goto(address)
        assert narrow.evaluate("document.documentElement.scrollWidth") <= 400, address
    narrow.context.close()
