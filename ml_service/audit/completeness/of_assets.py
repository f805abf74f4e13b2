"""Findings about recorded objects: runs, models and their bytes, services, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from azure_ml.datasets import SHA256_TAG
from azure_ml.pipelines.runs import ENDED
from forecasting.decision.record import DECISION_FILE, REPORT_FILE
from forecasting.inbox.tables import PROBLEM_TAG
from forecasting.models.model_file import MODEL_FILE
from ml_service.audit.completeness.finding import Finding
from ml_service.audit.completeness.of_ledger import runs_of
from ml_service.audit.completeness.population import ModelFacts, Population, RunFacts, TableFacts
from ml_service.audit.events import kinds
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry

_MODEL_EVENTS = ("candidate.", deployments.STARTED)
_LONGEST_NUMBER = 18
_NO_GAP = "every number up to the newest"
_DOCUMENTS = {DECISION_FILE: "decision_sha256", REPORT_FILE: "report_sha256"}


def findings(found: Population) -> Iterator[Finding]:
    """Return the findings about runs, models, services and tables that are incomplete or have no entry."""
    yield from (Finding("record-changed", difference) for difference in found.differences)
    yield from _runs(found)
    yield from _models(found)
    yield from _services(found)
    yield from _tables(found)


def notes(found: Population) -> Iterator[str]:
    """What lies beside the records and claims nothing: versions that somebody's own code has registered."""
    for model in (*found.models, *(found.copies or ())):
        if not model.properties.get("model_sha256"):
            about = f"{model.name}:{model.version}, created {model.created} by {model.created_by}"
            yield f"somebody's own code has registered model {about}"


def _runs(found: Population) -> Iterator[Finding]:
    entries, known = found.chain.entries, {run.id: run for run in found.runs}
    named = {run_id: entry for entry in reversed(entries) for run_id in runs_of(entry)}
    for run_id, entry in named.items():
        if run_id not in known:
            yield Finding(
                "run-gone", f"run {run_id}", expected=f"it, as entry {entry.sequence} of the ledger names it"
            )
    for model in found.models:
        run_id = model.properties.get("run_id", "")
        if run_id and run_id not in known and run_id not in named:
            yield Finding("run-gone", f"run {run_id}", expected=f"it, as model {model.name}:{model.version} names it")
    told = {entry.subject for entry in entries if entry.event.startswith(kinds.RUN)}
    for run in found.runs:
        if run.status in ENDED and run.id not in told:
            yield Finding("run-unrecorded", f"run {run.id}", found=f"{run.status}, created {run.created}")
    for entry in entries:
        if entry.event == kinds.GATE_DECIDED and entry.subject in known:
            yield from _documents_of_run(known[entry.subject], entry)


def _documents_of_run(run: RunFacts, entry: Entry) -> Iterator[Finding]:
    """Compare decision and report among the run's artifacts with the entry that recorded them."""
    for name, field in _DOCUMENTS.items():
        expected = entry.evidence.get(field, "")
        if expected:
            yield from _document(f"{name} of run {run.id}", run.files.get(name, ""), {expected})


def _document(what: str, found: str, allowed: set[str]) -> Iterator[Finding]:
    if found not in allowed:
        code = "document-changed" if found else "document-gone"
        yield Finding(code, what, f"sha256 {found}" if found else "", f"sha256 {' or '.join(sorted(allowed))}")


def _models(found: Population) -> Iterator[Finding]:
    entries = found.chain.entries
    yield from _versions(found.models, _numbers_of(entries, "model_version"), "")
    recorded = _recorded_hashes(entries)
    for model in found.models:
        yield from _model(model, recorded, f"model {model.name}:{model.version}")
    for copy in found.copies or ():
        where = f"copy {copy.name}:{copy.version} in workspace {found.production}"
        yield from _model(copy, recorded, where)
    yield from _copies(found)
    if found.copies is not None:
        yield from _versions(found.copies, _numbers_of(entries, "production_version"), found.production)


def _copies(found: Population) -> Iterator[Finding]:
    """Files of a copy that are others than those of the version that it was copied from."""
    originals = {str(model.version): model.files for model in found.models}
    for copy in found.copies or ():
        original = originals.get(copy.number) if copy.properties.get("model_sha256") else None
        for name, sha256 in (original or {}).items():
            if copy.files is not None and copy.files.get(name) != sha256:
                where = f"{name} beside copy {copy.name}:{copy.version} in workspace {found.production}"
                yield Finding("document-changed", where, f"sha256 {copy.files.get(name, 'none')}", f"sha256 {sha256}")


def _numbers_of(entries: Iterable[Entry], field: str) -> Mapping[int, Entry]:
    """Versions that entries name, and the first entry that does."""
    told: dict[int, Entry] = {}
    for entry in entries:
        if entry.event.startswith(_MODEL_EVENTS):
            told_of = entry.details["record"] if entry.event == deployments.STARTED else entry.details
            if (number := _number(str(told_of.get(field, "")))) is not None:
                told.setdefault(number, entry)
    return told


def _number(text: str) -> int | None:
    """The version that a text says; None where it says none that a workspace can have."""
    is_one = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER and int(text) > 0
    return int(text) if is_one else None


def _versions(models: tuple[ModelFacts, ...], named: Mapping[int, Entry], workspace: str) -> Iterator[Finding]:
    """Versions that are not in a registry any more. workspace: empty for that of training."""
    known, where = {model.version for model in models}, f" in workspace {workspace}" if workspace else ""
    for version in sorted(named.keys() - known):
        expected = f"it, as entry {named[version].sequence} of the ledger names it"
        yield Finding("model-gone", f"model version {version}{where}", expected=expected)
    for gap in _gaps(1, known | named.keys()):
        yield Finding("version-missing", f"model version {gap}{where}", expected=_NO_GAP)


