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
    assert page.locator("tr", has_text="loss").first.inner_text().split()[1:4] == ["0.25", "0.5", "+0.25"]
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
    page.locator("#head .badge", has_text="Rejected").wait_for()
    assert "not on a Friday" in page.locator("#approvals").inner_text()
    page.locator("summary", has_text="train").click()
    page.get_by_role("link", name="Judge").click()
    assert "hello Ada" in page.locator(".log").inner_text()


@pytest.fixture(scope="module")
def finished(state: StateFolder, server: ServerInfo, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Number of a run of the pipeline that was approved and has ended."""
    file = tmp_path_factory.mktemp("repository") / "azure-pipelines.yml"
    file.write_text(PIPELINE)
    command = [sys.executable, "-m", "local_azure", "--state", str(state.root), "pipelines", "run", str(file)]
    subprocess.run([*command, "--approve", "production"], check=True, capture_output=True)
    return max(int(path.name) for path in state.pipeline_runs.iterdir() if path.name.isdigit())


@pytest.fixture(scope="module")
def failed(ws: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A failed run with metrics of every kind, a log and a table."""
    from azureml.core import Experiment

    run = Experiment(ws, "accessible").start_logging(display_name="a run", snapshot_directory=None, outputs=None)
    for loss in (0.5, 0.25, 0.125):
        run.log("loss", loss)
    run.log("rows", 7)
    run.log_table("quantiles", {"quantile": [0.1, 0.9], "pinball": [1.0, 2.0]})
    folder = tmp_path_factory.mktemp("files")
    for name, text in (("std_log.txt", "begun\nValueError: no\n"), ("table.csv", "date,value\n2026-01-01,1\n" * 40)):
        (folder / name).write_text(text)
        run.upload_file(f"{'user_logs' if name.endswith('txt') else 'outputs'}/{name}", str(folder / name))
    run.fail("it broke")
    return run


@pytest.fixture(scope="module")
def registered(ws: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a dataset."""
    from azureml.core import Dataset

    (folder := tmp_path_factory.mktemp("data")).joinpath("table.csv").write_text("date,value\n2026-01-01,1\n")
    Dataset.File.upload_directory(str(folder), (ws.get_default_datastore(), "toured"), show_progress=False)
    made = Dataset.File.from_files((ws.get_default_datastore(), "toured"), validate=False)
    return str(made.register(ws, "toured", create_new_version=True).name)


@pytest.fixture
def published(project: Any) -> Any:
    """A published pipeline that a schedule would run next year."""
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    made = project.pipeline(project.step("one", "print(1)")).publish("toured pipeline")
    yearly = ScheduleRecurrence("Month", 12, start_time="2099-01-01T00:00:00")
    schedule = Schedule.create(project.workspace, "toured schedule", made.id, "toured", recurrence=yearly)
    yield made
    schedule.disable()


@pytest.fixture
def places(failed: Any, finished: int, registered: str, published: Any, service: Any) -> dict[str, str]:
    """Every kind of page, by its address below the studio: what a person reads on it."""
    w = f"w/{failed.experiment.workspace.name}"
    run = f"{w}/runs/{failed.id}"
    return {
        "": "Newest runs", "builds": "azure-pipelines.yml", f"builds/{finished}": "Verdict: accepted",
        f"builds/{finished}/log/Train.train?step=Judge": "hello world",
        f"builds/{finished}/files/artifacts": "evidence/report.html",
        f"builds/{finished}/files/artifacts?path=evidence/report.html": "Open the file itself",
        "queue": "azure-pipelines.yml", "nowhere": "no such page",
        f"{w}/runs": "a run", f"{w}/runs?q=nothing": "No run fits these filters", run: "it broke",
        f"{run}/log": "ValueError: no", f"{run}/files?path=outputs/table.csv": "2026-01-01",
        f"{w}/pipelines": "toured pipeline", f"{w}/pipelines/{published.id}": "Submit a run",
        f"{w}/schedules": "toured schedule", f"{w}/data": registered, f"{w}/data/{registered}": "table.csv",
        f"{w}/models": service.models[0].name, f"{w}/models/{service.models[0].name}": "weights.txt",
        f"{w}/services": service.name, f"{w}/services/{service.name}": "Ask it", f"{w}/compute": "Environments",
    }  # fmt: skip


LIGHT, DARK = {"color_scheme": "light"}, {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 400, "height": 800}}


PLACEHOLDERS = """() => [...document.querySelectorAll("[placeholder]")].map(field =>
    [getComputedStyle(field, "::placeholder").color, getComputedStyle(field).backgroundColor])"""


def _contrast(*colors: str) -> float:
    """The contrast of two colors of a style, as WCAG 2 defines it."""
    lights = []
    for color in colors:
        shares = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares)
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    return max(lights) / min(lights)


@pytest.mark.parametrize("settings", [LIGHT, DARK, LIGHT | PHONE, DARK | PHONE])
def test_no_page_has_a_serious_violation(
    chromium: Any,  # noqa: F811
    server: ServerInfo,
    places: dict[str, str],
    settings: dict[str, Any],
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    page = signed_in(chromium, server, bypass_csp=True, **settings)
    root, found = _root(page), {}

    def check(address: str) -> None:
        page.goto(f"{root}/{address}")
        page.add_style_tag(
            content=".scroll, pre { background: var(--under) !important }"
        )  # axe cannot see past shades
        violations = Axe().run(page).response["violations"]
        found[address] = [each["id"] for each in violations if each["impact"] in ("serious", "critical")]
        width = page.viewport_size["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{address} is too wide"
        for colors in page.evaluate(PLACEHOLDERS):  # which axe does not look at
            assert _contrast(*colors) >= 4.5, f"a placeholder of {address} is hard to read: {colors}"

    for address in places:
        check(address)
    page.context.clear_cookies()
    check("sign-in?code=used")
    assert {address: ids for address, ids in found.items() if ids} == {}
    page.context.close()


def test_a_table_that_scrolls_sideways_is_reached_by_key_and_says_so(
    chromium: Any,  # noqa: F811
    server: ServerInfo,
    failed: Any,
    tmp_path: Path,
) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"a_long_column_{number}" for number in range(20)) + "\n" + "1," * 19 + "1\n")
    failed.upload_file("outputs/wide.csv", str(wide))
    page = signed_in(chromium, server, bypass_csp=True, **PHONE)  # which refuses how the test waits, too
    page.goto(f"{_root(page)}/w/{failed.experiment.workspace.name}/runs/{failed.id}/files?path=outputs/wide.csv")
    table = page.get_by_role("region", name="outputs/wide.csv")
    assert table.evaluate("box => box.scrollWidth > box.clientWidth")
    assert table.evaluate("box => getComputedStyle(box).backgroundImage").count("gradient") == 4, (
        "a shade at each edge"
    )
    assert table.locator("td").first.evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.context.close()


def test_every_page_works_without_scripts(chromium: Any, server: ServerInfo, places: dict[str, str]) -> None:  # noqa: F811
    page = signed_in(chromium, server, java_script_enabled=False)
    root = _root(page)
    for address, text in places.items():
        page.goto(f"{root}/{address}")
        assert text in page.locator("main").inner_text(), address
    page.context.close()


def test_filters_and_forms_work_without_scripts_and_pages_print(
    chromium: Any,  # noqa: F811
    server: ServerInfo,
    ws: Any,
    failed: Any,
    tmp_path: Path,
) -> None:
    page = signed_in(chromium, server, java_script_enabled=False, **PHONE)
    page.goto(f"{_root(page)}/w/{ws.name}/runs")
    page.get_by_label("Experiment").select_option("accessible")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=failed.display_name, exact=True).first.click()
    assert "3 values" in page.locator("#metrics").inner_text()
    page.pdf(path=tmp_path / "run.pdf")
    assert (tmp_path / "run.pdf").read_bytes().startswith(b"%PDF")
    page.get_by_role("button", name="Sign out").click()
    assert "Signed out" in page.content()
    page.context.close()
