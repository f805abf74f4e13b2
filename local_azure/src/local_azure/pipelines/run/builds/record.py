"""The record of one build: the build itself, its timeline and its approvals, in the forms of Azure DevOps' REST API.

It is rewritten at each change (temporary file, fsync, rename), so a killed run leaves the last complete
one. While the run lives it holds a lock on a file beside the record: the record of a dead run shows as canceled.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard

from local_azure.pipelines.run.results import Result

RECORD_FILE, LOCK_FILE = "azure_devops.json", "azure_devops.lock"
MOST_RECORD_BYTES = 4 * 1024 * 1024
MOST_COMMENT_CHARACTERS = 2_000
REHEARSAL = "local rehearsal"
_RESULTS = {
    Result.SUCCEEDED: "succeeded",
    Result.SUCCEEDED_WITH_ISSUES: "succeededWithIssues",
    Result.FAILED: "failed",
    Result.CANCELED: "canceled",
    Result.SKIPPED: "skipped",
}
"""As the timeline spells them; a build says `partiallySucceeded` for `succeededWithIssues`."""

Document = dict[str, Any]
Mask = Callable[[str], str]


@dataclass(frozen=True)
class Decision:
    """What was said of an approval."""

    approved: bool
    person: str
    comment: str = ""
    evidence: str = ""
    """SHA-256 of the evidence that the person was shown; empty where none was, as for `--approve`."""


def local_person() -> str:
    """Return the account that asks or answers on this machine; containers have users without a name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user} ({REHEARSAL})"


class BuildRecord:
    """The record of a run in progress; its jobs write it from their threads."""

    def __init__(self, folder: Path, build_id: int, mask: Mask) -> None:
        self._path = folder / RECORD_FILE
        self._mask = mask
        self._guard = threading.Lock()
        self._lock = _locked(folder / LOCK_FILE)
        self._stages: dict[str, Document] = {}
        self._document: Document = {
            "build": {"id": build_id, "status": "notStarted", "queueTime": _now(), "rehearsal": REHEARSAL},
            "timeline": {"id": str(uuid.uuid4()), "changeId": 0, "records": []},
            "approvals": [],
        }

    def begin(self, number: str, stages: Mapping[str, str], facts: Document) -> None:
        """The run starts. stages: titles by name; facts: what else the build's document holds."""
        records = [
            _record("Stage", None, str(title), identifier=str(name), order=order)
            for order, (name, title) in enumerate(stages.items(), 1)
        ]
        with self._guard:
            self._stages = dict(zip(stages, records, strict=True))
            self._document["timeline"]["records"] += records
            build = self._document["build"]
            build |= {**facts, "buildNumber": number, "status": "inProgress", "startTime": _now()}
            self._write()

    def stage_began(self, name: str) -> None:
        """A stage starts, or waits for its approval."""
        with self._guard:
            self._stages[name] |= {"state": "inProgress", "startTime": _now()}
            self._write()

    def stage_ended(self, name: str, result: Result) -> None:
        """A stage has ended."""
        with self._guard:
            ended = {"state": "completed", "result": _RESULTS[result], "finishTime": _now()}
            self._stages[name] |= ended
            self._write()

    def ask(self, stage: str, environment: str) -> str:
        """An approval of the stage is asked for; returns its id, which its record in the timeline has too."""
        with self._guard:
            checkpoint = _record("Checkpoint", self._stages[stage]["id"], "Checkpoint", state="inProgress")
            approval = _record("Checkpoint.Approval", checkpoint["id"], "Checkpoint.Approval", state="inProgress")
            self._document["timeline"]["records"] += [checkpoint, approval]
            self._document["approvals"].append(self._approval(approval["id"], environment))
            self._write()
            return str(approval["id"])

    def _approval(self, approval_id: str, environment: str) -> Document:
        build = self._document["build"]
        owner = {"id": build["id"], "name": build.get("buildNumber", "")}
        return {
            "id": approval_id,
            "status": "pending",
            "createdOn": _now(),
            "lastModifiedOn": _now(),
            "executionOrder": "anyOrder",
            "minRequiredApprovers": 1,
            "blockedApprovers": [],
            "steps": [],
            "instructions": "",
            "pipeline": {"owner": owner, "id": "1", "name": build.get("definition", {}).get("name", "")},
            "resource": {"type": "environment", "name": self._mask(environment)},
            "rehearsal": REHEARSAL,
        }

    def decide(self, approval_id: str, decision: Decision | None) -> None:
        """Somebody has decided; None: nobody will, because the run was canceled."""
        status = "canceled"
        if decision is not None:
            status = "approved" if decision.approved else "rejected"
        with self._guard:
            approval = next(one for one in self._document["approvals"] if one["id"] == approval_id)
            approval |= {"status": status, "lastModifiedOn": _now()}
            if decision is not None:
                person = {"displayName": self._mask(decision.person)}
                comment = self._mask(decision.comment)[:MOST_COMMENT_CHARACTERS]
                step = {"actualApprover": person, "assignedApprover": person, "status": status, "comment": comment}
                approval["steps"] = [{**step, "order": 1, "lastModifiedOn": _now()}]
            self._end_checkpoint(approval_id, "succeeded" if status == "approved" else "failed")
            self._write()

    def _end_checkpoint(self, approval_id: str, result: str) -> None:
        records = {record["id"]: record for record in self._document["timeline"]["records"]}
        for record in (records[approval_id], records[records[approval_id]["parentId"]]):
            record |= {"state": "completed", "result": result, "finishTime": _now()}

    def tag(self, tag: str) -> None:
        """The build carries one more tag."""
        with self._guard:
            self._document["build"].setdefault("tags", []).append(tag)
            self._write()

    def end(self, result: Result) -> None:
        """The run has ended."""
        word = "partiallySucceeded" if result is Result.SUCCEEDED_WITH_ISSUES else _RESULTS[result]
        with self._guard:
            self._document["build"] |= {"status": "completed", "result": word, "finishTime": _now()}
            self._write()
            os.close(self._lock)

    def _write(self) -> None:
        self._document["timeline"]["changeId"] += 1
        _replace(self._path, json.dumps(self._document).encode())


