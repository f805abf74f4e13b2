"""The course of a run for those who look at it meanwhile: its plan, then a line for each part that begins or ends.

Lines of JSON that are appended without waiting for the disk. The record of the build is what counts; a line that is
lost with the machine is missing in a picture.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local_azure.pipelines.expand.model import Job, Pipeline, Stage
from local_azure.pipelines.run.results import Result

PROGRESS_FILE = "progress.jsonl"
MOST_PROGRESS_BYTES = 8 * 1024 * 1024
ARTIFACT = "artifact"
_REFERENCE = re.compile(r"dependencies\.(\w+)\.(?:outputs\['([^']{1,200})'\]|result)", re.IGNORECASE)
_ENDINGS = {Result.SKIPPED: "was skipped", Result.FAILED: "failed", Result.CANCELED: "was canceled"}

Document = dict[str, Any]


class Progress:
    """Writes the course of one run; jobs call it from their threads."""

    def __init__(self, folder: Path, mask: Callable[[str], str]) -> None:
        self._path = folder / PROGRESS_FILE
        self._mask = mask
        self._lock = threading.Lock()
        self._left = MOST_PROGRESS_BYTES

    def plan(self, pipeline: Pipeline, queued: Mapping[str, Any]) -> None:
        """Write what is going to run. queued: the file and what it was queued with."""
        self._write(
            {"plan": {**queued, "process": os.getpid(), "stages": list(map(_planned_stage, pipeline.stages))}}
        )

    def began(self, kind: str, label: str, title: str = "") -> None:
        """A stage, job or step begins."""
        self._write({kind: label, "title": title, "result": None})

    def ended(self, kind: str, label: str, result: Result, *, title: str = "", why: str = "") -> None:
        """It has ended. why: what made it be skipped."""
        self._write({kind: label, "title": title, "result": str(result), "why": why})

    def found(self, what: str, label: str, facts: Mapping[str, Any]) -> None:
        """A job has published test results, coverage or an artifact."""
        self._write({what: dict(facts), "label": label})

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(_masked({**line, "at": round(time.time(), 3)}, self._mask)) + "\n"
        with self._lock:
            self._left -= len(text)
            if self._left < 0:
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            with os.fdopen(os.open(self._path, flags, 0o600), "ab") as stream:
                stream.write(text.encode())


def _planned_stage(stage: Stage) -> Document:
    return {
        "name": str(stage.name),
        "title": stage.title,
        "waits_for": list(map(str, stage.depends_on)),
        "condition": str(stage.condition or ""),
        "environments": stage.environments,
        "jobs": [_planned_job(stage, job, number) for number, job in enumerate(stage.jobs, 1)],
    }


def _planned_job(stage: Stage, job: Job, number: int) -> Document:
    return {
        "label": f"{stage.name}.{job.name or f'job{number}'}",
        "title": job.title,
        "waits_for": [f"{stage.name}.{name}" for name in job.depends_on],
        "condition": str(job.condition or ""),
    }


def read_progress(folder: Path) -> list[Document]:
    """Return the lines of a run that can be read; none for a run of an earlier version."""
    try:
        with (folder / PROGRESS_FILE).open("rb") as stream:
            content = stream.read(MOST_PROGRESS_BYTES)
    except OSError:
        return []
    found = []
    for line in content.splitlines():
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


def why_not(condition: str, before: Mapping[str, Mapping[str, Any]]) -> str:
    """Explain a condition that does not hold by what it refers to.

    before: {"result", "outputs"} of each earlier part, by name.
    """
    by_name = {name.lower(): part for name, part in before.items()}
    told = []
    for match in _REFERENCE.finditer(condition):
        part, output = match[1], match[2]
        found = by_name.get(part.lower(), {})
        if output is None:
            told.append(f"result of {part} is {found.get('result', 'unknown')}")
        else:
            value = (found.get("outputs") or {}).get(output)
            told.append(
                f"output {output.rpartition('.')[2]} of {part} is {value if value is not None else 'not set'}"
            )
    bad = [f"{name} {_ENDINGS[part['result']]}" for name, part in before.items() if not part["result"].is_good]
    return "; ".join(dict.fromkeys([*told, *bad])) or f"its condition does not hold: {condition or 'succeeded()'}"


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    """Mask the texts of a document, and never its form."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(inner, mask) for key, inner in value.items()}
    return [_masked(inner, mask) for inner in value] if isinstance(value, list) else value
