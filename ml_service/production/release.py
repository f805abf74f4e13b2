"""`release`: deploy one model version of the training workspace to production, check and record it, or undo it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_ml.digests import file_sha256
from azure_ml.models import registration
from azure_ml.models.champion import find_champion
from azure_ml.models.versions import ModelVersion
from azure_ml.pipelines.runs import find_run
from azure_ml.workspace import Workspace
from forecasting.decision.blocks import ACCEPTED
from forecasting.decision.record import DECISION_FILE, DecisionRecord, read_decision
from forecasting.models.model_file import StoredModel
from ml_service.azure_devops.approvals import Status
from ml_service.errors import CheckFailedError, ConflictError, InvalidRequestError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.candidates.candidate import Candidate, State
from ml_service.production.candidates.reading import newest_pending, read_registry
from ml_service.production.candidates.recording import Desk, settle, try_to
from ml_service.production.candidates.releasing import demand_releasable
from ml_service.production.chain.entry import NONE
from ml_service.production.deployment import deploy_to_production, pointers
from ml_service.production.evidence import demand_evidence, report_facts
from ml_service.production.ledger import Content, Record
from ml_service.production.live import demand_recorded_code, demand_unchanged, facts_of_take_over, is_as_recorded
from ml_service.production.recording import Recorder, build_facts
from ml_service.production.site import Serving, Site, before_id, is_settled, last_good, serving
from ml_service.production.writer import writing
from ml_service.training import ownership
from ml_service.training.registered import CHAMPION, FetchedModel, fetch_files, requested_model
from ml_service.training.runs.outcome import read_outcome
from ml_service.training.smoke import demand_same_forecast
from ml_service.training.snapshots import Scoring, assemble_scoring

PENDING = "pending"
_COPIED = ("data_sha256", "data_version", "recipe", "cutoff", "problem", "commit", "build_id", "run_id", "reason")
"""Properties of the training workspace's version that its copy carries too."""
_COPIED_TAGS = ("problem", "recipe", "error", "override_by", "override_reason")


@dataclass(frozen=True)
class Released:
    """What serves after a release."""

    deployment: str
    content: Content
    service: str
    url: str
    before: str
    """`name:version` that served until then, or `none`."""
    already: bool
    """True when exactly this served before, and nothing was changed."""
    decision_sha256: str
    """Of the decision that accepted it."""
    keys: str = ""
    """What became of the service's keys; empty when nothing was deployed."""


def release(site: Site, desk: Desk, version: str, approved_decision: str = "") -> Released:
    """Deploy the model version `version` (a number, or one of the words champion and pending) to production.

    approved_decision: SHA-256 of the decision on the card that was approved; empty: the latest accepting one.
    Raises: InvalidRequestError (no such version), ConflictError (another problem's, another decision, or another
    process is at work), CheckFailedError (hash, decision, candidate or check), FaultError; a check that fails has
    been undone by then.
    """
    try_to(settle, desk)
    with writing(site, f"{ledger.RELEASE} of version {version}") as recorder:
        registry = read_registry(site.training, site.settings)
        candidates = registry.candidates(recorder.entries, desk.ask)
        model = _requested_model(site, version, candidates)
        owned = ownership.Claim(f"model {model.name}", "MODEL_NAME", ownership.owner_of_model(model))
        ownership.demand([owned], site.problem, site.settings)
        candidate = next((one for one in candidates if one.version == model.version), None)
        candidate = candidate if version != CHAMPION else None
        chosen = _Chosen(model, candidate, approved_decision, _approval_facts(site, desk))
        with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
            released = _release(recorder, chosen, Path(scratch))
    try_to(settle, desk)
    return released


@dataclass(frozen=True)
class _Chosen:
    """The version to release, and what is recorded about the choice."""

    model: ModelVersion
    candidate: Candidate | None
    """None for the champion, and for a version that other code registered."""
    approved_decision: str
    """SHA-256; empty: the latest accepting decision."""
    approval: Mapping[str, str]
    """Who approved it, for the record; empty if unknown."""


def _approval_facts(site: Site, desk: Desk) -> dict[str, str]:
    """Read who approved the stage that runs this release; empty if that is unknown."""
    approval = desk.ask(site.build.build_id, site.settings.system_stagename)
    if approval is None or approval.status is not Status.APPROVED:
        return {}
    return {
        "approver": approval.person,
        **({"approval_comment": approval.comment} if approval.comment else {}),
    }


