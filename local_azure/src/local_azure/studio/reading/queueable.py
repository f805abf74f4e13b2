"""Pipelines that can be queued from a form: their files, and the typed parameters that the form asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.pipelines.expand.expansion import Declared, declared_parameters, is_pipeline
from local_azure.studio.reading import pipeline_runs
from local_azure.studio.reading.pipeline_runs import PipelineRun

MOST_FILES = 50
_PATTERNS = ("*.yml", "*.yaml")
Document = dict[str, Any]


@dataclass(frozen=True)
class Queueable:
    """A file that holds a pipeline, and its last run."""

    file: Path
    last: PipelineRun | None


def files(root: Path) -> list[Queueable]:
    """Return the pipelines that ran before, and those beside them in the same folders."""
    last: dict[Path, PipelineRun] = {}
    for run in pipeline_runs.newest(root, pipeline_runs.MOST_RUNS_READ):
        told = run.plan.get("file")
        if isinstance(told, str):
            last.setdefault(Path(told), run)
    folders = dict.fromkeys(file.parent for file in last)
    beside = [path for folder in folders for pattern in _PATTERNS for path in sorted(folder.glob(pattern))]
    found = [file for file in dict.fromkeys([*last, *beside]) if is_pipeline(file)]
    return [Queueable(file, last.get(file)) for file in found[:MOST_FILES]]


def parameters(file: Path) -> list[Declared]:
    """Return the parameters that a pipeline declares."""
    return declared_parameters(file)


def given_before(last: PipelineRun | None, key: str) -> Mapping[str, str]:
    """Return the values that the last run was queued with."""
    found = last.plan.get(key) if last else {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
