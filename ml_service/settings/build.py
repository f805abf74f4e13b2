"""The id of this build: that of Azure Pipelines, or a generated one on a laptop."""

from __future__ import annotations

import getpass
import socket
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_service.settings.variables import ROOT, AgentSettings

REQUESTED_FOR = "requested_for"
"""Property of runs and records that names a person."""


_COMMIT, _NO_COMMIT_YET = "# branch.oid ", "(initial)"
"""How `git status --porcelain=v2 --branch` says what is checked out."""
_UNKNOWN, _DIRTY, _LOCAL = "unknown", "-dirty", "local-"


@dataclass(frozen=True)
class Build:
    """Identity of the code that publishes or submits a pipeline."""

    build_id: str
    commit: str
    """Commit id, with `-dirty` behind it when the working tree differs from it; `unknown` outside git."""
    requested_for: str = ""
    """The person for whom Azure Pipelines runs the build; empty where no agent is at work."""

    @property
    def who(self) -> str:
        """Who changes production, for those who meet the change: the person of the build, or the user of a laptop."""
        return self.requested_for or f"{_user()} on {socket.gethostname()}"

    @property
    def person(self) -> dict[str, str]:
        """The property that names the person; empty where nobody is known."""
        return {REQUESTED_FOR: self.requested_for} if self.requested_for else {}


def current_build(settings: AgentSettings) -> Build:
    """The build id and commit of Azure Pipelines, else `local-<UTC time>` and the commit of the working tree."""
    build_id = settings.build_buildid or f"{_LOCAL}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    commit = settings.build_sourceversion or commit_of(ROOT)
    return Build(build_id=build_id, commit=commit, requested_for=settings.build_requestedfor)


def is_local(build_id: str) -> bool:
    """Whether a command outside of a pipeline stands for the build."""
    return build_id.startswith(_LOCAL)


def is_uncommitted(commit: str) -> bool:
    """Whether the working tree differed from the commit."""
    return commit.endswith(_DIRTY)


def without_mark(commit: str) -> str:
    """The id of a commit by itself, whether or not the working tree differed from it."""
    return commit.removesuffix(_DIRTY)


def build_url(settings: AgentSettings, build_id: str) -> str:
    """Address of a build's page; empty outside Azure DevOps."""
    if not (settings.system_collectionuri and settings.system_teamproject and build_id.isdecimal()):
        return ""
    return f"{settings.system_collectionuri}{settings.system_teamproject}/_build/results?buildId={build_id}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container whose user has no name
        return "an unnamed user"


def commit_of(folder: Path) -> str:
    """Commit id of a working tree as in `Build`."""
    lines = _status(folder)
    commit = next((line.removeprefix(_COMMIT) for line in lines if line.startswith(_COMMIT)), _NO_COMMIT_YET)
    if commit == _NO_COMMIT_YET:
        return _UNKNOWN
    return f"{commit}{_DIRTY}" if _changes(lines) else commit


def uncommitted_changes(folder: Path) -> int:
    """How many committed files of a working tree are not as committed; 0 outside git."""
    return _changes(_status(folder))


def _changes(lines: list[str]) -> int:
    return sum(not line.startswith("#") for line in lines)


def _status(folder: Path) -> list[str]:
    """The lines of `git status`; none where git does not answer."""
    # Not `git describe --dirty`: it locks the index, and a verb that is killed meanwhile would leave the lock behind.
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(command, cwd=folder, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.decode(errors="replace").splitlines()
