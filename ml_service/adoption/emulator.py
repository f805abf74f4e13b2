"""local_azure in an adopted repository: its wheel, pinned by hash, in the place of its sources and their tests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from ml_service.adoption.changes import Change, rewritten
from ml_service.errors import FaultError

SOURCES = Path("local_azure")
WHEELS = Path("vendor")
PIN = WHEELS / "local_azure.txt"
"""What requirements/install reads; paths in it are relative to the repository."""
_KEPT = {"CHANGELOG.md", "COVERAGE.md", "README.md"}
"""Pages of SOURCES that docs/ links to."""
_SECONDS = 120
_JOBS = Path(".pipelines/templates/template_jobs.yml")


def changes(root: Path) -> list[Change]:
    """Build the wheel, pin it, and remove what it replaces. Raises: FaultError where it cannot be built."""
    wheel, content = _built(root / SOURCES)
    pin = f"./{WHEELS / wheel} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    gone = sorted(path.name for path in (root / SOURCES).iterdir() if path.name not in _KEPT)
    call = f"\n  - template: {_JOBS.relative_to('.pipelines').as_posix()}\n"
    return [
        Change(WHEELS / wheel, content),
        Change(PIN, pin.encode()),
        *(Change(SOURCES / name) for name in gone),
        Change(Path("template.mk")),
        Change(_JOBS),
        Change(Path(".github/workflows/template.yml")),
        rewritten(root, ".pipelines/pr.yml", (call, "")),
    ]


def _built(sources: Path) -> tuple[str, bytes]:
    """Name and bytes of the wheel; the same sources give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="wheel_") as folder:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False, timeout=_SECONDS)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise FaultError(
                "the wheel of local_azure could not be built",
                found=done.stderr.strip()[-1000:],
                todo="build the environment of this repository: make setup",
            )
        return wheels[0].name, wheels[0].read_bytes()
