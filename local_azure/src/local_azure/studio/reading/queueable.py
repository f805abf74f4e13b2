"""Pipelines that can be queued from a form: their files, and the typed parameters that the form asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from local_azure.pipelines.expand.expansion import Declared, declared_parameters, is_pipeline, repository_root
from local_azure.studio.reading import pipeline_runs
from local_azure.studio.reading.pipeline_runs import PipelineRun

MOST_COMMENT_BYTES = 4096
MOST_FILES = 200  # that are looked at
_PATTERNS = ("*.yml", "*.yaml")
_OF_A_PROJECT = ("azure-pipelines*.yml", ".pipelines/*.yml", ".pipelines/*.yaml")
_SENTENCE_END = re.compile(r"(?<=\.)\s")
_NOTHING = "none"
Document = dict[str, Any]


@dataclass(frozen=True)
class Queueable:
    """A file that holds a pipeline, and its last run."""

    file: Path
    last: PipelineRun | None

    @property
    def title(self) -> str:
        """The path in its repository, behind the name of that."""
        root = repository_root(self.file)
        return f"{root.name}/{self.file.absolute().relative_to(root).as_posix()}"

    @property
    def purpose(self) -> str:
        """The first sentence of the comment that the file begins with; empty without one."""
        return _purpose(self.file)


def _purpose(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            lines = stream.read(MOST_COMMENT_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return ""
    comment = takewhile(lambda line: line.startswith("#") and line.strip("# "), lines)
    text = " ".join(line.lstrip("#").strip() for line in comment)
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def files(root: Path, projects: Sequence[Path]) -> list[Queueable]:
    """Return the pipelines that ran before, those of the projects, and those beside the ones that ran."""
    last: dict[Path, PipelineRun] = {}
    for run in pipeline_runs.newest(root, pipeline_runs.MOST_RUNS_READ):
        told = run.plan.get("file")
        if isinstance(told, str):
            last.setdefault(Path(told), run)
    looked_at = islice(dict.fromkeys(_candidates(last, projects)), MOST_FILES)
    return [Queueable(file, last.get(file)) for file in looked_at if _is_pipeline(file)]


def _candidates(last: Mapping[Path, PipelineRun], projects: Sequence[Path]) -> Iterator[Path]:
    yield from last
    for project in projects:
        yield from _found(project, _OF_A_PROJECT)
    for folder in dict.fromkeys(file.parent for file in last):
        yield from _found(folder, _PATTERNS)


def _found(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(islice(folder.glob(pattern), MOST_FILES))


def _is_pipeline(file: Path) -> bool:
    try:
        facts = file.stat()
    except (OSError, ValueError):
        return False
    return _has_pipeline(file, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=2 * MOST_FILES)
def _has_pipeline(file: Path, _written: int, _size: int) -> bool:
    """Read a file once for each time it was written: all files are asked about for each page."""
    return is_pipeline(file)


def parameters(file: Path) -> list[Declared]:
    """Return the parameters that a pipeline declares."""
    return declared_parameters(file)


def may_stay_empty(declared: Declared) -> bool:
    """Tell whether a text is none by default: Azure Pipelines has no optional parameters, so files write none."""
    is_text = declared.kind.lower() == "string" and not declared.values
    return is_text and declared.default is not None and declared.default.strip().lower() == _NOTHING


def given_before(last: PipelineRun | None, key: str) -> Mapping[str, str]:
    """Return the values that the last run was queued with."""
    found = last.plan.get(key) if last else {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
