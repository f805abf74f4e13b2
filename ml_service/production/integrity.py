"""Compare what can be changed with the hashed document that holds it too.

Properties and tags of runs and models can be changed by anyone with write access to the workspace; the hash of a
document covers the document only. So each field that both hold is compared, and a difference is named with both
values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from azure_ml.pipelines.runs import Run
from forecasting.decision.record import DECISION_FILE, DecisionRecord, parse_decision
from forecasting.errors import ModelFileError


@dataclass(frozen=True)
class Difference:
    """One field that is not what the document says."""

    field: str
    exported: str
    recorded: str
    document: str

    def __str__(self) -> str:
        return f"{self.field} is {self.exported or 'absent'}, {self.document} says {self.recorded or 'nothing'}"


@dataclass(frozen=True)
class File:
    """A file of a run and the hash of its bytes; both empty when the run has no such file."""

    name: str
    content: bytes
    sha256: str


def fetch(run: Run, name: str) -> File:
    """Download a file of a run."""
    content = run.read_file(name)
    return File(name, b"", "") if content is None else File(name, content, hashlib.sha256(content).hexdigest())


def decision_of_hash(run: Run, sha256: str) -> DecisionRecord | None:
    """The decision record of a run; None where it cannot be read or its hash is not the recorded one."""
    file = fetch(run, DECISION_FILE)
    if file.sha256 != sha256:
        return None
    try:
        return parse_decision(file.content)
    except ModelFileError:
        return None


def differences(exported: Mapping[str, object], recorded: Mapping[str, object], document: str) -> list[Difference]:
    """Every field of `recorded` whose exported text is another one; a field that is absent counts as empty."""
    return [
        Difference(name, found, said, document)
        for name, value in recorded.items()
        if (found := _text(exported.get(name))) != (said := _text(value))
    ]


def of_hash(field: str, exported: str, file: File) -> list[Difference]:
    """The recorded hash against the bytes."""
    return differences({field: exported}, {field: file.sha256}, f"the file {file.name} itself")


def _text(value: object) -> str:
    return "" if value is None else str(value)
