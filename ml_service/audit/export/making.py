"""`audit export`: collect events without an entry, verify everything, write the export, and record its hash."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from azure_ml.pipelines.runs import list_runs
from azure_ml.storage.inbox import reading
from forecasting.inbox.files import parse_receipt
from ml_service.audit.completeness.documents import Documents
from ml_service.audit.completeness.reading import read_population
from ml_service.audit.completeness.verifying import Verified, judge
from ml_service.audit.events import collecting, kinds
from ml_service.audit.events.witness import Witness
from ml_service.audit.export import bundle
from ml_service.audit.export.bundle import Made
from ml_service.audit.serving import View
from ml_service.azure_devops.approvals import Approval, read_approvals
from ml_service.azure_devops.client import AzureDevOpsError, open_project
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Event


@dataclass(frozen=True)
class Exported:
    """What `audit export` did."""

    made: Made
    verified: Verified


def export(view: View, witness: Witness, target: Path, *, data: bool = True) -> Exported:
    """Write an export of everything; also when something is found. data: whether files of data versions are read."""
    if not ledger.read(view.training, view.settings).chain.faults:
        witness.record(lambda actor: _uncollected(view, actor))
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        documents = Documents(Path(scratch))
        verified = judge(read_population(view, documents, data=data))
        made = bundle.write(verified, documents, witness.actor, target)
    hashes = {"export_sha256": made.sha256, "sums_sha256": made.sums_sha256}
    count = len(verified.findings)
    if verified.population.chain.faults:  # what follows a damaged entry would not fit the copy that is restored
        view.terminal.err("this export is not recorded in the ledger, which must be restored first")
    else:
        witness.record(lambda actor: [kinds.export_made(target.name, hashes, count, actor)])
    return Exported(made, verified)


def _uncollected(view: View, actor: Actor) -> Iterator[Event]:
    """Return the events without an entry."""
    training, settings = view.training, view.settings
    entries = ledger.read(training, settings).chain.entries
    yield from collecting.of_runs(entries, list_runs(training, settings.experiment_name), actor)
    with reading(training, settings.dataset_name) as inbox:
        receipts = [parse_receipt(content) for content in inbox.all_receipts()]
    yield from collecting.of_deliveries(entries, receipts, settings.dataset_name, actor)
    yield from collecting.of_approvals(entries, settings.problem_file.stem, _asker(view), actor)


def _asker(view: View) -> Callable[[str], dict[str, Approval] | None]:
    """Return the function that reads all approvals of a build; it returns None if they are unknown."""
    project = open_project(view.settings)

    def ask(build_id: str) -> dict[str, Approval] | None:
        if project is None or not (build_id.isascii() and build_id.isdecimal()):
            return None
        try:
            return read_approvals(project, build_id)
        except AzureDevOpsError as error:
            view.terminal.err(f"the approvals of build {build_id} cannot be read: {error.happened}")
            return None

    return ask


def show(terminal: Terminal, agent: Agent, result: Exported) -> None:
    """Print what was exported and found, and the hashes that prove it later; tag the build with them."""
    made, verified = result.made, result.verified
    terminal.out(f"export     {made.path}, {made.files} files")
    terminal.out(f"anchor     sha256 {made.sha256} of the file")
    terminal.out(f"           sha256 {made.sums_sha256} of SHA256SUMS, for the extracted folder")
    for finding in verified.findings:
        terminal.err(f"error: {finding.line}\n       {finding.meaning}")
    for what in verified.population.unread:
        terminal.out(f"unverified {what}")
    agent.tag(f"export.{made.sha256}")
    document = {"export": str(made.path), "sha256": made.sha256, "sums_sha256": made.sums_sha256}
    terminal.document({**document, **verified.document})


def ending(result: Exported) -> tuple[str, str]:
    """What happened and what to do next, for the closing."""
    count, path = len(result.verified.findings), result.made.path
    if not count:
        return f"exported to {path}; everything that could be compared agrees with the records", ""
    todo = "see the first page of dossier.html; what each finding means: docs/audit.md"
    return f"error: exported to {path}, with {count} finding{'s' if count > 1 else ''}", todo
