"""Read what `audit at` needs: the ledger, what notes its entries elsewhere, and the live service."""

from __future__ import annotations

from ml_service.audit.completeness import of_ledger
from ml_service.audit.completeness.finding import Finding
from ml_service.audit.completeness.reading import anchors_of_runs, live_of
from ml_service.audit.serving import View
from ml_service.audit.timeline.at import Answer, Asked, answer
from ml_service.audit.timeline.intervals import intervals
from ml_service.production import ledger


def read_answer(view: View, asked: Asked) -> Answer:
    """What the ledger and the live service say of that time; changes nothing."""
    kept = ledger.read(view.training, view.settings)
    entries, noted = kept.chain.entries, tuple(anchors_of_runs(kept))
    faults = [Finding("ledger-changed", fault) for fault in kept.chain.faults]
    anchored: dict[int, list[str]] = {}
    for anchor in noted:
        anchored.setdefault(anchor.sequence, []).append(anchor.place)
    findings = [*faults, *of_ledger.anchors(entries, noted)]
    return answer(asked, entries, intervals(entries, live_of(view, kept)), findings, anchored)
