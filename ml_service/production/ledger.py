"""The deployment ledger of production: each record is a separate run in the training workspace.

What identifies a deployment are properties of the run, compared with release.json when they are read. Its files are
artifacts: the scoring folder and the environment that serve, so that a rollback brings back what served and not only
the model, and release.json, the whole record, whose hash is a property. A record without a state is a deployment that
never ended.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure_ml.pipelines.runs import Run, RunStatus, end_record, list_runs, one_word, start_record
from azure_ml.workspace import Workspace
from forecasting.json_text import UNREADABLE, strict_json
from ml_service.errors import CheckFailedError
from ml_service.production.integrity import Difference, differences, fetch, of_hash
from ml_service.settings.build import REQUESTED_FOR, Build
from ml_service.settings.variables import Settings
from ml_service.training.snapshots import SCORING_ENVIRONMENT, SCORING_FOLDER, Scoring

RELEASE, ROLLBACK = "release", "rollback"
SUCCEEDED, ROLLED_BACK, FAILED = "succeeded", "rolled-back", "failed"
RECORD_FILE = "release.json"
NONE = "none"
SCHEMA_VERSION = 1
FACTS = ("event", "from", "back_to", "build_id", "commit", "workspace", "service", REQUESTED_FOR, "report_sha256")
"""Properties of a record beside its content."""
MAX_RECORD_BYTES = 1024 * 1024
"""Of release.json, which has some 2 kB."""
_LONGEST_FAILURE = 1000


@dataclass(frozen=True)
class Content:
    """What a deployment puts into production; all texts, because the properties of a run are."""

    model_name: str
    model_version: str
    """Version in the training workspace."""
    production_version: str
    """Version of the copy in the production workspace."""
    model_sha256: str
    decision_sha256: str
    scoring_sha256: str
    environment_sha256: str
    run_id: str
    """The pipeline run that trained the model."""

    @property
    def model(self) -> str:
        """`name:version` as the training workspace counts."""
        return f"{self.model_name}:{self.model_version}"

    @property
    def served(self) -> tuple[str, ...]:
        """What makes the answers: two deployments of the same are one and the same to who asks."""
        return self.model, self.model_sha256, self.scoring_sha256, self.environment_sha256


_COMPARED = ("deployment", "state", *FACTS, *(field.name for field in fields(Content)))
"""What release.json and the properties of the run both hold."""


@dataclass(frozen=True)
class Record:
    """One deployment as its run tells it."""

    run: Run
    properties: Mapping[str, str]
    started: str

    @property
    def id(self) -> str:
        """Id of the run; the service carries it as `deployment`."""
        return self.run.id

    @property
    def state(self) -> str:
        """How it ended; empty when it never did."""
        return self.properties.get("state", "")

    @property
    def before(self) -> str:
        """Id of the deployment that served until then, or `none`."""
        return self.properties.get("from", NONE)

    @property
    def content(self) -> Content:
        """What it put into production, or tried to."""
        return Content(**{field.name: self.properties[field.name] for field in fields(Content)})


def experiment_name(settings: Settings) -> str:
    """The experiment that holds the records of a problem."""
    return f"{settings.experiment_name}-releases"


def begin(
    training: Workspace, settings: Settings, facts: Mapping[str, str], content: Content, scoring: Scoring
) -> Record:
    """Open a record before anything changes, with all that a later rollback needs. facts: as `build_facts`."""
    properties = {**facts, **asdict(content)}
    run = start_record(
        training,
        experiment_name(settings),
        f"{facts['event']} {content.model}",
        properties=properties,
        tags={"event": facts["event"], "model_version": content.model_version},
        files={SCORING_FOLDER: scoring.folder, SCORING_ENVIRONMENT: scoring.environment},
    )
    return Record(run, properties, _now())


def build_facts(event: str, build: Build, production: Workspace, settings: Settings, before: str) -> dict[str, str]:
    """Who deploys where for whom, and what served until then."""
    return {
        "event": event,
        "from": before,
        "build_id": build.build_id,
        "commit": build.commit,
        "workspace": production.name,
        "service": settings.production_service_name,
        **build.person,
    }


def finish(record: Record, state: str, told: Mapping[str, Any]) -> str:
    """Close a record: artifact first, then the properties, then the end of the run. Returns the artifact's hash."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "deployment": record.id,
        **record.properties,
        "state": state,
        "started": record.started,
        "ended": _now(),
        **told,
    }
    content = (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
    sha256 = hashlib.sha256(content).hexdigest()
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        path = Path(scratch) / RECORD_FILE
        path.write_bytes(content)
        end_record(
            record.run,
            path,
            properties={"state": state, "record_sha256": sha256},
            tags={"state": state},
            failure="" if state == SUCCEEDED else str(told.get("reason", state))[:_LONGEST_FAILURE],
        )
    return sha256


def read_all(training: Workspace, settings: Settings) -> tuple[Record, ...]:
    """Every record of the problem, the newest first."""
    runs = list_runs(training, experiment_name(settings))
    found = [Record(run, dict(run.properties), run.created) for run in runs]
    return newest_first(found)


def newest_first(records: Iterable[Record]) -> tuple[Record, ...]:
    """Ordered by the numbers of their runs, never by time: a clock may go back."""
    return tuple(sorted(records, key=lambda record: (record.run.number, record.started), reverse=True))


def succeeded(records: tuple[Record, ...]) -> list[Record]:
    """The deployments that went well, the newest first."""
    return [record for record in records if record.state == SUCCEEDED]


def find(records: tuple[Record, ...], run_id: str) -> Record | None:
    """The record of that id."""
    return next((record for record in records if record.id == run_id), None)


def previous(records: Sequence[Record], current: Record) -> Record | None:
    """The deployment that served other content before the current one did; None where there is none.

    Follows what each record says of the one before it, past those that never ended, failed or served the same.
    """
    by_id = {record.id: record for record in records}
    earlier = by_id.pop(current.before, None)
    while earlier is not None:
        if earlier.state == SUCCEEDED and earlier.content.served != current.content.served:
            return earlier
        earlier = by_id.pop(earlier.before, None)  # popped: links that lead in a circle end
    return None


def fetch_scoring(record: Record, folder: Path) -> Scoring:
    """Download what a deployment served with. Raises: CheckFailedError when its hashes are not the recorded ones."""
    record.run.download_folder(SCORING_FOLDER, folder)
    (folder / SCORING_ENVIRONMENT).write_bytes(record.run.read_file(SCORING_ENVIRONMENT) or b"")
    scoring = Scoring(folder / SCORING_FOLDER, folder / SCORING_ENVIRONMENT)
    for name, found in scoring.hashes.items():
        if found != record.properties.get(name):
            raise CheckFailedError(
                f"the files of deployment {record.id} are not the ones that were recorded",
                found=f"{name} {found}",
                expected=f"{name} {record.properties.get(name)}",
                todo="do not deploy them: somebody changed the artifacts in the storage account",
            )
    return scoring


def compare(record: Record) -> tuple[Mapping[str, Any], list[Difference]]:
    """release.json of a record, and what of the record is not as release.json or its hash say.

    Empty for one that never ended; one that has ended must have a document.
    """
    recorded = record.properties.get("record_sha256", "")
    if not recorded and not record.state and one_word(record.run.status) != RunStatus.FINISHED:
        return {}, []
    file = fetch(record.run, RECORD_FILE)
    document = _json_object(file.content)
    if found := of_hash("record_sha256", recorded or NONE, file):
        return document, found
    written = {name: document.get(name) for name in _COMPARED}
    exported = {**record.properties, "deployment": record.id}
    return document, differences(exported, written, RECORD_FILE)


def _json_object(content: bytes) -> dict[str, Any]:
    """The JSON object of a file; empty where somebody has made something else, or something huge, of it."""
    if len(content) > MAX_RECORD_BYTES:
        return {}
    try:
        return strict_json(content)
    except UNREADABLE:
        return {}


def demand_intact(record: Record) -> None:
    """Raises: CheckFailedError when the record is not as it was written, with field and both values."""
    _, changed = compare(record)
    if changed:
        raise CheckFailedError(
            f"the record of deployment {record.id} is not as it was written",
            found="\n".join(map(str, changed)),
            expected="properties as in release.json, and release.json with the recorded hash",
            todo="do not trust it: see who changed it; the whole list: python -m ml_service history --out FOLDER",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
