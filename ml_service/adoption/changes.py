"""Changes of a working tree that are listed before they are made, so that a preview shows exactly what is done."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_service.errors import InvalidRequestError


@dataclass(frozen=True)
class Change:
    """One change of a file or folder; paths are relative to the repository.

    content: what is written; to: where it is moved; neither: it is removed.
    """

    path: Path
    content: bytes | None = None
    to: Path | None = None

    @property
    def words(self) -> str:
        """Such as `write variables.yml`."""
        if self.content is not None:
            return f"write   {self.path}"
        return f"move    {self.path} to {self.to}" if self.to else f"remove  {self.path}"

    def make(self, root: Path) -> None:
        """Do it."""
        target = root / self.path
        if self.content is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.content)
        elif self.to is not None:
            (root / self.to).parent.mkdir(parents=True, exist_ok=True)
            target.rename(root / self.to)
        elif target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()


def rewritten(root: Path, path: str, *pairs: tuple[str, str]) -> Change:
    """A file with other texts: pairs of old and new. Raises: InvalidRequestError if an old one is not there once."""
    text = (root / path).read_text(encoding="utf-8")
    for old, new in pairs:
        if text.count(old) != 1:
            raise InvalidRequestError(
                f"{path} is not as the template has it",
                found=f"{text.count(old)} times {old!r}",
                expected="once",
                todo="make this change by hand, or start from an unchanged copy of the template",
            )
        text = text.replace(old, new)
    return Change(Path(path), text.encode())


def demand_committed(root: Path, allowed: Iterable[Path]) -> None:
    """Refuse a tree with changes that git could not bring back. allowed: files that may be new.

    Raises: InvalidRequestError.
    """
    words = ["git", "status", "--porcelain", "--untracked-files=all"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InvalidRequestError(f"{root} is not a git repository", todo="clone the template, or run git init")
    known = {path.as_posix() for path in allowed}
    dirty = [line[3:] for line in done.stdout.splitlines() if line[3:] not in known]
    if dirty:
        raise InvalidRequestError(
            f"{len(dirty)} files are changed or new, such as {dirty[0]}",
            expected="no uncommitted changes, so that git can undo the adoption",
            todo="commit them first",
        )


def make_all(root: Path, changes: Sequence[Change]) -> None:
    """Make every change, in order."""
    for change in changes:
        change.make(root)
