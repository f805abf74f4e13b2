"""Every command of the README runs, in its order, in a clone; every link leads somewhere; tables are current.

`make run`, again, and `make down` are what a newcomer types first: a clone that knows nothing of this checkout.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import requests

from local_azure.cli.warm import VARIABLE
from local_azure.machine_learning.planes import coverage
from ml_service.cli.main import app
from ml_service.cli.verbs.data import app as data_app
from tests.docs.newcomer import Newcomer
from tests.preloading import ENABLED

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# `make test` is what runs this test.
NOT_AGAIN = {"make test"}
# Programs below `exec` start preloaded; a campaign starts them plainly.
PRELOADED = {VARIABLE: "1" if ENABLED else ""}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.parts[1:]))


def commands() -> list[str]:
    """Lines of the README's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line and line not in NOT_AGAIN]


def parts() -> list[list[str]]:
    """The commands of the README, cut where a test looks at what they have left; each part is a shell of its own."""
    found = commands()
    assert len(found) > 15
    cuts = [0, found.index("make run") + 1, found.index("make down"), found.index("make down") + 1]
    first, second, down, rest = (found[begin:end] for begin, end in zip(cuts, [*cuts[1:], None], strict=True))
    activated = [line for line in second if line.endswith("activate")]
    return [first, second, down, [*activated, *rest]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_first_release_is_one_command(newcomer: Newcomer) -> None:
    """`make run` that leaves the server running, what the README then asks it, and `make down`."""
    _, kept_running, down, _ = parts()
    own = {"PYTHONPATH": str(newcomer.clone / "local_azure/src"), **PRELOADED}

    first = newcomer.types(kept_running, **own)
    assert first.found(r"^outcome +(\w+)") == "accepted"
    assert "stop them with: make down" in first.out
    assert newcomer.state.running_server() is not None
    score = first.found(r"^service +.* Healthy, .*(http://127\.0\.0\.1:\d+/score)$")
    assert requests.post(score, json={"horizon": 1}, timeout=10).status_code == 401, "it lives, and asks for its key"

    assert newcomer.types(down).out.strip() == "Stopped."
    assert not newcomer.state.is_locked()
    assert newcomer.processes() == []
    assert git_status(newcomer.clone) == "", "nothing of a run is seen by git"


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_every_command_runs_in_its_order(newcomer: Newcomer) -> None:
    make_run, make_run_again, down, rest = parts()
    # `activate` brings the packages of this checkout; the sources are the clone's own.
    own = {"PYTHONPATH": str(newcomer.clone / "local_azure/src")}

    first = newcomer.types(make_run)
    assert first.found(r"^outcome +(\w+)") == "accepted"
    assert first.found(r"^service +(\S+ Healthy), ") == "paid-amount-test Healthy"
    assert "make down" not in first.out
    assert not newcomer.state.is_locked()
    assert newcomer.processes() == []

    second = newcomer.types(make_run_again, **own, **PRELOADED)
    assert second.found(r"^outcome +(\w+)") == "kept"
    assert second.out.count("Finished (reused)") == 2
    assert "stop them with: make down" in second.out
    assert newcomer.state.running_server() is not None
    assert any("local_azure.server" in words for words in newcomer.processes())
    score = second.found(r"^service +.* Healthy, .*(http://127\.0\.0\.1:\d+/score)$")
    assert requests.post(score, json={"horizon": 1}, timeout=10).status_code == 401, "it lives, and asks for its key"

    assert newcomer.types(down).out.strip() == "Stopped."
    assert not newcomer.state.is_locked()
    assert newcomer.processes() == []
    assert git_status(newcomer.clone) == "", "nothing of a run is seen by git"

    newcomer.types(rest, **own, **PRELOADED)


@pytest.mark.campaign
@pytest.mark.timeout(400)
def test_make_run_starts_every_command_plainly_where_it_is_asked_to(newcomer: Newcomer) -> None:
    assert newcomer.types(["make run"], WARM="").found(r"^outcome +(\w+)") == "accepted"


def test_without_preloading_make_run_has_no_flag_for_it() -> None:
    command = ["make", "--no-print-directory", "-n", "run"]
    plain, warm = (
        subprocess.run([*command, f"WARM={value}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for value in ("", "1")
    )
    assert (" --warm " in plain, " --warm " in warm) == (False, True)


def git_status(clone: Path) -> str:
    """What git sees that was not committed."""
    return subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_table_of_routes_is_current() -> None:
    written = (ROOT / "local_azure" / "COVERAGE.md").read_text(encoding="utf-8")
    assert written == coverage.document(), "run `make coverage`"


def test_every_verb_and_exit_code_is_in_a_table() -> None:
    verbs = {
        str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback
    }
    deliveries = {
        f"data {command.name or command.callback.__name__}"
        for command in data_app.registered_commands
        if command.callback
    }
    verbs = {name.replace("_", " ") for name in verbs} | deliveries | {"problems", "schedule"}
    assert verbs - set(re.findall(r"^\| `([a-z ]+)` \|", README, re.MULTILINE)) == set()
    codes = re.findall(r"^ +(\d+) +\w", app.info.epilog or "", re.MULTILINE)
    assert codes == re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)


def test_the_folders_of_the_readme_exist() -> None:
    table = README.split("## Where things are")[1]
    folders = re.findall(r"^\| `([a-z_]+/)` \|", table, re.MULTILINE)
    assert len(folders) > 5
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