def _gaps(first: int, numbers: set[int]) -> Iterator[str]:
    """What of the numbers from the first to the newest is not there, as ranges: a number may be huge."""
    expected = first
    for number in sorted(numbers):
        if number > expected:
            yield str(expected) if number == expected + 1 else f"{expected} to {number - 1}"
        expected = max(expected, number + 1)


def _recorded_hashes(entries: Iterable[Entry]) -> dict[str, dict[str, set[str]]]:
    """By the hash of a model: the hashes of its decisions and reports in the entries."""
    told: dict[str, dict[str, set[str]]] = {}
    for entry in entries:
        model = entry.evidence.get("model_sha256", "")
        if model:
            kept = told.setdefault(model, {})
            for field in _DOCUMENTS.values():
                sha256 = entry.evidence.get(field, "")
                kept.setdefault(field, set()).update({sha256} - {""})
    return told


def _model(model: ModelFacts, recorded: Mapping[str, Mapping[str, set[str]]], where: str) -> Iterator[Finding]:
    """One version in one workspace: is it recorded, and are its files those that were recorded?"""
    sha256 = model.properties.get("model_sha256", "")
    if not sha256:
        return  # see notes
    if sha256 not in recorded:
        yield Finding("model-unrecorded", where, found=f"created {model.created} by {model.created_by}")
        return
    if model.files is None:
        return
    if model.files.get(MODEL_FILE) != sha256:
        yield Finding(
            "model-changed", where, f"sha256 {model.files.get(MODEL_FILE, 'of no file')}", f"sha256 {sha256}"
        )
    for name, allowed in _documents_of(model, recorded[sha256]).items():
        if allowed:
            yield from _document(f"{name} beside {where}", model.files.get(name, ""), allowed)


def _documents_of(model: ModelFacts, recorded: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Hashes that decision and report of a version may have.

    Where entries tell only of later decisions about the same bytes, its own was made before there were such entries:
    then its property identifies it, and its report is not recorded.
    """
    own = model.properties.get("decision_sha256", "")
    if own and own not in recorded.get("decision_sha256", set()):
        return {DECISION_FILE: {own}}
    return {name: recorded.get(field, set()) for name, field in _DOCUMENTS.items()}


def _services(found: Population) -> Iterator[Finding]:
    if found.live is not None and found.live.check == "changed":
        since = f"since {found.live.since}" if found.live.since else ""
        yield Finding("service-changed", f"service {found.service}: {found.live.finding}", found=since)
    for service in found.services:
        owner = service.labels.get(PROBLEM_TAG, "")
        if service.name != found.service and owner in ("", found.problem):
            yield Finding(
                "service-unrecorded", f"service {service.name}", found=f"{service.state}, {service.updated}"
            )
    last = [entry for entry in found.chain.entries if deployments.state_of(entry) == "succeeded"]
    if last and found.champion != last[-1].after:
        yield Finding("champion-differs", f"champion of {found.problem}", found.champion or "none", last[-1].after)


def _tables(found: Population) -> Iterator[Finding]:
    subjects = [entry.subject for entry in found.chain.entries if entry.event == kinds.DATA_ACCEPTED]
    prefix = f"{found.dataset}:"
    numbers = [_number(subject.removeprefix(prefix)) for subject in subjects if subject.startswith(prefix)]
    told = {number for number in numbers if number is not None}
    known = {table.version: table for table in found.tables}
    gone = {version for version in told - known.keys() if version >= found.oldest_table}
    gaps = _gaps(found.oldest_table, told | known.keys())
    for gap in (*map(str, sorted(gone)), *gaps):
        yield Finding("table-gone", f"data version {found.dataset}:{gap}", expected=_NO_GAP)
    for version, table in sorted(known.items()):
        if version not in told and not _is_earlier(table.tags, version, told):
            yield Finding("table-unrecorded", f"data version {found.dataset}:{version}")
    recorded = recorded_tables(found.chain.entries)
    for table in found.tables:
        yield from _table(table, recorded.get(f"{table.name}:{table.version}", ""))


def recorded_tables(entries: Iterable[Entry]) -> dict[str, str]:
    """The hashes of data versions as the entries tell them, by `name:version`."""
    accepted = (entry for entry in entries if entry.event == kinds.DATA_ACCEPTED)
    return {entry.subject: entry.evidence.get("data_sha256", "") for entry in accepted}


def _table(table: TableFacts, recorded: str) -> Iterator[Finding]:
    """A data version whose tag or whose bytes are not as recorded. recorded: empty if no entry records it."""
    where, tagged = f"data version {table.name}:{table.version}", table.tags.get(SHA256_TAG, "")
    if recorded and tagged != recorded:
        told = f"sha256 {tagged}" if tagged else "none"
        yield Finding("table-changed", f"tag {SHA256_TAG} of {where}", told, f"sha256 {recorded}")
    expected = recorded or tagged
    if table.files is not None and table.files != (expected,):
        bytes_found = f"sha256 {' and '.join(table.files)}" if table.files else "no file"
        yield Finding("table-changed", f"file of {where}", bytes_found, f"sha256 {expected}")


def _is_earlier(tags: Mapping[str, str], version: int, told: set[int]) -> bool:
    """Whether `data upload` of a version that wrote no entries has registered it."""
    return PROBLEM_TAG in tags and version < min(told, default=version + 1)
