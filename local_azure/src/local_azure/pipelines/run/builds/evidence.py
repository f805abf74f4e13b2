"""What an approver is shown: the pages and artifacts of the stages that come before the one that waits.

An answer counts only for the evidence that its person has seen; the SHA-256 tells whether it still is the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from local_azure.pipelines.run.builds.progress import ARTIFACT, Document

CHANGED = "The evidence has changed since it was shown, so this answer is not recorded. Reload it and answer again"
MOST_FILES = 5_000
MOST_BYTES_READ = 32 * 1024 * 1024
"""Of the files behind these, size and time of the last change stand for their bytes."""
_READABLE = (".html", ".json", ".csv", ".md")


@dataclass(frozen=True)
class Evidence:
    """The files that belong to one question."""

    files: tuple[str, ...]
    """Paths in the folder of the run."""
    sha256: str


def evidence_of(folder: Path, stage: str, course: Sequence[Document]) -> Evidence:
    """Return the evidence for a stage of the run in a folder. course: the progress of the run."""
    files = files_before(folder, stage, course)
    return Evidence(files, _digest(folder, files))


def files_before(folder: Path, stage: str, course: Sequence[Document]) -> tuple[str, ...]:
    """Return the pages and artifacts of the stages before a stage, as paths in the folder of the run.

    An artifact whose stage is not known, as in a run of an earlier version, belongs to every question.
    """
    before = _stages_before(stage, course)
    artifacts = {str(line[ARTIFACT].get("name")): line for line in course if isinstance(line.get(ARTIFACT), dict)}

    def belongs(path: Path) -> bool:
        kind, owner = path.parts[:2]
        label = owner if kind == "summaries" else str(artifacts.get(owner, {}).get("label", ""))
        return before is None or not label or label.partition(".")[0] in before

    readable = (path for path in _files(folder, "artifacts") if path.suffix in _READABLE)
    return tuple(str(path) for path in (*_files(folder, "summaries"), *readable) if belongs(path))


def _stages_before(stage: str, course: Sequence[Document]) -> set[str] | None:
    """Return the names of the stages that a stage waits for, directly or not; None where the plan does not tell."""
    plan: Mapping[str, object] = next((line["plan"] for line in course if isinstance(line.get("plan"), dict)), {})
    stages = plan.get("stages")
    listed = [one for one in stages if isinstance(one, dict)] if isinstance(stages, list) else []
    waits = {str(one.get("name")): list(map(str, one.get("waits_for") or [])) for one in listed}
    if stage not in waits:
        return None
    found: set[str] = set()
    open_names = list(waits[stage])
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names += waits.get(name, [])
    return found


def _files(folder: Path, kind: str) -> Iterator[Path]:
    """Yield the files below a folder of the run, folder by folder, sorted in each."""
    return islice(_walk(folder, kind), MOST_FILES)


def _walk(folder: Path, kind: str) -> Iterator[Path]:
    for here, folders, names in os.walk(folder / kind):
        folders.sort()
        found = (Path(here, name) for name in sorted(names))
        yield from (path.relative_to(folder) for path in found if path.is_file())


def _digest(folder: Path, files: Sequence[str]) -> str:
    found, left = hashlib.sha256(), MOST_BYTES_READ
    for name in files:
        try:
            status = (folder / name).stat()
            left -= status.st_size
            content = (folder / name).read_bytes() if left >= 0 else f"{status.st_size} {status.st_mtime_ns}".encode()
        except OSError as error:  # it has gone meanwhile, or is not ours
            content = type(error).__name__.encode()
        found.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode(errors="surrogateescape"))
    return found.hexdigest()
