"""dossier.html: the export for people, one page that loads nothing; it shows what events and facts.json tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ml_service.audit.completeness.documents import Document
from ml_service.audit.completeness.of_assets import notes
from ml_service.audit.completeness.of_builds import compared_builds
from ml_service.audit.completeness.population import DecisionFacts, ModelFacts, Population
from ml_service.audit.completeness.verifying import Verified
from ml_service.audit.events import kinds
from ml_service.audit.export import acceptances, rows, still_open, unsettled, verifier, versions
from ml_service.audit.export.facts import LIMITS, never_released, refusals
from ml_service.audit.timeline.intervals import Interval, Served, deployments_of
from ml_service.audit.timeline.log import Index
from ml_service.output.html import stream_page
from ml_service.production.candidates.candidate import moment
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry
from ml_service.production.ledger import APPROVED_DECISION
from ml_service.settings.build import is_local, is_uncommitted

_TEMPLATE = Path(__file__).with_name("dossier.html.j2")
_LEAST_WIDTH = 0.4  # percent: what is narrower cannot be seen
Links = Mapping[str, str]
"""Files of the export by the SHA-256 of their content."""


@dataclass(frozen=True)
class Bar:
    """One stretch of the chart; left and width in percent of the time that it shows."""

    left: float
    width: float
    status: str
    title: str


@dataclass(frozen=True)
class Chart:
    """What served when: rows of bars, and the moments at both ends."""

    begin: str
    end: str
    rows: tuple[tuple[str, tuple[Bar, ...]], ...]


def pieces(
    verified: Verified, told: Mapping[str, Any], found: Sequence[Interval], places: Mapping[Document, str]
) -> Iterator[str]:
    """The page piece by piece, so that a long one takes no memory.

    told: facts.json without its lists; found: all of time; places: files of the export.
    """
    population, entries = verified.population, verified.population.chain.entries
    links = {document.sha256: place for document, place in places.items()}
    accepted = acceptances.acceptances(entries, population.models)
    return stream_page(
        _TEMPLATE,
        title=f"Audit dossier: {population.problem}",
        told={**told, "scoring": _scoring_folders(links)},
        findings=verified.findings,
        notes=list(notes(population)),
        why_not=list(never_released(verified)),
        documents_of=_documents_of(places),
        model_names=model_names(population),
        states={one.model: one for one in population.candidates},
        models=_model_pages(population, links, accepted),
        limits=LIMITS,
        unsettled=unsettled.sentences(population),
        rehearsal=unsettled.is_rehearsal(population),
        is_unapproved=unsettled.is_unapproved,
        is_local=is_local,
        is_uncommitted=is_uncommitted,
        links=links,
        happened=lambda entry: verifier.happened(entry.details, entry.when),
        moment=verifier.moment,
        timeline=map(_row, entries),
        accepted_by=acceptances.of_models(accepted),
        accepted_in={one.decided.subject: one for one in accepted},
        without_candidate=acceptances.without_candidate(accepted, entries),
        **_of_production(population, found),
        **_of_entries(entries),
    )


def _row(entry: Entry) -> Markup:
    """The row of an event in the timeline, which the verifier has escaped."""
    return Markup(verifier.timeline_row(entry.model_dump(by_alias=True), entry.sha256))  # noqa: S704 - escaped


def _of_production(population: Population, found: Sequence[Interval]) -> dict[str, Any]:
    """What served when, and what confirms it."""
    entries = population.chain.entries
    servings, builds = versions.servings(found), rows.builds(entries, population.builds)
    return {
        "now": population.moment,
        "chart": chart(found, population.moment),
        "intervals": [one for one in found if one.served or one.begin != one.end],
        "servings": servings,
        "may_serve": versions.may_serve(found, population.live, servings),
        "unreleased": versions.unreleased(entries, servings),
        "deployments": deployments_of(entries),
        "duties": rows.duties,
        "run_of": acceptances.run_of,
        "builds": builds,
        "build_ids": {one.id for one in builds},
        "compared_builds": compared_builds(population.builds),
        "judged": {one.data["data_sha256"]: one.data for one in population.decisions.values()},
        "decided": {one.run_id: one for one in population.decisions.values()},
        "last_anchored": max((one.sequence for one in population.anchors), default=0),
    }


def _of_entries(entries: tuple[Entry, ...]) -> dict[str, Any]:
    """What the entries record beside deployments."""
    return {
        "since": entries[0].when if entries else "",
        "approvals": sorted(rows.answers(entries), key=_happened),
        "stages": rows.stages_of(entries),
        "still_open": still_open.still_open(entries),
        "refused": refusals(entries),
        "failed": rows.failures(entries),
        "models_of": _models_of_builds(entries),
        "models_of_run": rows.models_of_runs(entries),
        "overrides_of": rows.overrides_of(entries),
        "runs": {entry.subject: entry for entry in entries if entry.event.startswith(kinds.RUN)},
        "gates": {entry.subject: entry for entry in entries if entry.event == kinds.GATE_DECIDED},
        "overrides": [entry for entry in entries if entry.event == kinds.OVERRIDE_GRANTED],
        "tables": [entry for entry in entries if entry.event == kinds.DATA_ACCEPTED],
        "schedules": [entry for entry in entries if entry.event == kinds.SCHEDULE_CHANGED],
        "exports": [entry for entry in entries if entry.event in (kinds.EXPORT_MADE, kinds.BUILD_RETAINED)],
    }


def _scoring_folders(links: Links) -> dict[str, bool]:
    """The scoring folders that the export holds."""
    places = (place for place in links.values() if place.startswith(verifier.SCORING))
    return {place.split("/")[1]: True for place in places}


def chart(found: Sequence[Interval], until: str) -> Chart | None:
    """The chart of what served when; None before the first deployment."""
    timed = [(moment(one.begin), moment(one.end or until), one) for one in found]
    begins = [begin for begin, _, _ in timed if begin is not None]
    last = moment(until)
    if not begins or last is None:
        return None
    first = min(begins)
    rows: dict[str, list[Bar]] = {}
    for begin, end, one in timed:
        if begin is None or end is None or end < begin:
            continue
        label = one.served.opened.after if one.served else one.status
        rows.setdefault(label, []).append(_bar(one, (begin, end), (first, max(last, first))))
    return Chart(min(begins).isoformat(), until, tuple((label, tuple(bars)) for label, bars in rows.items()))


def _bar(one: Interval, of: tuple[datetime, datetime], all_of: tuple[datetime, datetime]) -> Bar:
    whole = (all_of[1] - all_of[0]).total_seconds() or 1.0
    left = 100 * (of[0] - all_of[0]).total_seconds() / whole
    width = max(_LEAST_WIDTH, 100 * (of[1] - of[0]).total_seconds() / whole)
    left = min(left, 100 - _LEAST_WIDTH)
    title = f"{one.begin} to {one.end or 'now'}: {one.why or one.status}"
    return Bar(round(left, 3), round(min(width, 100 - left), 3), one.status, title)


def _models_of_builds(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """The models that each build asked for or deployed."""
    found: dict[str, dict[str, bool]] = {}
    for entry in entries:
        if entry.event == deployments.STARTED or entry.event.startswith("candidate."):
            found.setdefault(entry.about_build, {})[entry.after] = True
    return {build: list(models) for build, models in found.items()}


def _documents_of(places: Mapping[Document, str]) -> dict[str, list[tuple[str, str]]]:
    """Names and files of the documents that each owner, such as `run ID`, was found to have."""
    found: dict[str, list[tuple[str, str]]] = {}
    for document, place in places.items():
        for owner in document.owners:
            found.setdefault(owner, []).append((document.name, place))
    return found


def model_names(population: Population) -> list[str]:
    """`name:version` of every version that registry or ledger know, the newest first."""
    named = {f"{model.name}:{model.version}" for model in population.models}
    for entry in population.chain.entries:
        if entry.event == deployments.STARTED or entry.event.startswith("candidate."):
            named.add(entry.after)
    return sorted(named, key=lambda name: (name.rpartition(":")[0], -int(name.rpartition(":")[2])))


@dataclass(frozen=True)
class _Told:
    """What the pages of all models are made of. answers: to approvals, by their build."""

    index: Index
    deployments: Mapping[str, Sequence[Served]]
    answers: Mapping[str, Sequence[Entry]]
    accepted: Mapping[str, Sequence[acceptances.Accepted]]

    @classmethod
    def of(cls, entries: tuple[Entry, ...], accepted: Mapping[str, Sequence[acceptances.Accepted]]) -> _Told:
        """From a ledger, and the acceptances of each version."""
        deployed: dict[str, list[Served]] = {}
        for one in deployments_of(entries):
            deployed.setdefault(one.opened.after, []).append(one)
        answers: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.event.startswith(kinds.APPROVAL) and entry.event != kinds.APPROVAL_REQUESTED:
                answers.setdefault(entry.about_build, []).append(entry)
        return cls(Index(entries), deployed, answers, accepted)


def _model_pages(
    population: Population, links: Links, accepted: Iterable[acceptances.Accepted]
) -> Iterator[dict[str, Any]]:
    """What the page of each version shows."""
    told = _Told.of(population.chain.entries, acceptances.of_models(accepted))
    registered = {f"{one.name}:{one.version}": one for one in population.models}
    states = {one.model: one for one in population.candidates}
    for name in model_names(population):
        yield {
            "name": name,
            "anchor": f"model-{name.rpartition(':')[2]}",
            "registered": registered.get(name),
            "state": states.get(name),
            **_model_page(population, name, told, registered.get(name), links),
        }


def _model_page(
    population: Population, name: str, told: _Told, registered: ModelFacts | None, links: Links
) -> dict[str, Any]:
    events, deployed = told.index.of_model(name), told.deployments.get(name, ())
    accepted = told.accepted.get(name, ())
    decisions = _decisions(population, [*events, *(one.decided for one in accepted)], registered)
    moves = [entry for entry in events if entry.event.startswith((kinds.APPROVAL, "candidate."))]
    builds = {*(one.about_build for one in moves), *(one.opened.build_id for one in deployed)}
    answers = [entry for build in builds for entry in told.answers.get(build, ())]
    answers += [entry for one in accepted for entry in one.answers]
    return {
        "facts": _facts(registered),
        "decisions": decisions,
        "documents": _documents(events, decisions, links),
        "approvals": sorted({entry.sequence: entry for entry in (*moves, *answers)}.values(), key=_happened),
        "deployments": deployed,
        "data": [entry for entry in events if entry.event.startswith("data.")],
    }


def _happened(entry: Entry) -> tuple[str, int]:
    """Return the time of an event in UTC, which may be long before its entry was written."""
    return verifier.happened(entry.details, entry.when), entry.sequence


def _decisions(
    population: Population, events: Iterable[Entry], registered: ModelFacts | None
) -> dict[str, DecisionFacts | None]:
    """The decisions about a version by their hashes, the first one first; None for one that could not be read.

    The gate may have accepted the same bytes more than once, each time with other values.
    """
    own = registered.properties.get("decision_sha256", "") if registered else ""
    told = ("decision_sha256", APPROVED_DECISION)
    named = [own, *(entry.evidence.get(name, "") for entry in events for name in told)]
    return {sha256: population.decisions.get(sha256) for sha256 in filter(None, named)}


_FACTS = {
    "model_sha256": "SHA-256 of the model file",
    "run_id": "training run",
    "recipe": "recipe",
    "cutoff": "last day of its data",
    "data_version": "data version",
    "data_sha256": "SHA-256 of the data",
    "commit": "commit that trained it",
    "build_id": "build that trained it",
    "reason": "training was requested because",
}
"""What a page says of a registered version, by property."""


def _facts(registered: ModelFacts | None) -> list[tuple[str, str]]:
    properties = registered.properties if registered else {}
    return [(words, str(properties.get(name, "unknown"))) for name, words in _FACTS.items()]


def _documents(events: Iterable[Entry], decisions: Iterable[str], links: Links) -> list[tuple[str, str, str]]:
    """Kind, hash and file of each document of a version; an empty file: the export does not hold it."""
    told = {("decision_sha256", sha256) for sha256 in decisions}
    for entry in events:
        told |= {(name, sha256) for name, sha256 in entry.evidence.items() if name in verifier.EVIDENCE}
    return [(name.removesuffix("_sha256"), sha256, _file_of(sha256, name, links)) for name, sha256 in sorted(told)]


def _file_of(sha256: str, name: str, links: Links) -> str:
    return f"{verifier.SCORING}{sha256}/" if name == "scoring_sha256" else links.get(sha256, "")
