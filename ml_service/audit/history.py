"""`history`: what an auditor samples from, as JSON and CSV: runs, decisions, models, candidates, releases.

Each row says whether it is intact: whether every field that a hashed document holds too is as in
that document.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from azure_ml.models.champion import SINCE_TAG, TAG
from azure_ml.models.versions import ModelVersion, find_versions
from azure_ml.pipelines.runs import Run, find_run, list_runs
from azure_ml.step_run import ended_before_training
from azure_ml.workspace import Workspace
from forecasting.decision.blocks import ACCEPTED, KEPT
from forecasting.decision.record import DECISION_FILE, DecisionRecord, as_json, parse_decision
from forecasting.errors import ModelFileError, harmless_cell
from ml_service.output.console import Terminal
from ml_service.production import integrity, ledger
from ml_service.production.candidates.candidate import Move
from ml_service.production.candidates.events import move_of, subject_of
from ml_service.production.chain.entry import Entry
from ml_service.production.chain.store import Chain
from ml_service.production.integrity import Difference, File
from ml_service.settings.build import REQUESTED_FOR
from ml_service.settings.variables import Settings

Row = dict[str, Any]
_RECORDED = (
    *(name for name in ledger.FACTS if name not in (REQUESTED_FOR, "report_sha256")),
    *(field.name for field in fields(ledger.Content)),
    *("report_sha256", "record_sha256"),
)
_TOLD = (
    *("serves", "champion_before", "check", "reason", "url", "ended"),
    *("service_deployment", "service_updated", "service_image_sha256"),
)
"""What release.json holds beside the properties of its run."""
_NO_FILE = File(DECISION_FILE, b"", "")


@dataclass(frozen=True)
class History:
    """One list of rows a kind, the newest first."""

    workspace: str
    kinds: dict[str, list[Row]]
    faults: tuple[str, ...] = ()
    """The faults of the ledger's entries."""
    findings: tuple[str, ...] = ()
    """What `audit verify` finds beside that about something that was recorded."""

    @property
    def not_intact(self) -> list[str]:
        """The differences from the records: kind, object, and field with both values if they are known."""
        rows = (line for kind, rows in self.kinds.items() for row in rows for line in _not_intact(kind, row))
        return [*(f"ledger: {fault}" for fault in self.faults), *rows, *self.findings]

    @property
    def differences(self) -> tuple[str, ...]:
        """As `compare` finds them."""
        rows = ((kind, row) for kind in ("runs", "decisions", "models") for row in self.kinds[kind])
        return tuple(line for kind, row in rows for line in _not_intact(kind, row))


def collect(workspace: Workspace, settings: Settings) -> History:
    """Read the whole history of the problem that the settings name; changes nothing."""
    runs = list(list_runs(workspace, settings.experiment_name))
    decisions = _Decisions(workspace, runs)
    kept = ledger.read(workspace, settings)
    kinds: dict[str, list[Row]] = {"runs": [], "decisions": [], "models": []}
    for kind, row in _rows(runs, find_versions(workspace, settings.model_name), decisions):
        kinds[kind].append(row)
    kinds["candidates"] = _candidate_rows(kept.chain)
    kinds["releases"] = [_release_row(record, decisions) for record in kept.records]
    return History(workspace.banner, kinds, faults=kept.chain.faults)


def compare(workspace: Workspace, settings: Settings) -> tuple[str, ...]:
    """What of runs, decisions and models is not as recorded, with one row in memory; the ledger is compared apart."""
    runs = list(list_runs(workspace, settings.experiment_name))
    models = find_versions(workspace, settings.model_name)
    rows = _rows(runs, models, _Decisions(workspace, runs))
    return tuple(line for kind, row in rows for line in _not_intact(kind, row))


def _rows(runs: Iterable[Run], models: Iterable[ModelVersion], decisions: _Decisions) -> Iterator[tuple[str, Row]]:
    """The rows about runs, each with that of its decision, and about models, with their kinds."""
    for run in runs:
        read = decisions.read(run)
        yield "runs", _run_row(run, decisions)
        if read is not None:
            yield "decisions", _decision_row(run.id, run.properties.get("decision_sha256", ""), *read)
    for model in models:
        yield "models", _model_row(model, decisions)


def _not_intact(kind: str, row: Row) -> Iterator[str]:
    if row.get("intact") is False:
        for difference in row.get("differences") or [None]:
            yield f"{kind}: {_object(row)}" + (f": {integrity.Difference(**difference)}" if difference else "")


def _object(row: Row) -> str:
    """What identifies a row for the person who looks it up."""
    if "version" in row:
        return f"{row['name']}:{row['version']}"
    return str(row.get("deployment") or row.get("run_id"))


