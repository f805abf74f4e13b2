"""`audit log`: the events of a problem, or those of one model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml_service.audit.completeness.of_ledger import runs_of
from ml_service.output.console import Terminal
from ml_service.production.chain.entry import Entry

_DATA = "data_sha256"


class Index:
    """The places of entries by what they are about, so that each model is found without reading all of them again."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._by_name: dict[str, list[int]] = {}
        self._by_run: dict[str, list[int]] = {}
        self._by_table: dict[str, list[int]] = {}
        for place, entry in enumerate(entries):
            for name in {entry.subject, entry.after}:
                self._by_name.setdefault(name, []).append(place)
            for run_id in runs_of(entry):
                self._by_run.setdefault(run_id, []).append(place)
            if entry.event.startswith("data."):
                self._by_table.setdefault(entry.evidence.get(_DATA, ""), []).append(place)

    def of_model(self, model: str) -> list[Entry]:
        """The events of one model: its own, those of the runs and the data that made it, and requests for it.

        model: `name:version`.
        """
        own = {*self._by_name.get(model, ()), *self._by_name.get(f"version {model.rpartition(':')[2]}", ())}
        runs = {run_id for place in own for run_id in runs_of(self._entries[place])}
        of_runs = {place for run_id in runs for place in self._by_run.get(run_id, ())}
        tables = {self._entries[place].evidence.get(_DATA, "none") for place in of_runs}
        subjects = {self._entries[place].subject for place in own}
        found = own | of_runs
        found |= {place for table in tables for place in self._by_table.get(table, ())}
        found |= {place for subject in subjects for place in self._by_name.get(subject, ())}
        return [self._entries[place] for place in sorted(found)]


def show(terminal: Terminal, entries: Iterable[Entry]) -> None:
    """Print a line for each event, the oldest first."""
    told = list(entries)
    rows = [(str(one.sequence), one.when, one.event, one.who, one.what.partition("\n")[0]) for one in told]
    if rows:
        terminal.table(("entry", "when", "event", "by", "what"), rows, right=("entry",))
    else:
        terminal.out("no entry records it")
    terminal.document({"entries": [one.model_dump(by_alias=True) for one in told]})
