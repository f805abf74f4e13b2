"""What an export shows beside the hashed document that holds it too.

Properties and tags of runs and models can be changed by whoever may write to the workspace; the hash of a document
covers the document only. So each figure that both hold is compared, and a difference is named with both values.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml.exceptions import UserErrorException

from ml_service.output.console import quiet_sdk


@dataclass(frozen=True)
class Difference:
    """One figure that is not what the document says."""

    field: str
    exported: str
    recorded: str
    document: str

    def __str__(self) -> str:
        return f"{self.field} is {self.exported or 'absent'}, {self.document} says {self.recorded or 'nothing'}"


@dataclass(frozen=True)
class Document:
    """A JSON artifact of a run and the hash of its bytes; both empty when the run has no such file."""

    name: str
    content: Mapping[str, Any]
    sha256: str


def fetch(run: Any, name: str) -> Document:
    """Download a JSON artifact of a run; one that is no JSON object any more has a hash and no content."""
    with quiet_sdk(), tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        path = Path(scratch) / name
        try:
            run.download_file(name, output_file_path=str(path))
        except UserErrorException as error:
            # azureml/_restclient/artifacts_client.py words an absent file this way; anything else is a real failure.
            if "was not found" not in str(error):
                raise
            return Document(name, {}, "")
        content = path.read_bytes()
    try:
        document = json.loads(content)
    except ValueError:
        document = {}
    return Document(name, document if isinstance(document, dict) else {}, hashlib.sha256(content).hexdigest())


def differences(exported: Mapping[str, object], recorded: Mapping[str, object], document: str) -> list[Difference]:
    """Every field of `recorded` whose exported text is another one; a field that is absent counts as empty."""
    return [
        Difference(name, found, said, document)
        for name, value in recorded.items()
        if (found := _text(exported.get(name))) != (said := _text(value))
    ]


def of_hash(field: str, exported: str, document: Document) -> list[Difference]:
    """The recorded hash against the bytes."""
    return differences({field: exported}, {field: document.sha256}, f"the file {document.name} itself")


def run_facts(decision: Mapping[str, Any]) -> dict[str, object]:
    """What decision.json says of its run, by the names that the run's properties have."""
    evidence, context = decision.get("evidence") or {}, decision.get("context") or {}
    return {
        "run_id": context.get("run_id"),
        "outcome": evidence.get("outcome"),
        "reason": evidence.get("reason"),
        "data_sha256": (evidence.get("data") or {}).get("data_sha256"),
    }


def model_facts(decision: Mapping[str, Any]) -> dict[str, object]:
    """What decision.json says of the model that it accepted, by the names that the model's properties have."""
    evidence, context = decision.get("evidence") or {}, decision.get("context") or {}
    data, challenger = evidence.get("data") or {}, evidence.get("challenger") or {}
    return {
        **{name: challenger.get(name) for name in ("model_sha256", "recipe", "cutoff")},
        "data_sha256": data.get("data_sha256"),
        "data_rows": data.get("rows"),
        "problem": evidence.get("problem"),
        **{name: context.get(name) for name in ("commit", "build_id", "run_id", "reason")},
        "name": context.get("model_name"),
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)