def write(history: History, folder: Path) -> None:
    """Write KIND.json and KIND.csv into a folder, which is made when it is absent."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rows in history.kinds.items():
        document = {"workspace": history.workspace, kind: rows}
        text = json.dumps(document, indent=2, sort_keys=True, default=str)
        (folder / f"{kind}.json").write_text(text + "\n", encoding="utf-8")
        _write_csv(folder / f"{kind}.csv", rows)


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; lists and mappings as JSON."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return "" if value is None else harmless_cell(str(value))


def _write_csv(path: Path, rows: list[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([safe_cell(column) for column in columns])
        for row in rows:
            writer.writerow([safe_cell(row.get(column)) for column in columns])


@dataclass(frozen=True)
class _Decision:
    """What rows need of decision.json of a run. of_run, of_model: None when it is no longer a decision record."""

    file: File
    of_run: Mapping[str, object] | None = None
    of_model: Mapping[str, object] | None = None
    override: tuple[str, str] = ("", "")
    """Person and reason; empty where the gate decided."""


class _Decisions:
    """The decision of each run, downloaded once; runs of other experiments are looked up when a model names one."""

    def __init__(self, workspace: Workspace, runs: Iterable[Run]) -> None:
        self._workspace = workspace
        self._known = {run.id: run for run in runs}
        self._read: dict[str, _Decision | None] = {}

    def read(self, run: Run) -> tuple[File, DecisionRecord | None] | None:
        """The whole decision of a run that has recorded one or holds one, of which the facts are kept."""
        found = _fetch(run)
        self._read[run.id] = _facts_of(*found) if found else None
        return found

    def of(self, run_id: str) -> _Decision | None:
        """What is kept of the decision of a run; None where it has none."""
        if run_id not in self._read:
            run = self._run(run_id)
            if run is None:
                return None
            self.read(run)
        return self._read[run_id]

    def overridden(self, run_id: str) -> Row:
        """Who accepted the run's model against the gate, and why; empty texts where the gate decided."""
        decision = self.of(run_id)
        person, reason = decision.override if decision else ("", "")
        return {"override_by": person, "override_reason": reason}

    def _run(self, run_id: str) -> Run | None:
        if run_id in self._known or not run_id:
            return self._known.get(run_id)
        return find_run(self._workspace, run_id)


def _fetch(run: Run) -> tuple[File, DecisionRecord | None] | None:
    """The document, and what it says; None when it is no longer a decision record."""
    if "decision_sha256" not in run.properties and not run.properties.get("outcome"):
        return None
    file = integrity.fetch(run, DECISION_FILE)
    if not file.sha256 and "decision_sha256" not in run.properties:
        return None
    try:
        return file, parse_decision(file.content)
    except ModelFileError:
        return file, None


def _facts_of(file: File, record: DecisionRecord | None) -> _Decision:
    kept = replace(file, content=b"")
    if record is None:
        return _Decision(kept)
    override = record.evidence.override
    by = (override.person, override.reason) if override else ("", "")
    return _Decision(kept, run_facts(record), model_facts(record), by)


def _not_as_decided(
    row: Row, recorded: str, decision: _Decision | None, facts: Mapping[str, object] | None
) -> list[Difference]:
    """What of a row is not as its decision says, or that the decision is not the recorded one."""
    changed = integrity.of_hash("decision_sha256", recorded, decision.file if decision else _NO_FILE)
    if changed:
        return changed
    if facts is None:
        return [Difference("decision", "recorded", "", DECISION_FILE)]
    return integrity.differences(row, facts, DECISION_FILE)


def run_facts(record: DecisionRecord) -> dict[str, object]:
    """What a decision says of its run, by the names that the run's properties have."""
    evidence = record.evidence
    return {
        "run_id": record.context.run_id,
        "outcome": evidence.outcome,
        "reason": evidence.reason,
        "data_sha256": evidence.data.data_sha256,
    }


def model_facts(record: DecisionRecord) -> dict[str, object]:
    """What a decision says of the model that it accepted, by the names that the model's properties have."""
    evidence, context = record.evidence, record.context
    return {
        "model_sha256": evidence.challenger.model_sha256,
        "recipe": evidence.challenger.recipe,
        "cutoff": evidence.challenger.cutoff,
        "data_sha256": evidence.data.data_sha256,
        "data_rows": evidence.data.rows,
        "problem": evidence.problem,
        "commit": context.commit,
        "build_id": context.build_id,
        "run_id": context.run_id,
        "reason": context.reason,
        "name": context.model_name,
    }


def _run_row(run: Run, decisions: _Decisions) -> Row:
    told = {name: run.properties.get(name, "") for name in ("outcome", "reason", "data_sha256", "decision_sha256")}
    row = {
        "run_id": run.id,
        "status": run.status,
        "created": run.created,
        "ended": run.ended,
        **told,
        **_people(run),
        **decisions.overridden(run.id),
    }
    decision = decisions.of(run.id)
    without = told["outcome"] not in (ACCEPTED, KEPT) or ended_before_training(run.properties)
    if decision is None and without:
        return _judged(row, None)  # it broke, violated the contract or had nothing to train on: nothing was decided
    recorded = told["decision_sha256"] if decision else "none"
    return _judged(row, _not_as_decided(row, recorded, decision, decision.of_run if decision else None))


