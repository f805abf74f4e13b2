"""Answers to approvals, of which the first counts: from a terminal, the command line, or another program.

An answer is a file beside the record of the run. It is created once and whole, so of two people who answer at the
same moment one decides, and both learn who it was.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import asdict
from pathlib import Path

from local_azure.pipelines.run.builds.record import MOST_COMMENT_CHARACTERS, Decision

ANSWERS = "answers"
MOST_ANSWER_BYTES = 64 * 1024
_ID = re.compile(r"[0-9a-f-]{36}")


def answer_of(folder: Path, approval_id: str) -> Decision | None:
    """Return the answer to an approval of the run in a folder; None before there is one that can be read."""
    try:
        with _file(folder, approval_id).open("rb") as stream:
            found = json.loads(stream.read(MOST_ANSWER_BYTES))
        approved, evidence = found["approved"] is True, str(found.get("evidence", ""))
        return Decision(approved, str(found["person"]), str(found["comment"]), evidence)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def settle(folder: Path, approval_id: str, decision: Decision) -> Decision:
    """Answer an approval; returns the answer that counts, which is another one where somebody was faster."""
    target = _file(folder, approval_id)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    partial = target.with_name(f"{uuid.uuid4()}.partial")
    kept = asdict(decision) | {"comment": decision.comment[:MOST_COMMENT_CHARACTERS]}
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(json.dumps(kept).encode())
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(partial, target)
    except FileExistsError:
        return answer_of(folder, approval_id) or decision
    finally:
        partial.unlink()
    return decision


def _file(folder: Path, approval_id: str) -> Path:
    if not _ID.fullmatch(approval_id):
        raise ValueError(f"'{approval_id[:40]}' is not the id of an approval.")
    return folder / ANSWERS / f"{approval_id}.json"
