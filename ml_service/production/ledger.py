"""The deployment ledger of production: an append-only sequence of entries, and a run for the files of a deployment.

The entries (`chain/`) say what was deployed in which order, and how it ended. The run of a deployment keeps the
scoring folder and the environment that served, so that a rollback brings back what served and not only the model, and
release.json, the whole record; its properties repeat the entries, and differences are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from azure_ml.pipelines.runs import Run, find_run, list_runs
from azure_ml.storage.blobs import Blobs, open_blobs
from azure_ml.workspace import UNKNOWN, Workspace
from forecasting.json_text import UNREADABLE, strict_json
from forecasting.problem.problem_file import Problem
from ml_service.errors import CheckFailedError
from ml_service.production.chain import deployments, store
from ml_service.production.chain.entry import NONE, Entry
from ml_service.production.chain.store import Chain
from ml_service.production.integrity import Difference, differences, fetch, of_hash
from ml_service.settings.build import REQUESTED_FOR
from ml_service.settings.variables import Settings
from ml_service.training.snapshots import SCORING_ENVIRONMENT, SCORING_FOLDER, Scoring

RELEASE, ROLLBACK = "release", "rollback"
SUCCEEDED, UNDONE, FAILED, ABANDONED = "succeeded", "undone", "failed", "abandoned"
"""How a deployment ends. Earlier versions wrote `rolled-back` for undone."""
RECORD_FILE = "release.json"
ASKED_BECAUSE = "asked_because"
"""Fact of a record: why a person asked for it. Not `reason`: in release.json that says why a deployment failed."""
APPROVED_DECISION, APPROVED_RUN = "approved_decision_sha256", "approved_run_id"
"""Facts of a record: the decision that accepted the bytes last, and its run; `Content` names the one registered with
them."""
SCHEMA_VERSION = 1
FACTS = (
    *("event", "from", "back_to", "build_id", "commit", "workspace", "service", REQUESTED_FOR, "report_sha256"),
    *(deployments.OF_ENTRIES, "endpoint_default", "endpoint_default_if_undone", "take_over", ASKED_BECAUSE),
    *("approver", "approval_comment", "changed_by_hand", APPROVED_DECISION, APPROVED_RUN),
)
"""Of a record beside its content; ids of pipelines for the default of the pipeline endpoint. take_over: why a service
that was changed by hand was replaced; approver: of the stage that deployed it, as Azure DevOps says;
changed_by_hand: when, UTC."""
MAX_RECORD_BYTES = 1024 * 1024
"""Of release.json, which has some 2 kB."""


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


NAMES = frozenset((*FACTS, *(field.name for field in fields(Content))))
"""Of the properties that make a record."""
_COMPARED = ("deployment", "state", *FACTS, *(field.name for field in fields(Content)))
"""What release.json and the properties of the run both hold."""


@dataclass(frozen=True)
class Record:
    """One deployment as the ledger tells it."""

    opened: Entry
    closed: Entry | None
    """None while it has not ended: it is in progress, or its process has died."""
    run: Run | None
    """The run that keeps its files; None where somebody has deleted it."""

    @property
    def id(self) -> str:
        """Id of the run; the service carries it as `deployment`."""
        return self.opened.subject

    @property
    def properties(self) -> Mapping[str, str]:
        """Facts and content, by the names that the properties of the run have too."""
        record: Mapping[str, str] = self.opened.details["record"]
        return record

    @property
    def started(self) -> str:
        """When it began."""
        return self.opened.when

    @property
    def state(self) -> str:
        """How it ended; empty while it has not."""
        return deployments.state_of(self.closed) if self.closed else ""

    @property
    def record_sha256(self) -> str:
        """Hash of its release.json; empty while it has none."""
        return self.closed.evidence.get("record_sha256", "") if self.closed else ""

    @property
    def told(self) -> Mapping[str, Any]:
        """What its end says beside its state; empty while it has not ended, or where an earlier version wrote it."""
        return deployments.told_by(self.closed) if self.closed else {}

    @property
    def before(self) -> str:
        """Id of the deployment that served until then, or `none`."""
        return self.properties.get("from", NONE)

    @property
    def content(self) -> Content:
        """What it put into production, or tried to."""
        return Content(**{field.name: self.properties.get(field.name, UNKNOWN) for field in fields(Content)})

    @property
    def judged(self) -> tuple[str, str]:
        """Run and SHA-256 of the decision by which it was deployed."""
        told, content = self.properties, self.content
        return told.get(APPROVED_RUN, content.run_id), told.get(APPROVED_DECISION, content.decision_sha256)

    @property
    def why(self) -> str:
        """Why a person asked for it, or that nobody has said."""
        return self.properties.get(ASKED_BECAUSE) or "no reason"

    @property
    def line(self) -> str:
        """What it is and whose, for people who meet it unfinished."""
        return f"{self.opened.what}, by {self.opened.who}, build {self.opened.build_id}, since {self.started}"


def experiment_name(settings: Settings) -> str:
    """The experiment that holds the runs of a problem's deployments."""
    return f"{settings.experiment_name}-releases"


@dataclass(frozen=True)
class Ledger:
    """The ledger of a problem as it was read."""

    chain: Chain
    records: tuple[Record, ...]
    """Every deployment, the newest first."""


def read(training: Workspace, settings: Settings) -> Ledger:
    """Read the ledger of the problem that the settings name; changes nothing.

    Records of an earlier version are included, whether a writing verb has migrated them or not.
    """
    problem = Problem(settings.problem_file).series.name
    chain, runs = read_stored(open_blobs(training), training, settings, problem)
    chain = with_earlier_records(chain, runs)
    return Ledger(chain, records_of(chain, runs, training))


