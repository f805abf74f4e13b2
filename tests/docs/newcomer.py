"""A clone of the last commit that uses the environment of this checkout, and who types commands in it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.storage.state import FOLDER_NAME, StateFolder
from tests.story.product import ROOT, Ended

SECONDS = 380


@dataclass(frozen=True)
class Newcomer:
    """A clone and the variables of its user."""

    clone: Path
    environment: Mapping[str, str]
    seconds: float = SECONDS

    @property
    def state(self) -> StateFolder:
        """Where the clone keeps the data of local_azure."""
        return StateFolder(self.clone / FOLDER_NAME)

    def types(self, lines: list[str], **more: str) -> Ended:
        """Run lines as a user types them; the last one begun is named when it fails."""
        told = "".join(f"echo '>>> {number}' >&2\n{line}\n" for number, line in enumerate(lines))
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{told}"],
            cwd=self.clone, env={**self.environment, **more},
            capture_output=True, text=True, check=False, timeout=self.seconds,
        )  # fmt: skip
        last = lines[done.stderr.count(">>> ") - 1]
        assert done.returncode == 0, f"{last}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return Ended(done.returncode, done.stdout, done.stderr)

    def processes(self) -> list[str]:
        """Command lines of all processes that work in the clone or on its state."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is somebody else's
                words = (process / "cmdline").read_text().replace("\0", " ")
                if str(self.clone) in f"{words} {(process / 'cwd').readlink()}":
                    found.append(words)
        return found


def make_clone(folder: Path) -> Path:
    """Clone the last commit: what was never added to it is missed there and nowhere else."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    _link_environment(folder)
    return folder


def _link_environment(clone: Path) -> None:
    """Give the clone a .venv of links to ours, so that nothing is installed again.

    What must not be shared is made anew: make's marker, which names the folder and must be newer than the lock files
    of the clone, and the path of the editable local_azure, which leads to our sources.
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
    (theirs / ".installed").write_text(f"{clone}\n")