def _release(recorder: Recorder, chosen: _Chosen, scratch: Path) -> Released:
    site, model = recorder.site, chosen.model
    files = fetch_files(model, scratch / "model")
    decision = demand_accepted(site.training, site.problem, model, files, chosen.candidate)
    demand_approved(decision, chosen.approved_decision, model.label)
    if chosen.candidate is not None:
        demand_releasable(chosen.candidate, site.reason, in_pipeline=bool(site.settings.tf_build))
    scoring = assemble_scoring(scratch / "deployment")
    known = recorder.here
    now = serving(site, known)
    demand_unchanged(site, known, now)
    content = content_of(model, scoring, _production_copy(site, model, files.path))
    before = now.record.content.model if now else NONE
    if now is not None and _serves_already(site, now, known, content):
        return _checked_again(site, now, files.stored)
    facts = {
        **build_facts(ledger.RELEASE, site, before_id(now)),
        **chosen.approval,
        **report_facts(files.path),
        ledger.APPROVED_DECISION: decision.sha256,
        ledger.APPROVED_RUN: decision.context.run_id,
        **pointers(site, content),
        **facts_of_take_over(site, known),
    }
    record = recorder.begin(facts, before, content, scoring)
    service = deploy_to_production(recorder, record, scoring, last_good(known))
    return Released(
        record.id,
        content,
        service.name,
        service.url,
        before,
        already=False,
        decision_sha256=decision.sha256,
        keys=service.keys,
    )


def _checked_again(site: Site, now: Serving, stored: StoredModel) -> Released:
    """Check evidence and answers of what already serves. Raises: CheckFailedError."""
    content, service = now.record.content, now.service
    demand_evidence(site, now.record)
    checked = demand_same_forecast(service, stored, stored.horizon, content.model)
    demand_recorded_code(service, content, checked.served)
    return Released(
        now.record.id,
        content,
        service.name,
        service.url,
        content.model,
        already=True,
        decision_sha256=now.record.judged[1],
    )


def _serves_already(site: Site, now: Serving, known: Sequence[Record], content: Content) -> bool:
    """Whether nothing is left to do; an interrupted release is repeated."""
    return now.record.content == content and is_settled(site, now, known) and is_as_recorded(site, known, now)


def accepted_by(site: Site, run_id: str) -> str:
    """Read the version that a pipeline run has registered.

    Raises: InvalidRequestError (no such run), CheckFailedError (it has registered none).
    """
    run = find_run(site.training, run_id)
    if run is None:
        raise InvalidRequestError(f"run {run_id} cannot be read in workspace {site.training.name}")
    outcome = read_outcome(site.training, run, site.settings.model_name)
    if outcome.model is None:
        raise CheckFailedError(
            f"run {run_id} has no model to release",
            found=f"outcome {outcome.outcome or 'none'}",
            expected=ACCEPTED,
            todo="nothing: the outcome `kept` is normal and there is nothing to release",
        )
    return str(outcome.model.version)


def demand_accepted(
    training: Workspace, problem: str, model: ModelVersion, files: FetchedModel, candidate: Candidate | None
) -> DecisionRecord:
    """Return the latest accepting decision, if the version may still be released by it. Raises: CheckFailedError.

    candidate: the version's state in the ledger; None if it is not needed, as for the champion.
    """
    registered = _demand_decision(training, model, files.path, files.stored)
    decision = _latest_decision(training, model, candidate, registered)
    _demand_current(training, problem, model, decision)
    return decision


def demand_approved(decision: DecisionRecord, approved: str, label: str) -> None:
    """Refuse a version whose latest accepting decision is not the approved one: nobody has approved that decision.

    approved: SHA-256 of the decision that was approved; empty: any. Raises: ConflictError.
    """
    if approved in ("", decision.sha256):
        return
    raise ConflictError(
        f"model {label} is not released: the decision that accepts it is not the one that was approved",
        found=f"decision sha256 {decision.sha256}, of run {decision.context.run_id}",
        expected=f"decision sha256 {approved}, which was approved",
        todo="read the report of that run and approve the build that requests it; or release the version at a "
        "terminal:\npython -m ml_service release --pending",
    )


def _latest_decision(
    training: Workspace, model: ModelVersion, candidate: Candidate | None, registered: DecisionRecord
) -> DecisionRecord:
    """Return the decision of the latest run in which the gate accepted these bytes; they are registered once.

    Raises: CheckFailedError where that run no longer has it, FaultError where its decision was changed.
    """
    if candidate is None or candidate.run_id in ("", model.properties.get("run_id")):
        return registered
    run = find_run(training, candidate.run_id)
    decision = read_outcome(training, run, model.name).decision if run else None
    if decision is None or decision.verdict.outcome != ACCEPTED:
        raise CheckFailedError(
            f"the last decision that accepted model {model.label} no longer exists",
            found=f"run {candidate.run_id} has none, or is gone",
            expected="the run that the ledger names, with its decision record",
            todo="find out who deleted it; train again: python -m ml_service run",
        )
    if decision.evidence.challenger.model_sha256 != model.sha256:
        raise CheckFailedError(f"run {candidate.run_id} has decided on other bytes than those of model {model.label}")
    return decision


def _requested_model(site: Site, version: str, candidates: Sequence[Candidate]) -> ModelVersion:
    if version != PENDING:
        return requested_model(site.training, site.settings, site.problem, version)
    found = newest_pending(site.training, candidates, site.terminal.out)
    if found is None:
        newest = next(iter(candidates), None)
        raise CheckFailedError(
            f"the problem {site.problem} has no candidate that may be released",
            found=f"{newest.model}: {newest.line}" if newest else "no candidate",
            expected=f"one that is {State.ACCEPTED} or {State.AWAITING}, and whose training has not failed",
            todo="list all candidates: python -m ml_service candidates list; or train: python -m ml_service run",
        )
    return requested_model(site.training, site.settings, site.problem, str(found.version))


