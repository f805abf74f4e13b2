"""Every command of the README and of two pages behind it runs, in a clone; links lead somewhere; tables are current.

`make run`, again, and `make down` are what a newcomer types first: a clone that knows nothing of this checkout.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import requests

from local_azure.cli.warm import VARIABLE
from local_azure.machine_learning.planes import coverage
from ml_service.cli.main import app, main
from ml_service.cli.verbs.data import app as data_app
from tests.docs.newcomer import Newcomer
from tests.preloading import ENABLED

ROOT = Path(__file__).resolve().parents[2]
README, FIRST_STEPS, COMMANDS, ARCHITECTURE = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/first_steps.md", "docs/commands.md", "docs/architecture.md")
)
MOST_LINES = 110
"""Of the README: two screens."""
# `make test` is what runs this test.
NOT_AGAIN = {"make test"}
# Programs below `exec` start preloaded; a campaign starts them plainly.
PRELOADED = {VARIABLE: "1" if ENABLED else ""}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.parts[1:]))


def commands() -> list[str]:
    """Lines of the shell blocks of the three pages, each once: the pages behind the README begin as it does."""
    blocks = re.findall(r"^```sh\n(.*?)^```", f"{README}\n{FIRST_STEPS}\n{COMMANDS}", re.DOTALL | re.MULTILINE)
    return list(dict.fromkeys(line for block in blocks for line in block.splitlines() if line not in NOT_AGAIN))


def parts() -> list[list[str]]:
    """The commands, cut where a test looks at what they have left; each part is a shell of its own."""
    found = commands()
    assert len(found) > 25
    cuts = [0, found.index("make run") + 1, found.index("make down"), found.index("make down") + 1]
    first, second, down, rest = (found[begin:end] for begin, end in zip(cuts, [*cuts[1:], None], strict=True))
    activated = [line for line in second if line.endswith("activate") or line.startswith("export ")]
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
    assert "--warm has no effect" not in first.err
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


def dead_links(page: Path) -> list[str]:
    """Targets of links and pictures in this repository that are not there."""
    targets = re.findall(r'(?:\]\(|src="|srcset=")([^)"#]+)', page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    return [target for target in local if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


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
    assert verbs - set(re.findall(r"^\| `([a-z ]+)` \|", COMMANDS, re.MULTILINE)) == set()
    codes = re.findall(r"^ +(\d+) +\w", app.info.epilog or "", re.MULTILINE)
    assert codes == re.findall(r"^\| (\d+) \| ", COMMANDS, re.MULTILINE)


def test_the_folders_of_the_page_about_the_code_exist() -> None:
    table = ARCHITECTURE.split("## Folders")[1].split("\n## ")[0]
    folders = re.findall(r"^\| `([a-z_]+/)` \|", table, re.MULTILINE)
    assert len(folders) > 5
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_readme_fits_two_screens_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= MOST_LINES
    written_for_readers = {page.name for page in (ROOT / "docs").glob("*.md")} - {"dependencies.md"}
    assert {name for name in written_for_readers if f"docs/{name}" not in README} == set()


def parts_in_common(page: str) -> list[str]:
    """What a translation leaves as it is: headings by their level, blocks of code, where links and pictures lead."""
    blocks = re.findall(r"^```\w*\n.*?^```", page, re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return [*headings, *blocks, *sorted(re.findall(r'(?:\]\(|src="|srcset=")([^)"]+)', page))]


def test_the_japanese_readme_has_the_same_parts() -> None:
    japanese = (ROOT / "README.ja.md").read_text(encoding="utf-8")
    assert parts_in_common(japanese.replace("(README.md)", "(README.ja.md)")) == parts_in_common(README)


def test_adopt_is_understood_as_the_readme_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    lines = re.findall(r"^python -m ml_service (adopt .+)$", README, re.MULTILINE)
    assert [line.endswith("--dry-run") for line in lines] == [True, False]
    for line in lines:
        assert main(shlex.split(line.replace("../sales.csv", "absent.csv"))) == 2
        assert "the table absent.csv does not exist" in capsys.readouterr().err
