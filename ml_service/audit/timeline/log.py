"""`audit log`: the events of a problem, or those of one model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml_service.audit.completeness.of_ledger import runs_of
from ml_service.output.console import Terminal
from ml_service.production.chain.entry import Entry


def of_model(entries: Sequence[Entry], model: str) -> list[Entry]:
    """The events of one model: its own, those of the runs and the data that made it, and requests for it.

    model: `name:version`.
    """
    version = model.rpartition(":")[2]
    own = [entry for entry in entries if _is_about(entry, model, version)]
    runs = {run_id for entry in own for run_id in runs_of(entry)}
    tables = {
        entry.evidence["data_sha256"]
        for entry in entries
        if "data_sha256" in entry.evidence and runs & runs_of(entry)
    }
    deployed = {entry.subject for entry in own}
    return [
        entry
        for entry in entries
        if _is_about(entry, model, version)
        or runs & runs_of(entry)
        or entry.subject in deployed
        or (entry.event.startswith("data.") and entry.evidence.get("data_sha256") in tables)
    ]


def _is_about(entry: Entry, model: str, version: str) -> bool:
    return model in (entry.subject, entry.after) or entry.subject == f"version {version}"


def show(terminal: Terminal, entries: Iterable[Entry]) -> None:
    """Print a line for each event, the oldest first."""
    told = list(entries)
    rows = [(str(one.sequence), one.when, one.event, one.who, one.what.partition("\n")[0]) for one in told]
    if rows:
        terminal.table(("entry", "when", "event", "by", "what"), rows, right=("entry",))
    else:
        terminal.say("no entry tells of it")
    terminal.document({"entries": [one.model_dump(by_alias=True) for one in told]})
