"""`audit verify`: compare ledger, runs, models, services, tables and builds, and name what does not fit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_service.audit.completeness import of_assets, of_builds, of_ledger
from ml_service.audit.completeness.documents import Documents
from ml_service.audit.completeness.finding import Finding
from ml_service.audit.completeness.population import Population
from ml_service.audit.completeness.reading import read_population
from ml_service.audit.history import History
from ml_service.audit.serving import View
from ml_service.output.console import Terminal

_ABOUT_ROWS = frozenset(
    {
        *("anchor-differs", "document-changed", "document-gone"),
        *("model-changed", "model-gone", "version-missing", "run-gone", "table-gone", "table-changed"),
    }
)
"""Findings about what was recorded once, beside those that the rows of `history` have themselves."""


@dataclass(frozen=True)
class Verified:
    """What was compared, and what was found."""

    population: Population
    findings: tuple[Finding, ...]

    def added_to(self, rows: History) -> History:
        """The rows of `history` with every finding; those about something recorded make them not intact."""
        told = tuple(finding.line for finding in self.findings if finding.code in _ABOUT_ROWS)
        kinds = {**rows.kinds, "findings": [dict(finding.document) for finding in self.findings]}
        return replace(rows, kinds=kinds, findings=told)

    @property
    def counts(self) -> dict[str, int]:
        """How much was compared."""
        found = self.population
        return {
            "entries": len(found.chain.entries),
            "deployments": len(found.deployments),
            "runs": len(found.runs),
            "models": len(found.models),
            "copies": len(found.copies or ()),
            "services": len(found.services),
            "tables": len(found.tables),
            "builds": len(found.builds or {}),
            "anchors": len(found.anchors),
        }

    @property
    def document(self) -> dict[str, Any]:
        """For `--json` and the export."""
        head = self.population.chain.entries[-1:]
        return {
            "problem": self.population.problem,
            "workspace": self.population.training,
            "production": self.population.production,
            "compared": self.counts,
            "head": [{"entry": entry.sequence, "sha256": entry.sha256} for entry in head],
            "anchors": [vars(anchor) for anchor in self.population.anchors],
            "findings": [finding.document for finding in self.findings],
            "notes": list(of_assets.notes(self.population)),
            "not_verified": list(self.population.unread),
        }


def judge(population: Population) -> Verified:
    """Compare what was read."""
    return Verified(population, tuple(_findings(population)))


def _findings(population: Population) -> Iterator[Finding]:
    seen: set[Finding] = set()
    compared = (of_ledger.findings, of_assets.findings, of_builds.findings)
    for finding in (finding for findings in compared for finding in findings(population)):
        if finding not in seen:
            seen.add(finding)
            yield finding


def verify(view: View, *, data: bool = True, rows: History | None = None) -> Verified:
    """Read everything and compare it; changes nothing. data, rows: as in `Reader`."""
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        return judge(read_population(view, Documents(Path(scratch)), data=data, rows=rows))


def show(terminal: Terminal, verified: Verified) -> None:
    """Print what was compared, each finding with its meaning, and what nobody could compare."""
    population = verified.population
    terminal.out(f"workspace  {population.training}")
    terminal.out(f"compared   {', '.join(f'{count} {name}' for name, count in verified.counts.items())}")
    for entry in population.chain.entries[-1:]:
        terminal.out(f"head       entry {entry.sequence}, sha256 {entry.sha256}")
    for note in of_assets.notes(population):
        terminal.out(f"note       {note}")
    for what in population.unread:
        terminal.out(f"unverified {what}")
    for finding in verified.findings:
        terminal.err(f"error: {finding.line}\n       {finding.meaning}")
    terminal.document(verified.document)


def ending(verified: Verified) -> tuple[str, str]:
    """What happened and what to do next, for the closing."""
    if not verified.findings:
        return "everything that could be compared agrees with the records", ""
    count = len(verified.findings)
    told = f"error: {count} finding{'s' if count > 1 else ''}: the records do not agree with the recorded objects"
    return told, "preserve the evidence first: python -m ml_service audit export --out FILE.zip; then docs/audit.md"
