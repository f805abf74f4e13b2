"""The folders of a run: one empty workspace a job, its own copy of the repository, the artifacts between jobs."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from local_azure.pipelines.expand.queue_facts import predefined_values
from local_azure.pipelines.run.agent.masking import Masker

# What the output of steps may add to one run.
MOST_ARTIFACTS = 200
MOST_NAME_CHARACTERS = 100
_NAME = re.compile(rf"[^\x00-\x1f\x7f-\x9f\\/\":<>|*?]{{1,{MOST_NAME_CHARACTERS}}}")
_NOT_COPIED = (".git", ".local_azure", ".venv")


class JobFolders:
    """The folders of one job, as on a build agent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = root / "s"
        self.temporary = root / "_temp"

    def create(self) -> dict[str, str]:
        """Make them; returns the predefined variables that name them."""
        for name in ("s", "a", "b", "TestResults", "_temp", "_tool"):
            (self.root / name).mkdir(parents=True)
        return {name: os.path.normpath(self.root / path) for name, path in predefined_values("folders").items()}

    def checkout(self, repository: Path) -> int:
        """Copy the working tree as it is now, with its history; returns the number of files."""
        if (repository / ".git").exists():
            self._clone(repository)
        else:
            ignored = shutil.ignore_patterns(*_NOT_COPIED)
            shutil.copytree(repository, self.sources, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        return sum(path.is_file() for path in self.sources.rglob("*") if ".git" not in path.parts)

    def _clone(self, repository: Path) -> None:
        shutil.rmtree(self.sources)
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(repository), str(self.sources)]
        subprocess.run(clone, check=True, capture_output=True)
        subprocess.run(["git", "-C", str(self.sources), "reset", "--quiet"], check=False, capture_output=True)
        list_files = ["git", "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(list_files, check=True, capture_output=True, text=True).stdout.split("\0")
        for relative in filter(None, files):
            if (repository / relative).is_file():
                (self.sources / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / relative, self.sources / relative, follow_symlinks=False)

    def private_python(self) -> Path:
        """Create a virtual environment on top of the running one; what is installed there does not leave the job."""
        home = self.root / "_tool" / "python"
        if home.exists():
            return home / "bin"
        site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        site.mkdir(parents=True)
        (home / "bin").mkdir()
        base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
        for name in {"python", "python3", base.name}:
            (home / "bin" / name).symlink_to(base)
        (home / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        packages = (path for path in sys.path if path.endswith("site-packages"))
        lines = [f"import site; site.addsitedir({path!r})\n" for path in packages]
        (site / "running_environment.pth").write_text("".join(lines))
        return home / "bin"


class Artifacts:
    """The artifacts of one run, a folder each. Jobs publish them from their threads."""

    def __init__(self, root: Path, masker: Masker) -> None:
        self._root = root
        self._masker = masker
        self._lock = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Return the names of all that were published so far."""
        return sorted(path.name for path in self._root.iterdir())

    def publish(self, name: str, source: Path) -> None:
        """Store a file, or a folder's content, under a name that is free in this run; raises OSError."""
        if not source.exists():
            raise FileNotFoundError(f"The path {source} to publish does not exist.")
        require_plain(source)
        target = self._taken(name)
        if source.is_file():
            shutil.copy2(source, target)
        else:
            chosen_by_file = (source / ".artifactignore").exists()
            ignore = None if chosen_by_file else shutil.ignore_patterns(".git")
            shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)

    def _taken(self, name: str) -> Path:
        """Take a name for a new artifact; returns its folder."""
        _require_name(name)
        if self._masker.mask(name) != name:
            raise OSError("The artifact name contains a secret, and artifact names are not masked.")
        with self._lock:
            if len(self.names()) >= MOST_ARTIFACTS:
                raise OSError(
                    f"Too many artifacts: at most {MOST_ARTIFACTS} per run. Publish a folder of files as one."
                )
            try:
                (self._root / name).mkdir()
            except FileExistsError:
                message = f"The artifact '{name}' already exists; names must be unique within a run."
                raise FileExistsError(message) from None
        return self._root / name

    def download(self, name: str, target: Path, patterns: Sequence[str]) -> int:
        """Copy the files that match; the last pattern that matches decides, '!' excludes. Raises OSError."""
        _require_name(name)
        source = self._root / name
        if not source.is_dir():
            raise FileNotFoundError(f"The artifact '{name}' was not published. Published: {', '.join(self.names())}.")
        target.mkdir(parents=True, exist_ok=True)
        count = 0
        for path in source.rglob("*"):
            relative = path.relative_to(source).as_posix()
            if path.is_file() and _is_wanted(relative, patterns):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / relative)
                count += 1
        return count


def require_plain(path: Path) -> None:
    """Raise OSError for a device, a pipe or a socket, which may have no end."""
    if not (path.is_file() or path.is_dir()):
        raise OSError(f"The path {path} is neither a file nor a folder.")


def _require_name(name: str) -> None:
    """Raise OSError where a name is not one of a folder below that of the artifacts, as the service restricts it."""
    if name in (".", "..") or not _NAME.fullmatch(name):
        raise OSError(
            f"Invalid artifact name {name[:MOST_NAME_CHARACTERS]!r}: 1 to {MOST_NAME_CHARACTERS} characters, "
            'without control characters and \\ / " : < > | * ?.'
        )


def _is_wanted(relative: str, patterns: Sequence[str]) -> bool:
    wanted = not patterns
    for pattern in patterns:
        plain = pattern.lstrip("!")
        if fnmatchcase(relative, plain) or fnmatchcase(f"/{relative}", plain):
            wanted = not pattern.startswith("!")
    return wanted
