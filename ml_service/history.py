"""`history`: everything that an auditor samples from, as JSON and CSV: runs, decisions, models, releases."""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from azureml.core import Experiment, Model, Run

from ml_service import records
from ml_service.console import Terminal, quiet_sdk
from ml_service.outcome import DECISION_FILE
from ml_service.settings import Settings
from ml_service.workspace import OpenWorkspace

Row = dict[str, Any]
_RECORDED = (
    *("event", "from", "back_to", "build_id", "commit", "workspace", "service"),
    *(field.name for field in fields(records.Content)),
    "record_sha256",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class History:
    """One list of rows a kind, the newest first."""

    workspace: str
    kinds: dict[str, list[Row]]

    @property
    def not_intact(self) -> list[str]:
        """What does not have the hash that was recorded."""
        return [
            f"{kind}: {row.get('run_id') or row.get('deployment')}"
            for kind, rows in self.kinds.items()
            for row in rows
            if row.get("intact") is False
        ]


def collect(workspace: OpenWorkspace, settings: Settings) -> History:
    """Read the whole history of the problem that the settings name; changes nothing."""
    runs = _runs(workspace, settings.experiment_name)
    return History(
        workspace=workspace.banner,
        kinds={
            "runs": [_run_row(run) for run in runs],
            "decisions": [_decision_row(run) for run in runs if "decision_sha256" in run.properties],
            "models": [_model_row(model) for model in Model.list(workspace.sdk, name=settings.model_name)],
            "releases": [_release_row(record) for record in records.read_all(workspace, settings)],
        },
    )


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
    text = (
        json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else "" if value is None else str(value)
    )
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write_csv(path: Path, rows: list[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([safe_cell(column) for column in columns])
        writer.writerows([safe_cell(row.get(column)) for column in columns] for row in rows)


def _runs(workspace: OpenWorkspace, name: str) -> list[Any]:
    if name not in workspace.sdk.experiments:
        return []
    # Plain run objects: building a PipelineRun would ask the service once more for each.
    return list(Run.list(Experiment(workspace.sdk, name), include_children=False, _rehydrate_runs=False))


def _run_row(run: Any) -> Row:
    told = {name: run.properties.get(name, "") for name in ("outcome", "reason", "data_sha256", "decision_sha256")}
    document = run._run_dto
    return {
        "run_id": run.id,
        "status": run.status,
        "created": str(document.get("created_utc") or ""),
        "ended": str(document.get("end_time_utc") or ""),
        **told,
    }


def _decision_row(run: Any) -> Row:
    with quiet_sdk(), tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        path = Path(scratch) / DECISION_FILE
        run.download_file(DECISION_FILE, output_file_path=str(path))
        content = path.read_bytes()
    document = json.loads(content)
    evidence, context = document.get("evidence") or {}, document.get("context") or {}
    return {
        "run_id": run.id,
        "intact": hashlib.sha256(content).hexdigest() == run.properties["decision_sha256"],
        **{name: evidence.get(name) for name in ("outcome", "reason", "sentence", "gate", "override")},
        **{name: evidence.get(name) for name in ("problem", "policy_sha256")},
        "asked_because": context.get("reason"),
        **{name: context.get(name) for name in ("decided_at", "build_id", "commit", "champion")},
        **{name: evidence.get(name) for name in ("policy", "data", "challenger", "baselines")},
    }


def _model_row(model: Any) -> Row:
    tags = model.tags or {}
    return {
        "name": model.name,
        "version": int(model.version),
        "created": str(model.created_time),
        "champion_of": tags.get("champion", ""),
        "champion_since": tags.get("champion_since", ""),
        **dict(sorted((model.properties or {}).items())),
    }


def _release_row(record: records.Record) -> Row:
    document, intact = records.fetch_document(record)
    told = {name: document.get(name) for name in ("serves", "champion_before", "check", "reason", "url", "ended")}
    return {
        "deployment": record.id,
        "started": record.started,
        "state": record.state or "never ended",
        "intact": intact,
        **{name: record.properties.get(name, "") for name in _RECORDED},
        **told,
    }


def show(terminal: Terminal, history: History, folder: Path) -> None:
    """Print how much there is, and what is not intact."""
    terminal.say(f"workspace  {history.workspace}")
    for kind, rows in history.kinds.items():
        terminal.say(f"{kind:<10} {len(rows)}, in {folder / kind}.json and .csv")
    for what in history.not_intact:
        terminal.note(f"error: {what} has not the hash that was recorded")
    counts = {kind: len(rows) for kind, rows in history.kinds.items()}
    terminal.document({"folder": str(folder), **counts, "not_intact": history.not_intact})
