"""What a newcomer types: `make run`, again, and `make down`, in a clone that knows nothing of this one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import FOLDER_NAME, StateFolder
from tests.story.product import ROOT, Ended, clean_environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone of the last commit: what was never added to it is missed here and by no other test."""
    folder = tmp_path_factory.mktemp("newcomer") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    link_environment(folder)
    yield folder
    lifecycle.stop(StateFolder(folder / FOLDER_NAME))


def link_environment(clone: Path) -> None:
    """Give the clone a .venv of links to ours, so that nothing is installed again.

    What must not be shared is made anew: make's marker, because ours would look older than the lock files of the
    clone, and the path of the editable local_azure, which leads to our sources.
    """
    ours, theirs = Path(sys.prefix), clone / ".venv"
    packages = Path(sysconfig.get_path("purelib")).relative_to(ours)
    (theirs / packages).mkdir(parents=True)
    for part in ours.iterdir():
        if part.name != ".installed" and not part.name.startswith("lib"):
            (theirs / part.name).symlink_to(part)
    for part in (ours / packages).iterdir():
        if not part.name.endswith("local_azure.pth"):
            (theirs / packages / part.name).symlink_to(part)
    (theirs / packages / "local_azure.pth").write_text(str(clone / "local_azure/src"))
    (theirs / ".installed").touch()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No variable of a build or of an outer make, no state folder of another server, no path to other sources."""
    environment = clean_environment(tmp_path_factory.mktemp("newcomers_home"))
    for name in ("LOCAL_AZURE_STATE", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    return environment


def make(clone: Path, environment: dict[str, str], target: str, **more: str) -> Ended:
    """Run make in the clone, which must succeed."""
    command = [shutil.which("make") or "make", target]
    done = subprocess.run(
        command, cwd=clone, env=environment | more, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def processes_of(clone: Path) -> list[str]:
    """Command lines of all processes that work in the clone or on its state."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            words = (process / "cmdline").read_text().replace("\0", " ")
            if str(clone) in f"{words} {(process / 'cwd').readlink()}":
                found.append(words)
    return found


def test_make_run_twice_and_make_down(clone: Path, environment: dict[str, str]) -> None:
    state = StateFolder(clone / FOLDER_NAME)
    first = make(clone, environment, "run")
    assert first.found(r"^outcome +(\w+)") == "accepted"
    assert first.found(r"^service +(\S+ Healthy), ") == "paid-amount-test Healthy"
    assert "make down" not in first.out
    assert not state.is_locked()
    assert processes_of(clone) == []

    second = make(clone, environment, "run", KEEP="1", WARM="")  # plainly
    assert second.found(r"^outcome +(\w+)") == "kept"
    assert second.out.count("Finished (reused)") == 2
    assert "stop them with: make down" in second.out
    server = state.running_server()
    assert server is not None
    assert any("local_azure.machine_learning.server" in words for words in processes_of(clone))
    score = second.found(r"^service +.* Healthy, .*(http://127\.0\.0\.1:\d+/score)$")
    assert requests.post(score, json={"horizon": 1}, timeout=10).status_code == 401, "it lives, and asks for its key"
    assert make(clone, environment, "down").out.strip() == "Stopped."
    assert not state.is_locked()
    assert processes_of(clone) == []


def test_nothing_of_a_run_is_seen_by_git(clone: Path) -> None:
    status = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""
