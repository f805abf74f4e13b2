"""facts.json: who made an export, when, what was compared and found, and what served when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml_service.audit.completeness.documents import Document
from ml_service.audit.completeness.population import ModelFacts, RunFacts
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


def facts_of(verified: Verified, maker: Actor, kept: Iterable[Document]) -> dict[str, Any]:
    """The document without its long lists. maker: who makes the export; kept: the documents that it holds."""
    entries = verified.population.chain.entries
    folders = {document.name.split("/")[1] for document in kept if "/" in document.name}
    held = folders | {document.sha256 for document in kept}
    head = entries[-1:]
    return {
        "schema_version": SCHEMA_VERSION,
        **verified.document,
        "made": dict(maker),
        "head": {"entry": head[0].sequence, "sha256": head[0].sha256} if head else {"entry": 0, "sha256": NONE},
        "missing": sorted(set(_missing(entries, held))),
        "limits": list(LIMITS),
    }


def lists_of(
    verified: Verified, intervals: Iterable[Interval], kept: Iterable[Document]
) -> dict[str, Iterator[Mapping[str, Any]]]:
    """The long lists of the document, whose items are made one at a time."""
    found = verified.population
    return {
        "intervals": (one.document for one in intervals),
        "never_released": (vars(one) for one in never_released(verified)),
        "runs": map(_run, found.runs),
        "models": map(_model, found.models),
        "copies": map(_model, found.copies or ()),
        "services": map(vars, found.services),
        "tables": ({"version": table.version, **table.tags} for table in found.tables),
        "documents": map(vars, kept),
    }


def _run(run: RunFacts) -> dict[str, Any]:
    outcome = run.properties.get("outcome", "")
    return {"run_id": run.id, "status": run.status, "created": run.created, "outcome": outcome}


def _model(model: ModelFacts) -> dict[str, Any]:
    files = dict(model.files or {})
    return {"model": f"{model.name}:{model.version}", "properties": dict(model.properties), "files": files}


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


def pieces(told: Mapping[str, Any], lists: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    """facts.json piece by piece, so that long lists take no memory: as `json.dumps` writes it, with sorted keys."""
    before = "{"
    for name in sorted({*told, *lists}):
        yield f"{before}\n {json.dumps(name)}: "
        yield from _items(lists[name]) if name in lists else (_text(told[name], 1),)
        before = ","
    yield "\n}\n"


def _items(items: Iterable[Any]) -> Iterator[str]:
    before = "["
    for item in items:
        yield f"{before}\n  {_text(item, 2)}"
        before = ","
    yield "[]" if before == "[" else "\n ]"


def _text(value: Any, depth: int) -> str:
    """A value as JSON whose lines begin where those of a part of a document do."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True, default=str)
    return text.replace("\n", "\n" + " " * depth)