def _demand_decision(training: Workspace, model: ModelVersion, folder: Path, stored: StoredModel) -> DecisionRecord:
    """Read the decision that accepted this very file.

    Raises: CheckFailedError when it is absent, changed or about another file.
    """
    name = model.label
    if not (folder / DECISION_FILE).is_file():
        raise CheckFailedError(
            f"model {name} has no decision record", todo="release a model that the gate has accepted"
        )
    decision = read_decision(folder, stored.sha256)
    recorded = {
        "the model": model.properties.get("decision_sha256"),
        "its run": _run_property(training, model.properties.get("run_id", ""), "decision_sha256"),
    }
    found = file_sha256(folder / DECISION_FILE)
    for who, sha256 in recorded.items():
        if sha256 != found:
            raise CheckFailedError(
                f"the decision record of model {name} is not the one that {who} names",
                found=f"sha256 {found}",
                expected=f"sha256 {sha256 or '(none recorded)'}",
                todo="do not release this version: train again",
            )
    if decision.verdict.outcome != ACCEPTED:
        raise CheckFailedError(
            f"the gate did not accept model {name}", found=decision.verdict.sentence, expected=ACCEPTED
        )
    return decision


def _run_property(training: Workspace, run_id: str, key: str) -> str:
    run = find_run(training, run_id) if run_id else None
    return run.read_properties().get(key, "") if run else ""


def _demand_current(training: Workspace, problem: str, model: ModelVersion, decision: DecisionRecord) -> None:
    """Refuse a version that was compared with another champion than today's: the comparison is out of date."""
    champion = find_champion(training, model.name, problem)
    today = str(champion.version) if champion else NONE
    compared = decision.context.champion
    then = (compared.version if compared else "") or NONE
    if today not in (then, str(model.version)):
        met = "no champion" if then == NONE else f"version {then}, which was champion then"
        rival = f"version {today}, which is champion by now" if champion else "no champion, because there is none now"
        raise CheckFailedError(
            f"version {model.version} of model {model.name} is superseded",
            found=f"the gate compared it with {met}",
            expected=f"a version that the gate compared with {rival}",
            todo="to release something newer, train again: python -m ml_service run, then release what it accepts;\n"
            "to restore a version that has served: python -m ml_service rollback --to NUMBER",
        )


def _production_copy(site: Site, model: ModelVersion, folder: Path) -> ModelVersion:
    """The copy of a model in the production workspace, made once, with its origin and all its identity."""
    origin = {
        "origin_workspace": site.training.name,
        "origin_version": str(model.version),
        "model_sha256": model.sha256,
    }
    earlier = registration.find_newest(site.production, model.name, origin)
    if earlier is not None:
        return earlier
    copied = {key: model.properties[key] for key in _COPIED if key in model.properties}
    site.terminal.err(f"copying {model.label} to workspace {site.production.name}")
    return registration.register(
        site.production,
        model.name,
        folder,
        tags={key: model.tags[key] for key in _COPIED_TAGS if key in model.tags},
        properties={**copied, **origin, "decision_sha256": model.properties["decision_sha256"]},
        description=model.description,
    )


def content_of(model: ModelVersion, scoring: Scoring, copy: ModelVersion | None = None) -> Content:
    """Describe what a deployment of a version consists of. copy: its version there; None before there is one."""
    return Content(
        model_name=model.name,
        model_version=str(model.version),
        production_version=str(copy.version) if copy else "",
        model_sha256=model.sha256,
        decision_sha256=model.properties["decision_sha256"],
        run_id=model.properties.get("run_id", ""),
        **scoring.hashes,
    )


def show(terminal: Terminal, agent: Agent, site: Site, result: Released) -> None:
    """Print what serves now and where; tell the build agent the version."""
    content = result.content
    did = "already served" if result.already else f"released (before: {result.before})"
    terminal.out(f"release    {content.model} {did}")
    terminal.out(f"           copy {content.model_name}:{content.production_version} in {site.production.banner}")
    terminal.out(f"           model sha256 {content.model_sha256[:12]}, decision {result.decision_sha256[:12]}")
    terminal.out(f"service    {result.service} Healthy, {result.url}")
    terminal.out(f"           scoring {content.scoring_sha256[:12]}, environment {content.environment_sha256[:12]}")
    if result.keys:
        terminal.out(f"keys       {result.keys}")
    terminal.out(f"champion   {content.model}")
    terminal.out(f"record     run {result.deployment} in experiment {ledger.experiment_name(site.settings)}")
    agent.outputs({"modelVersion": content.model_version, "deployment": result.deployment})
    agent.tag("released", f"{content.model_name}-{content.model_version}")
    terminal.document({**asdict(result), "workspace": site.production.name, "evidence": site.production.tags})
