"""Read the population of a problem from both workspaces and Azure DevOps or GitHub; changes nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from azure_ml.datasets import DatasetVersion, find_dataset
from azure_ml.digests import file_sha256
from azure_ml.models.champion import champions_of
from azure_ml.models.versions import ModelVersion, download, find_versions
from azure_ml.pipelines.runs import Run, find_run, list_runs, one_word
from azure_ml.services import Service, find_service, list_services
from azure_ml.storage.versions import hash_files
from forecasting.decision import words
from forecasting.decision.record import DECISION_FILE, REPORT_FILE, DecisionRecord, parse_decision
from forecasting.errors import FAILURES_FILE, ModelFileError
from ml_service.audit import history
from ml_service.audit.completeness.documents import Documents
from ml_service.audit.completeness.of_assets import recorded_tables
from ml_service.audit.completeness.of_ledger import runs_of
from ml_service.audit.completeness.population import (
    Anchor,
    DecisionFacts,
    DeploymentFacts,
    Live,
    ModelFacts,
    Population,
    RuleFacts,
    RunFacts,
    ServiceFacts,
    TableFacts,
)
from ml_service.audit.completeness.reading_builds import UNASKED, anchors_of_tags, read_builds, read_others
from ml_service.audit.completeness.reading_reviews import NOT_ON_GITHUB, read_reviewed
from ml_service.audit.history import History
from ml_service.audit.serving import View, compared, is_only_unhealthy
from ml_service.azure_devops.client import open_project
from ml_service.errors import CheckFailedError
from ml_service.github.approvals import open_repository
from ml_service.output.failures import explain
from ml_service.production import ledger
from ml_service.production.candidates.reading import read_registry
from ml_service.production.chain.entry import Entry, utc_now
from ml_service.production.ledger import Ledger, Record
from ml_service.production.recording import ANCHOR
from ml_service.training.snapshots import SCORING_ENVIRONMENT

POLICY_FILE, SCORING_PREFIX = "policy.json", "scoring"
_KEPT_OF_RUNS = (DECISION_FILE, REPORT_FILE, FAILURES_FILE)
_MOST_TABLES = 100


@dataclass
class Reader:
    """One reading. unread: what could not be read, and why."""

    view: View
    documents: Documents
    data: bool = True
    """Whether the files of data versions are read."""
    rows: History | None = None
    """Those of `history`, which needs neither the code of each deployment nor the files of data versions."""
    unread: list[str] = field(default_factory=list)
    decisions: dict[str, DecisionFacts] = field(default_factory=dict)

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """A part of the population, which the others do not depend on: where it cannot be read, that is said."""
        try:
            yield
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self.unread.append(f"{what}: {known.happened}")


def read_population(
    view: View, documents: Documents, *, data: bool = True, rows: History | None = None
) -> Population:
    """Read everything once. data, rows: as in `Reader`.

    Raises: whatever reading ledger and runs raises; other parts are named in `unread`.
    """
    settings, reader = view.settings, Reader(view, documents, data, rows)
    kept = ledger.read(view.training, settings)
    entries = kept.chain.entries
    for name, content in kept.chain.unreadable:
        documents.keep(name.rpartition("/")[2], content, name)
    listed = find_versions(view.training, settings.model_name)
    runs = _runs(reader, entries, [model.properties.get("run_id", "") for model in listed])
    champion = champions_of(listed).get(view.problem)
    tables, oldest = _tables(reader, recorded_tables(entries))
    live = live_of(view, kept)
    if live is not None and live.check in ("unknown", "unhealthy"):
        reader.unread.append(f"service {settings.production_service_name}: {live.finding}")
    facts = Population(
        problem=view.problem,
        model_name=settings.model_name,
        dataset=settings.dataset_name,
        training=view.training.banner,
        production=settings.azureml_production_workspace_name,
        service=settings.production_service_name,
        moment=utc_now(),
        chain=kept.chain,
        deployments=tuple(_deployment(reader, record) for record in kept.records),
        runs=runs,
        models=tuple(_model(reader, model, "model") for model in _newest_first(listed)),
        copies=_copies(reader),
        services=_services(reader),
        live=live,
        champion=champion.label if champion else "",
        tables=tables,
        oldest_table=oldest,
        candidates=read_registry(view.training, settings).candidates(entries, view.ask),
        decisions=reader.decisions,
        differences=history.compare(view.training, settings) if rows is None else rows.differences,
        anchors=tuple(anchors_of_runs(kept)),
    )
    return _with_builds(facts, reader)


def _with_builds(facts: Population, reader: Reader) -> Population:
    settings, entries = reader.view.settings, facts.chain.entries
    project, repository, stem = open_project(settings), open_repository(settings), settings.problem_file.stem
    if repository is not None:
        reviewed = read_reviewed(repository, entries, reader.unread)
        return replace(facts, builds=reviewed, unread=(*reader.unread, NOT_ON_GITHUB))
    if project is None:
        reader.unread.append(UNASKED)
        return replace(facts, unread=tuple(reader.unread))
    builds = read_builds(project, entries, stem, reader.unread)
    tagged = [anchor for build in builds.values() if build for anchor in anchors_of_tags(build, facts.problem)]
    others = read_others(project, entries, builds, stem, reader.unread)
    anchors = (*facts.anchors, *tagged)
    return replace(facts, builds=builds, other_builds=others, anchors=anchors, unread=tuple(reader.unread))


def _runs(reader: Reader, entries: Iterable[Entry], of_models: Iterable[str]) -> tuple[RunFacts, ...]:
    """The runs of the experiment, and those elsewhere that entries or models name."""
    view = reader.view
    runs = {run.id: run for run in list_runs(view.training, view.settings.experiment_name)}
    named = dict.fromkeys(run_id for entry in entries for run_id in sorted(runs_of(entry)))
    for run_id in filter(None, [*named, *of_models]):
        if run_id not in runs and (found := find_run(view.training, run_id)) is not None:
            runs[run_id] = found
    return tuple(_run(reader, run) for run in runs.values())


def _run(reader: Reader, run: Run) -> RunFacts:
    files = {}
    if run.properties.get("outcome") or "decision_sha256" in run.properties:
        for name in _KEPT_OF_RUNS:
            content = run.read_file(name)
            if content is not None:
                files[name] = reader.documents.keep(name, content, f"run {run.id}")
                note_decision(reader, name, content)
    return RunFacts(run.id, one_word(run.status), run.created, run.ended, run.created_by, run.properties, files)


def note_decision(reader: Reader, name: str, content: bytes) -> None:
    """Keep what the dossier shows of a decision, and its policy under its own hash."""
    if name != DECISION_FILE:
        return
    try:
        record = parse_decision(content)
    except ModelFileError:
        return
    reader.decisions[record.sha256] = _decision_facts(record)
    policy = json.dumps(record.evidence.policy, sort_keys=True, separators=(",", ":"), allow_nan=False)
    reader.documents.keep(POLICY_FILE, policy.encode(), f"decision {record.sha256}")


def _decision_facts(record: DecisionRecord) -> DecisionFacts:
    evidence = record.evidence
    data, challenger = evidence.data, evidence.challenger
    rules = tuple(
        RuleFacts(
            rule.code,
            words.title(rule),
            words.STATUS[rule.status],
            words.found(rule),
            words.limit(rule, evidence.policy),
            words.why(rule, evidence),
        )
        for rule in evidence.rules
    )
    facts = {
        "data_sha256": data.data_sha256,
        "rows": str(data.rows),
        "series": str(data.series),
        "first_date": data.first_date.isoformat(),
        "last_date": data.last_date.isoformat(),
        "days": str(data.days),
    }
    override = evidence.override.model_dump() if evidence.override else {}
    made = {"recipe": challenger.recipe, "cutoff": challenger.cutoff.isoformat(), "sha256": challenger.model_sha256}
    return DecisionFacts(
        record.context.run_id,
        evidence.outcome,
        evidence.reason,
        evidence.sentence,
        rules,
        facts,
        made,
        override,
    )


def _newest_first(models: Iterable[ModelVersion]) -> list[ModelVersion]:
    return sorted(models, key=lambda model: model.version, reverse=True)


def _model(reader: Reader, model: ModelVersion, kind: str) -> ModelFacts:
    files: Mapping[str, str] | None = None
    with (
        reader.part(f"the files of {kind} {model.name}:{model.version}"),
        tempfile.TemporaryDirectory(prefix="ml_service_") as scratch,
    ):
        download(model, Path(scratch))
        files = {
            path.name: _hash_of(reader, path, kind, model) for path in Path(scratch).rglob("*") if path.is_file()
        }
    return ModelFacts(
        model.name, model.version, model.number, model.created, model.created_by, model.properties, files
    )


def _hash_of(reader: Reader, path: Path, kind: str, model: ModelVersion) -> str:
    """Hash of a file of a model; decision and report are kept, the model itself is not."""
    if path.name in _KEPT_OF_RUNS:
        return reader.documents.keep(path.name, path.read_bytes(), f"{kind} {model.name}:{model.version}")
    return file_sha256(path)


def _copies(reader: Reader) -> tuple[ModelFacts, ...] | None:
    view = reader.view
    if view.production is None:
        if view.settings.has_production:
            reader.unread.append("the production workspace: you have no access to it")
        return None
    found = find_versions(view.production, view.settings.model_name)
    return tuple(_model(reader, model, "copy") for model in _newest_first(found))


def _services(reader: Reader) -> tuple[ServiceFacts, ...]:
    production = reader.view.production
    found: tuple[ServiceFacts, ...] = ()
    if production is not None:
        with reader.part("the services of the production workspace"):
            found = tuple(map(_service, list_services(production)))
    return found


def _service(service: Service) -> ServiceFacts:
    return ServiceFacts(service.name, service.state.state, service.updated, service.labels)


def live_of(view: View, kept: Ledger) -> Live | None:
    """Whether the service of production is as the ledger says; None where production is closed or empty."""
    if view.production is None:
        return None
    name = view.settings.production_service_name
    known = ledger.of_service(kept.records, view.production.name, name)
    service = find_service(view.production, name)
    if service is None and not ledger.succeeded(known):
        return None
    _, check, finding = compared(known, service)
    told = "unhealthy" if is_only_unhealthy(known, service) else check
    return Live(told, finding, service.updated if service else "")


def _deployment(reader: Reader, record: Record) -> DeploymentFacts:
    _, differences = ledger.compare(record)
    told = [str(difference) for difference in differences if record.run is not None]
    if record.run is None:
        return DeploymentFacts(record.id, has_run=False, differences=(), anchor="")
    if reader.rows is None:
        told += _changed_code(reader, record)
    release = record.run.read_file(ledger.RECORD_FILE)
    if release is not None and record.closed is not None:
        reader.documents.keep(ledger.RECORD_FILE, release, f"deployment {record.id}")
    return DeploymentFacts(record.id, True, tuple(told), record.run.properties.get(ANCHOR, ""))


def _changed_code(reader: Reader, record: Record) -> list[str]:
    """What of the code and the environment of a deployment is not as recorded; keeps both where they are."""
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        try:
            scoring = ledger.fetch_scoring(record, Path(scratch))
        except CheckFailedError as error:
            return [f"{error.happened}: {error.found}, expected {error.expected}"]
        _keep_scoring(reader, record, scoring.folder, scoring.environment)
    return []


def _keep_scoring(reader: Reader, record: Record, folder: Path, environment: Path) -> None:
    """Keep the code and the environment of a deployment, each file below the hash of its folder."""
    owner, whole = f"deployment {record.id}", record.properties["scoring_sha256"]
    reader.documents.keep(SCORING_ENVIRONMENT, environment.read_bytes(), owner)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = f"{SCORING_PREFIX}/{whole}/{path.relative_to(folder).as_posix()}"
            reader.documents.keep(name, path.read_bytes(), owner)


def anchors_of_runs(kept: Ledger) -> Iterator[Anchor]:
    """The entries that the runs of deployments note."""
    for record in kept.records:
        told = record.run.properties.get(ANCHOR, "") if record.run else ""
        number, _, sha256 = told.partition(":")
        if number.isdecimal():
            yield Anchor(f"property {ANCHOR} of run {record.id}", int(number), sha256)


def _tables(reader: Reader, recorded: Mapping[str, str]) -> tuple[tuple[TableFacts, ...], int]:
    """The newest data versions, and the number of the oldest that was looked at. recorded: their hashes."""
    training, name = reader.view.training, reader.view.settings.dataset_name
    newest = find_dataset(training, name)
    last = newest.version if newest else 0
    oldest = max(1, last - _MOST_TABLES + 1)
    if oldest > 1:
        reader.unread.append(f"data versions before {oldest}: only the newest {_MOST_TABLES} are checked")
    found = (find_dataset(training, name, version) for version in range(last, oldest - 1, -1))
    if reader.rows is None and not reader.data:
        reader.unread.append("the files of data versions: --skip-data was given")
    return tuple(_table(reader, one, recorded) for one in found if one is not None), oldest


def _table(reader: Reader, version: DatasetVersion, recorded: Mapping[str, str]) -> TableFacts:
    label = f"{version.name}:{version.version}"
    sha256 = recorded.get(label) or version.sha256
    files: tuple[str, ...] | None = None
    if sha256 and reader.rows is None and reader.data:
        with (
            reader.part(f"the files of data version {label}"),
            tempfile.TemporaryDirectory(prefix="ml_service_") as scratch,
        ):
            files = hash_files(reader.view.training, version.name, sha256, Path(scratch))
    return TableFacts(version.name, version.version, version.tags, files)
