"""What a run of Azure Pipelines YAML has written: logs, result, artifacts, uploads and summary pages."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

from local_azure.machine_learning.errors import not_found
from local_azure.machine_learning.storage.files import files_below
from local_azure.pipelines.run.builds.evidence import Evidence, evidence_of, files_before
from local_azure.studio.reading.file_names import Listed, is_readable, listed
from local_azure.studio.reading.logs import SEARCHED_BYTES
from local_azure.studio.reading.pipeline_runs import Approval, PipelineRun

MOST_NAMES = 5_000  # of artifacts that are looked at for cards and boards
MOST_DOCUMENTS = 50  # artifacts in JSON that are read for them
MOST_SUMMARIES = 50
MOST_RESULT_BYTES = 16 * 1024 * 1024
_SECTION = re.compile(rb"\n##\[section\]([^\n]*)")
Document = dict[str, Any]


def log_of(run: PipelineRun, label: str) -> Path:
    """Return the log of a job, whether it exists or not; raises a 404 for a job that the run does not have."""
    known = {path.stem for path in (run.folder / "logs").glob("*.log")}
    if label not in known:
        run.part(label)
    return run.folder / "logs" / f"{label}.log"


def section(path: Path, title: str, most_bytes: int) -> list[str]:
    """Return the lines that a step has written into the end of the log of its job; of very many the last ones."""
    if not path.is_file():
        return []
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - SEARCHED_BYTES))
        data = b"\n" + stream.read(SEARCHED_BYTES)
    pieces, begin = [], None
    for header in _SECTION.finditer(data):
        if begin is not None:
            pieces.append(data[begin : header.start() + 1])
        begin = header.end() + 1 if header[1].rstrip(b"\r") == title.encode(errors="replace") else None
    if begin is not None:
        pieces.append(data[begin:])
    found = b"".join(pieces)
    last = found[-most_bytes:]
    if len(last) < len(found):  # the first line is cut
        last = last.partition(b"\n")[2]
    return last.decode(errors="replace").splitlines()


def result_of(run: PipelineRun) -> Document:
    """Return what result.json holds; an empty document before the run has ended."""
    try:
        with (run.folder / "result.json").open("rb") as stream:
            found = json.loads(stream.read(MOST_RESULT_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def first_error(run: PipelineRun) -> str:
    """Return the first error that a run has reported; empty without one."""
    issues = result_of(run).get("issues")
    found = (issue for issue in issues if isinstance(issue, list)) if isinstance(issues, list) else ()
    return next((str(issue[2]) for issue in found if len(issue) > 2 and issue[0] == "error"), "")


def kept_files(run: PipelineRun, kind: str, after: str = "") -> Listed:
    """Return a page of the files below `artifacts` or `files`, by their path in that folder."""
    return listed(files_below(run.folder / kind, after))


def evidence(run: PipelineRun) -> dict[str, Evidence]:
    """Return what each open approval is about, by its id."""
    return {one.id: evidence_of(run.folder, one.label, run.course) for one in run.approvals if one.is_open}


def shown_with(run: PipelineRun, approval: Approval) -> tuple[str, ...]:
    """Return the files that an approval is or was about, by their path in the folder of the run."""
    return files_before(run.folder, approval.label, run.course)


def documents(run: PipelineRun) -> tuple[list[str], bool]:
    """Return the artifacts that may be cards or boards, and whether there are others that were not looked at."""
    names = list(islice(files_below(run.folder / "artifacts"), MOST_NAMES + 1))
    found = [name for name in names if name.endswith(".json") and is_readable(name)]
    return found[:MOST_DOCUMENTS], len(found) > MOST_DOCUMENTS or len(names) > MOST_NAMES


def summaries(run: PipelineRun) -> list[Path]:
    """Return the pages that steps have written for the run, in their order."""
    names = islice(files_below(run.folder / "summaries"), MOST_SUMMARIES)
    found = [path for name in names if (path := _kept_file(run, "summaries", name)) is not None]
    return sorted(found, key=lambda path: (_leading_number(path.name), path.name))


def _leading_number(name: str) -> int:
    digits = name.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def file_of(run: PipelineRun, kind: str, name: str) -> Path:
    """Return one of these files; raises a 404 for what is not below that folder."""
    path = _kept_file(run, kind, name) if kind in ("artifacts", "files") else None
    if path is None:
        raise not_found("File", name[:200], f"Run {run.number} keeps none of that name.")
    return path


def _kept_file(run: PipelineRun, kind: str, name: str) -> Path | None:
    """Return a file below a folder of the run; None for what is not there, or leads elsewhere."""
    root = (run.folder / kind).resolve()
    path = (root / name).resolve() if "\0" not in name else root
    return path if path.is_relative_to(root) and path.is_file() else None