def _people(run: Run) -> Row:
    """Columns that say who: the identity that signed in, and the person for whom the build ran.

    Only Azure DevOps records who approved.
    """
    return {"created_by": run.created_by, REQUESTED_FOR: run.properties.get(REQUESTED_FOR, "")}


def _decision_row(run_id: str, recorded: str, file: File, record: DecisionRecord | None) -> Row:
    evidence = as_json(record.evidence) if record else {}
    context = as_json(record.context) if record else {}
    row = {
        "run_id": run_id,
        **{name: evidence.get(name) for name in ("outcome", "reason", "sentence", "gate", "override")},
        **{name: evidence.get(name) for name in ("problem", "policy_sha256")},
        "asked_because": context.get("reason"),
        **{name: context.get(name) for name in ("decided_at", "build_id", "commit", "champion")},
        **{name: evidence.get(name) for name in ("policy", "data", "challenger", "baselines")},
    }
    return _judged(row, integrity.of_hash("decision_sha256", recorded, file))


def _model_row(model: ModelVersion, decisions: _Decisions) -> Row:
    properties = dict(sorted(model.properties.items()))
    run_id = properties.get("run_id", "")
    row = {
        "name": model.name,
        "version": model.version,
        "created": model.created,
        "champion_of": model.tags.get(TAG, ""),
        "champion_since": model.tags.get(SINCE_TAG, ""),
        "created_by": model.created_by,
        **decisions.overridden(run_id),
        **properties,
    }
    if "decision_sha256" not in properties and "model_sha256" not in properties:
        return _judged(row, None)  # registered by somebody's own code, not by this pipeline
    decision = decisions.of(run_id)
    recorded, facts = properties.get("decision_sha256", ""), decision.of_model if decision else None
    return _judged(row, _not_as_decided(row, recorded, decision, facts))


def _candidate_rows(chain: Chain) -> list[Row]:
    """Return the transitions of candidates, newest first; none if the ledger was changed, because none can be
    trusted.
    """
    found = ((entry, move_of(entry)) for entry in reversed(chain.entries))
    intact = None if chain.faults else True
    return [{**_candidate_row(entry, move), "intact": intact} for entry, move in found if move is not None]


def _candidate_row(entry: Entry, move: Move) -> Row:
    subject = subject_of(entry)
    return {
        "sequence": entry.sequence,
        "name": subject.model_name,
        "version": subject.version,
        "state": str(move.state),
        **{name: value for name, value in asdict(move).items() if name != "state"},
        "recorded": entry.when,
        "recorded_in_build": entry.build_id,
        "model_sha256": subject.model_sha256,
        "run_id": subject.run_id,
        **{name: entry.details.get(name, "") for name in ("compared_with", "stage", "override")},
    }


def _release_row(record: ledger.Record, decisions: _Decisions) -> Row:
    document, found = ledger.compare(record)
    told = {name: document.get(name) for name in _TOLD}
    return {
        "deployment": record.id,
        "started": record.started,
        "state": record.state or "never ended",
        "intact": not found,
        "differences": [asdict(difference) for difference in found],
        **{name: record.properties.get(name, "") for name in _RECORDED},
        "created_by": record.opened.identity,
        REQUESTED_FOR: record.properties.get(REQUESTED_FOR, ""),
        **decisions.overridden(record.properties.get("run_id", "")),
        **told,
    }


def _judged(row: Row, found: list[Difference] | None) -> Row:
    """The row with its verdict; None: there is no hashed document that could tell."""
    if found is None:
        return {**row, "intact": None, "differences": []}
    return {**row, "intact": not found, "differences": [asdict(difference) for difference in found]}


def ending(history: History, folder: Path) -> tuple[str, str]:
    """What happened and what to do next, for the closing."""
    if history.not_intact:
        count = len(history.not_intact)
        return f"error: {count} records were changed; everything was exported to {folder}", (
            "do not trust them: see who changed them, and restore them as docs/production.md says"
        )
    return f"all records are unchanged; exported to {folder}", ""


def show(terminal: Terminal, history: History, folder: Path) -> None:
    """Print how much there is, and what is not intact."""
    terminal.out(f"workspace  {history.workspace}")
    for kind, rows in history.kinds.items():
        terminal.out(f"{kind:<10} {len(rows)}, in {folder / kind}.json and .csv")
    for what in history.not_intact:
        terminal.err(f"error: {what}")
    counts = {kind: len(rows) for kind, rows in history.kinds.items()}
    terminal.document({"folder": str(folder), **counts, "not_intact": history.not_intact})
