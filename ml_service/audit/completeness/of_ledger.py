"""Findings about the ledger itself: its chain, its anchors, what is open and what its entries name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ml_service.audit.completeness.finding import Finding
from ml_service.audit.completeness.population import Anchor, Population
from ml_service.audit.events import kinds
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import NONE, Entry


def findings(found: Population) -> Iterator[Finding]:
    """What is wrong with the entries."""
    entries = found.chain.entries
    for fault in found.chain.faults:
        yield Finding("ledger-changed", fault)
    yield from anchors(entries, found.anchors)
    ended = {entry.subject for entry in entries if deployments.state_of(entry)}
    for entry in entries:
        if entry.event == deployments.STARTED and entry.subject not in ended:
            yield Finding("deployment-open", f"deployment {entry.subject}", found=f"begun {entry.when}")
    yield from _dangling(entries)
    yield from _deployments(found)


def anchors(entries: Iterable[Entry], noted: Iterable[Anchor]) -> Iterator[Finding]:
    """What was noted elsewhere and is not in the ledger."""
    known = {entry.sequence: entry.sha256 for entry in entries}
    for anchor in noted:
        if known.get(anchor.sequence) != anchor.sha256:
            yield Finding(
                "anchor-differs",
                f"entry {anchor.sequence} of the ledger",
                found=f"sha256 {known.get(anchor.sequence, NONE)}",
                expected=f"sha256 {anchor.sha256}, says {anchor.place}",
            )


def _dangling(entries: tuple[Entry, ...]) -> Iterator[Finding]:
    """Deployments that entries name and no entry opens."""
    opened = {entry.subject for entry in entries if entry.event == deployments.STARTED}
    for entry in entries:
        named: Mapping[str, str] = {"subject": entry.subject} if deployments.state_of(entry) else {}
        if entry.event == deployments.STARTED:
            record = entry.details["record"]
            named = {name: record.get(name, NONE) for name in ("from", "back_to")}
        for name, deployment in named.items():
            if deployment not in (NONE, "") and deployment not in opened:
                yield Finding("reference-dangling", f"entry {entry.sequence} of the ledger", f"{name} {deployment}")


def _deployments(found: Population) -> Iterator[Finding]:
    for one in found.deployments:
        if not one.has_run:
            yield Finding("run-gone", f"run {one.id} of a deployment")
        for difference in one.differences:
            yield Finding("record-changed", f"deployment {one.id}: {difference}")


def runs_of(entry: Entry) -> set[str]:
    """The training runs that an entry names."""
    told = {str(entry.details.get("run_id", ""))}
    if entry.event.startswith(kinds.RUN) or entry.event in (kinds.GATE_DECIDED, kinds.OVERRIDE_GRANTED):
        told = {entry.subject}
    elif entry.event == deployments.STARTED:
        told = {str(entry.details["record"].get("run_id", ""))}
    return told - {"", NONE}
