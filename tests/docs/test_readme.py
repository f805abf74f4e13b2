"""Every command of the README runs, in its order, in a clone; every link leads somewhere; tables are current."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.machine_learning.planes import coverage
from ml_service.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# `make test` is what runs this test.
NOT_AGAIN = {"make test"}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.parts[1:]))


def commands() -> list[str]:
    """Lines of the README's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line and line not in NOT_AGAIN]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A clone that uses the environment of this checkout, so that nothing is installed again."""
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    (target / ".venv").symlink_to(ROOT / ".venv")
    for name in (
        *[f"requirements/{part}" for part in ("bootstrap.txt", "build.txt", "dev.txt", "install")],
        "local_azure/pyproject.toml",
    ):
        os.utime(target / name, (0, 0))  # older than the environment, which make therefore leaves alone
    yield target
    down = [str(ROOT / ".venv/bin/python"), "-m", "local_azure", "--state", str(target / ".local_azure"), "down"]
    subprocess.run(down, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_command_runs_in_its_order(clone: Path, tmp_path: Path) -> None:
    found = commands()
    assert len(found) > 15
    script = "set -euo pipefail\n" + "".join(
        f"echo '>>> {number}' >&2\n{line}\n" for number, line in enumerate(found)
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AZURE", "ARM_", "MSI_"))}
    environment |= {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(clone / "local_azure" / "src"),  # the clone's own, not that of the shared environment
        "MAKEFLAGS": "",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=380
    )
    numbers = re.findall(r">>> (\d+)", done.stderr)
    last = found[int(numbers[-1])] if numbers else "none"
    assert done.returncode == 0, f"{last}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "outcome    accepted" in done.stdout
    assert "outcome    kept" in done.stdout


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
    verbs = {name.replace("_", " ") for name in verbs} | {"data upload", "problems"}
    assert verbs - set(re.findall(r"^\| `([a-z ]+)` \|", README, re.MULTILINE)) == set()
    codes = re.findall(r"^ +(\d+) +\w", app.info.epilog or "", re.MULTILINE)
    assert codes == re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)


def test_the_folders_of_the_readme_exist() -> None:
    table = README.split("## Where things are")[1]
    folders = re.findall(r"^\| `([a-z_]+/)` \|", table, re.MULTILINE)
    assert len(folders) > 5
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