def read_record(folder: Path) -> Document | None:
    """The record of a run in its folder; None where it has none, or none that can be read."""
    try:
        with (folder / RECORD_FILE).open("rb") as stream:
            content = stream.read(MOST_RECORD_BYTES + 1)
        document = json.loads(content) if len(content) <= MOST_RECORD_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    if not _has_form(document):
        return None
    return document if is_alive(folder) else _ended(document)


def _has_form(document: object) -> TypeGuard[Document]:
    """Tell whether a document has the parts of a record, each of its kind."""
    if not isinstance(document, dict):
        return False
    build, timeline, approvals = map(document.get, ("build", "timeline", "approvals"))
    if not isinstance(build, dict) or not isinstance(timeline, dict):
        return False
    records = timeline.get("records")
    if not isinstance(approvals, list) or not isinstance(records, list):
        return False
    return all(isinstance(each, dict) for each in (*approvals, *records))


def _ended(document: Document) -> Document:
    """Complete the record of a run whose process is gone, as it was read: what was in progress is canceled."""
    if document["build"].get("status") != "completed":
        document["build"] |= {"status": "completed", "result": "canceled"}
    for approval in document["approvals"]:
        if approval.get("status") == "pending":
            approval["status"] = "canceled"
    for record in document["timeline"]["records"]:
        if record.get("state") != "completed":
            record |= {"state": "completed", "result": "canceled"}
    return document


def _record(kind: str, parent: str | None, name: str, *, state: str = "pending", **more: object) -> Document:
    return {
        "id": str(uuid.uuid4()),
        "parentId": parent,
        "type": kind,
        "name": name,
        "state": state,
        "result": None,
        "startTime": _now() if state == "inProgress" else None,
        "finishTime": None,
        "attempt": 1,
        "previousAttempts": [],
        **more,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_alive(folder: Path) -> bool:
    """Tell whether the run of this folder still holds its lock; the kernel drops that of a dead one."""
    try:
        with (folder / LOCK_FILE).open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
