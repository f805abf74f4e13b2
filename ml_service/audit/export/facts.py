"""facts.json: who made an export, when, what was compared and found, and what served when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_service.audit.completeness.documents import Document
from ml_service.audit.completeness.verifying import Verified
from ml_service.audit.events import kinds
from ml_service.audit.export.verifier import EVIDENCE
from ml_service.audit.timeline.intervals import Interval
from ml_service.production.candidates.candidate import State
from ml_service.production.chain import deployments
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import NONE, Entry

SCHEMA_VERSION = 1
LIMITS = (
    "A hash chain reveals that an entry was changed, removed in the middle or inserted. It does not reveal that the "
    "whole chain was rewritten, or that it was truncated: only the hash of an entry kept elsewhere (an anchor) does.",
    "An owner of subscription and organization can change the ledger and the anchors in both; only a locked blob "
    "container, a signed tag or a copy with somebody else withstands that.",
    "The records tell what the pipeline did, not that a model is right.",
    "Of several changes of a service by hand only the last one has a time.",
    "No compliance with any rule is claimed.",
)


@dataclass(frozen=True)
class Refusal:
    """A version that the gate has accepted and that never served, and why not."""

    model: str
    state: str
    since: str
    person: str
    reason: str


def facts_of(
    verified: Verified, intervals: Sequence[Interval], maker: Actor, documents: Iterable[Document]
) -> dict[str, Any]:
    """The document. maker: who makes the export."""
    found = verified.population
    kept = list(documents)
    held = {document.sha256 for document in kept} | {
        document.name.split("/")[1] for document in kept if "/" in document.name
    }
    head = found.chain.entries[-1:]
    return {
        "schema_version": SCHEMA_VERSION,
        **verified.document,
        "made": dict(maker),
        "head": {"entry": head[0].sequence, "sha256": head[0].sha256} if head else {"entry": 0, "sha256": NONE},
        "missing": sorted(set(_missing(found.chain.entries, held))),
        "intervals": [one.document for one in intervals],
        "never_released": [vars(one) for one in never_released(verified)],
        "runs": [
            {
                "run_id": run.id,
                "status": run.status,
                "created": run.created,
                "outcome": run.properties.get("outcome", ""),
            }
            for run in found.runs
        ],
        "models": [_model(model.name, model.version, model.properties, model.files) for model in found.models],
        "copies": [_model(copy.name, copy.version, copy.properties, copy.files) for copy in found.copies or ()],
        "services": [vars(service) for service in found.services],
        "tables": [{"version": table.version, **table.tags} for table in found.tables],
        "documents": [vars(document) for document in kept],
        "limits": list(LIMITS),
    }


def _model(name: str, version: int, properties: Mapping[str, str], files: Mapping[str, str] | None) -> dict[str, Any]:
    return {"model": f"{name}:{version}", "properties": dict(properties), "files": dict(files or {})}


def _missing(entries: Iterable[Entry], held: set[str]) -> Iterator[str]:
    """Evidence that no document of the export is."""
    for entry in entries:
        for name in EVIDENCE:
            sha256 = entry.evidence.get(name, "")
            if sha256 and sha256 not in held:
                yield sha256


def never_released(verified: Verified) -> Iterator[Refusal]:
    """Accepted versions that never served, the newest first."""
    found = verified.population
    served = {entry.after for entry in found.chain.entries if deployments.state_of(entry) == "succeeded"}
    for one in found.candidates:
        if one.model not in served and one.state is not State.RELEASED:
            why = one.reason or "nobody has released, refused or withdrawn it"
            yield Refusal(one.model, str(one.state), one.since, one.person, why)


def refusals(entries: Iterable[Entry]) -> list[Entry]:
    """Everything that was refused or failed before it changed anything, the oldest first."""
    refused = (kinds.DATA_REFUSED, kinds.DATA_QUARANTINED, "approval.refused", "candidate.rejected")
    return [entry for entry in entries if entry.event in refused or entry.event.startswith(kinds.REQUEST)]


def content_of(document: Mapping[str, Any]) -> bytes:
    """The bytes of facts.json."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True, default=str) + "\n").encode()