def with_earlier_records(chain: Chain, runs: Iterable[Run]) -> Chain:
    """The chain, followed in memory by the records of an earlier version that nobody has migrated yet."""
    for event in deployments.migrate(chain, runs, NAMES):
        chain = chain.followed_by(event)
    return chain


def read_stored(blobs: Blobs, training: Workspace, settings: Settings, problem: str) -> tuple[Chain, tuple[Run, ...]]:
    """The entries of a problem as they are stored, and the runs of its deployments."""
    chain, runs = store.read(blobs, problem), tuple(list_runs(training, experiment_name(settings)))
    return replace(chain, faults=(*chain.faults, *deployments.missing(chain, runs))), runs


def read_all(training: Workspace, settings: Settings) -> tuple[Record, ...]:
    """Every record of the problem, the newest first. Raises: CheckFailedError when the ledger was changed."""
    ledger = read(training, settings)
    ledger.chain.demand_whole()
    return ledger.records


def records_of(chain: Chain, runs: Iterable[Run], training: Workspace) -> tuple[Record, ...]:
    """The deployments of a chain, the newest first, each with its run."""
    listed = {run.id: run for run in runs}
    opened = [entry for entry in chain.entries if entry.event == deployments.STARTED]
    closed = {entry.subject: entry for entry in chain.entries if deployments.state_of(entry)}
    return tuple(
        Record(entry, closed.get(entry.subject), listed.get(entry.subject) or find_run(training, entry.subject))
        for entry in reversed(opened)
    )


def of_service(records: Iterable[Record], workspace: str, service: str) -> tuple[Record, ...]:
    """The records of one service in one production workspace."""
    return tuple(
        record
        for record in records
        if (record.properties.get("workspace"), record.properties.get("service")) == (workspace, service)
    )


def unfinished(records: Iterable[Record]) -> list[Record]:
    """The deployments that have not ended, the newest first."""
    return [record for record in records if record.closed is None]


def succeeded(records: Iterable[Record]) -> list[Record]:
    """The deployments that went well, the newest first."""
    return [record for record in records if record.state == SUCCEEDED]


def find(records: Iterable[Record], run_id: str) -> Record | None:
    """The record of that id."""
    return next((record for record in records if record.id == run_id), None)


def previous(records: Sequence[Record], live: Record | None) -> Record | None:
    """What `rollback --to previous` restores: the last deployment that succeeded with other content; None: nothing.

    Other than what users are meant to have: what the last deployment that succeeded brought, or where a release that
    has not succeeded is live, that one's. An unfinished rollback is repeated to where it was going.
    """
    good = succeeded(records)
    current = next(iter(good), None)
    if live is not None and live.state != SUCCEEDED and live.properties["event"] == RELEASE:
        current = live
    if current is None:
        return None
    return next((record for record in good if record.content.served != current.content.served), None)


def left_by(records: Sequence[Record], left: Record) -> Record | None:
    """The newest rollback that has replaced a deployment; None if none has. records: the newest first."""
    back = (record for record in succeeded(records) if record.properties["event"] == ROLLBACK)
    return next((record for record in back if record.before == left.id), None)


def fetch_scoring(record: Record, folder: Path) -> Scoring:
    """Download what a deployment served with. Raises: CheckFailedError when its hashes are not the recorded ones."""
    run = _demand_run(record)
    run.download_folder(SCORING_FOLDER, folder)
    (folder / SCORING_ENVIRONMENT).write_bytes(run.read_file(SCORING_ENVIRONMENT) or b"")
    scoring = Scoring(folder / SCORING_FOLDER, folder / SCORING_ENVIRONMENT)
    for name, found in scoring.hashes.items():
        if found != record.properties.get(name):
            raise CheckFailedError(
                f"the files of deployment {record.id} differ from the recorded ones",
                found=f"{name} {found}",
                expected=f"{name} {record.properties.get(name)}",
                todo="do not deploy them: somebody changed the artifacts in the storage account",
            )
    return scoring


def _demand_run(record: Record) -> Run:
    if record.run is None:
        raise CheckFailedError(
            f"the run of deployment {record.id} no longer exists, and neither do its files",
            expected="every run that the ledger names",
            todo="find out who deleted it; release a version instead",
        )
    return record.run


def compare(record: Record) -> tuple[Mapping[str, Any], list[Difference]]:
    """release.json of a record, and what of release.json and the run is not as the ledger says.

    Empty for one that has not ended.
    """
    if record.closed is None:
        return {}, []
    if record.run is None:
        return {}, [Difference("run", "", record.id, f"entry {record.opened.sequence} of the ledger")]
    file = fetch(record.run, RECORD_FILE)
    document = _json_object(file.content)
    if found := of_hash("record_sha256", record.record_sha256 or NONE, file):
        return document, found
    written = {name: document.get(name) for name in _COMPARED}
    exported = {**record.run.properties, "deployment": record.id}
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
    """Raise CheckFailedError, with field and both values, if the record was changed."""
    _, changed = compare(record)
    if changed:
        raise CheckFailedError(
            f"the record of deployment {record.id} was changed",
            found="\n".join(map(str, changed)),
            expected="a run with the properties of release.json, and release.json with the hash in the ledger",
            todo="do not trust it; find out who changed it; all records: python -m ml_service history --out FOLDER",
        )
