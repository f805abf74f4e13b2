"""The folders of a run: one empty workspace a job, its own copy of the repository, the artifacts between jobs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

_NEVER = (".git", ".local_azure", ".azureml", ".venv")


class JobFolders:
    """The folders of one job, as on a build agent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = root / "s"
        self.staging = root / "a"
        self.binaries = root / "b"
        self.results = root / "TestResults"
        self.temporary = root / "_temp"

    def create(self) -> None:
        """Make them."""
        for folder in (self.sources, self.staging, self.binaries, self.results, self.temporary):
            folder.mkdir(parents=True)

    def variables(self) -> dict[str, str]:
        """The predefined variables that name these folders."""
        sources, staging = str(self.sources), str(self.staging)
        return {
            "Agent.BuildDirectory": str(self.root), "Agent.TempDirectory": str(self.temporary),
            "Agent.WorkFolder": str(self.root.parent), "Agent.ToolsDirectory": str(self.root / "_tool"),
            "Build.ArtifactStagingDirectory": staging, "Build.StagingDirectory": staging,
            "Build.BinariesDirectory": str(self.binaries), "Build.SourcesDirectory": sources,
            "Build.Repository.LocalPath": sources, "Common.TestResultsDirectory": str(self.results),
            "Pipeline.Workspace": str(self.root), "System.ArtifactsDirectory": staging,
            "System.DefaultWorkingDirectory": sources, "System.WorkFolder": str(self.root.parent),
        }  # fmt: skip

    def checkout(self, repository: Path) -> int:
        """Copy the working tree as it is now, with its history; returns the number of files."""
        files = self._clone(repository) if (repository / ".git").exists() else _all_files(repository)
        count = 0
        for relative in files:
            source, target = repository / relative, self.sources / relative
            if source.is_file() or source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
                count += 1
        return count

    def _clone(self, repository: Path) -> list[str]:
        """The history without files, and the names of what is tracked or new and not ignored."""
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(repository), str(self.sources)]
        listed = ["git", "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        shutil.rmtree(self.sources)
        subprocess.run(clone, check=True, capture_output=True)
        subprocess.run(["git", "-C", str(self.sources), "reset", "--quiet"], check=False, capture_output=True)
        answer = subprocess.run(listed, check=True, capture_output=True, text=True)
        return [name for name in answer.stdout.split("\0") if name]

    def private_python(self) -> Path:
        """A virtual environment of this job on top of the running one: what it installs does not leave the job."""
        home = self.root / "_tool" / "python"
        site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        site.mkdir(parents=True, exist_ok=True)
        (home / "bin").mkdir(exist_ok=True)
        base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
        for name in ("python", "python3", base.name):
            link = home / "bin" / name
            if not link.exists():
                link.symlink_to(base)
        (home / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        packages = [path for path in sys.path if path.endswith("site-packages")]
        lines = [f"import site; site.addsitedir({path!r})" for path in packages]
        (site / "running_environment.pth").write_text("\n".join(lines) + "\n")
        return home / "bin"


def _all_files(root: Path) -> list[str]:
    found: list[str] = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _NEVER]
        found += [str((Path(folder) / file).relative_to(root)) for file in files]
    return found


class Artifacts:
    """The artifacts of one run: a folder each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def publish(self, name: str, source: Path) -> int:
        """Store a file or a folder's content under a name; returns the number of files.

        Raises FileNotFoundError, and FileExistsError for a name that was used in this run.
        """
        if not source.exists():
            raise FileNotFoundError(f"The path {source} to publish does not exist.")
        target = self._root / name
        target.mkdir()
        if source.is_file():
            shutil.copy2(source, target)
        else:
            dropped = None if (source / ".artifactignore").exists() else shutil.ignore_patterns(".git")
            shutil.copytree(source, target, ignore=dropped, dirs_exist_ok=True)
        return sum(path.is_file() for path in target.rglob("*"))

    def names(self) -> list[str]:
        """The names of all that were published so far."""
        return sorted(path.name for path in self._root.iterdir())

    def download(self, name: str, target: Path, patterns: list[str]) -> int:
        """Copy one artifact's files that match into a folder; raises FileNotFoundError."""
        source = self._root / name
        if not source.is_dir():
            raise FileNotFoundError(f"The artifact '{name}' was not published. Published: {', '.join(self.names())}.")
        count = 0
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            if path.is_file() and _wanted(relative.as_posix(), patterns):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / relative)
                count += 1
        target.mkdir(parents=True, exist_ok=True)
        return count


def _wanted(path: str, patterns: list[str]) -> bool:
    """Patterns in order, the last that matches decides; '!' excludes."""
    wanted = not patterns
    for pattern in patterns:
        plain = pattern.lstrip("!")
        if plain == "**" or fnmatchcase(path, plain) or fnmatchcase("/" + path, plain):
            wanted = not pattern.startswith("!")
    return wanted
