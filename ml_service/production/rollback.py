"""`rollback`: restore an earlier deployment of production, as a new deployment with its own record."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ml_service.errors import CheckFailedError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.candidates.recording import Desk, settle, try_to
from ml_service.production.chain.deployments import withdrawn
from ml_service.production.chain.entry import NONE
from ml_service.production.deployment import deploy_to_production, pointers, withdraw
from ml_service.production.evidence import demand_evidence, production_model
from ml_service.production.ledger import Record
from ml_service.production.live import demand_recorded_code, demand_unchanged, facts_of_take_over, is_as_recorded
from ml_service.production.recording import Recorder, build_facts
from ml_service.production.site import Serving, Site, before_id, is_settled, last_good, serving
from ml_service.production.writer import writing
from ml_service.training.smoke import demand_same_forecast

PREVIOUS, BEFORE_THIS_BUILD = "previous", "before-this-build"


@dataclass(frozen=True)
class RolledBack:
    """What serves after a rollback."""

    to: str
    """`name:version`, or `none` when the service was taken away."""
    before: str
    """`name:version` that served until then, or `none`."""
    deployment: str
    """Id of the record, of a first release the one that broke off; empty when nothing had to be done."""
    url: str
    scoring_sha256: str = ""
    keys: str = ""
    """What became of the service's keys; empty when nothing was deployed."""


def rollback(site: Site, desk: Desk, to: str) -> RolledBack:
    """Go back to a version number, to `previous`, or to what served `before-this-build`.

    The last is for the failure hook of a release: it does nothing when the release has undone itself, or was refused
    before this build had begun to deploy anything.
    Raises: CheckFailedError (nothing to restore, or its hash does not verify; production is untouched),
    ConflictError (another process is at work), FaultError.
    """
    with writing(site, f"{ledger.ROLLBACK} to {to}") as recorder:
        result = _rollback(recorder, to)
    try_to(settle, desk)
    return result


def _rollback(recorder: Recorder, to: str) -> RolledBack:
    site = recorder.site
    known = recorder.here
    now = serving(site, known)
    before = now.record.content.model if now else NONE
    if to == BEFORE_THIS_BUILD and not _of_build(known, site.build.build_id):
        return RolledBack(to=before, before=before, deployment="", url=now.service.url if now else "")
    demand_unchanged(site, known, now)
    target = target_of(known, now.record if now else None, to, site.build.build_id)
    if target is not None and to == PREVIOUS:
        demand_not_left(known, target)
    if target is None:
        closed = _withdraw_unfinished(recorder, known, now)
        return RolledBack(to=NONE, before=before, deployment=closed, url="")
    if now is not None and now.record.id == target.id and _serves_already(site, now, known):
        return RolledBack(to=target.content.model, before=before, deployment="", url=now.service.url)
    return _restore(recorder, target, now)


def _serves_already(site: Site, now: Serving, known: Sequence[Record]) -> bool:
    """Whether nothing is left to do. Raises: CheckFailedError when the live answers are not those of the record."""
    if not (is_settled(site, now, known) and is_as_recorded(site, known, now)):
        return False
    content = now.record.content
    _, stored = production_model(site, content)
    checked = demand_same_forecast(now.service, stored, stored.horizon, content.model)
    demand_recorded_code(now.service, content, checked.served)
    return True


def _restore(recorder: Recorder, target: Record, now: Serving | None) -> RolledBack:
    """Deploy what an earlier deployment served with, as a new deployment."""
    site, content = recorder.site, target.content
    before = now.record.content.model if now else NONE
    ledger.demand_intact(target)
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        # All is verified before anything is changed.
        scoring = ledger.fetch_scoring(target, Path(scratch))
        demand_evidence(site, target)
        facts = build_facts(ledger.ROLLBACK, site, before_id(now))
        facts |= {**of_target(target), **pointers(site, content), **facts_of_take_over(site, recorder.here)}
        record = recorder.begin(facts, before, content, scoring)
        service = deploy_to_production(recorder, record, scoring, last_good(recorder.here))
    return RolledBack(content.model, before, record.id, service.url, content.scoring_sha256, service.keys)


def of_target(target: Record) -> dict[str, str]:
    """What the record of a rollback takes over from the deployment that it restores."""
    taken = ("report_sha256", ledger.APPROVED_DECISION, ledger.APPROVED_RUN)
    return {"back_to": target.id, **{name: target.properties[name] for name in taken if target.properties.get(name)}}


def _withdraw_unfinished(recorder: Recorder, known: Sequence[Record], now: Serving | None) -> str:
    """Take away a first deployment that never passed its check; a good one is never deleted.

    Its record has been closed by then. Returns the id of this build's newest record, empty when there is none.
    """
    site = recorder.site
    if now is not None and now.record.state == ledger.SUCCEEDED:
        raise CheckFailedError(
            f"nothing served before this build in workspace {site.production.name}",
            found=f"{now.record.content.model} serves, and passed its check",
            todo="leave it, or delete the service by hand",
        )
    if now is not None:
        site.terminal.err(f"nothing served before this build: deleting service {now.service.name}")
        withdraw(site)
        recorder.append(withdrawn(now.record.opened, recorder.actor()))
    return _of_build(known, site.build.build_id)[0].id


def _of_build(known: Sequence[Record], build_id: str) -> list[Record]:
    """The deployments that a build has begun, the newest first."""
    return [record for record in known if record.properties["build_id"] == build_id]


def target_of(known: Sequence[Record], live: Record | None, to: str, build_id: str) -> Record | None:
    """The deployment to restore; None only for a build before which nothing served.

    known: deployments of the service, the newest first; live: the one that serves; to: a model version, the id of a
    deployment, or one of two words. Raises: CheckFailedError where there is no such deployment.
    """
    good = ledger.succeeded(known)
    if to == BEFORE_THIS_BUILD:
        return next((item for item in good if item.properties["build_id"] != build_id), None)
    if to == PREVIOUS:
        found = ledger.previous(known, live)
        if found is None:
            raise CheckFailedError(
                "there is nothing to roll back to: nothing else has served",
                found=f"now: {live.content.model if live else 'nothing'}",
                todo="release a version: python -m ml_service release --model-version NUMBER",
            )
        return found
    number = str(int(to)) if to.isdecimal() else ""
    found = next((item for item in good if to == item.id or number == item.content.model_version), None)
    if found is None:
        served = sorted({int(item.content.model_version) for item in good})
        wanted = f"version {number}" if number else f"deployment {to}"
        raise CheckFailedError(
            f"{wanted} has never served in production, so there is nothing to roll back to",
            expected=f"one of the versions {', '.join(map(str, served)) or '(none has)'}",
            todo="to deploy a version that has not served yet, use release",
        )
    return found


def demand_not_left(known: Sequence[Record], target: Record) -> None:
    """Refuse to restore, unnamed, what a rollback has replaced: whoever asks twice would get the bad version back.

    A pipeline names the deployment, because its card shows what happened to it. Raises: CheckFailedError.
    """
    left = ledger.left_by(known, target)
    if left is not None:
        raise CheckFailedError(
            f"the previous deployment, of {target.content.model}, was itself rolled back; nothing was changed",
            found=f"rolled back by {left.opened.who} at {left.started}: {left.why}",
            expected="a deployment that no rollback has replaced, or one that is named",
            todo="to go further back, name a version: python -m ml_service rollback --to NUMBER --reason TEXT;\n"
            f"to restore this one nevertheless: python -m ml_service rollback --to {target.id} --reason TEXT",
        )


def ending(result: RolledBack) -> tuple[str, str]:
    """What happened and what to do next, for the closing."""
    if result.to == NONE:
        return "nothing served before this build, and nothing serves now", "release a version that the gate accepts"
    if not result.deployment:
        return f"{result.to} serves already; nothing was changed", ""
    return (
        f"production was rolled back from {result.before} to {result.to}",
        "check it: python -m ml_service verify\nfind out why before you release once more",
    )


def show(terminal: Terminal, agent: Agent, site: Site, result: RolledBack) -> None:
    """Print from, to and the record."""
    if result.to == NONE:
        terminal.out("rollback   nothing served before this build, and nothing serves now")
        if result.deployment:
            terminal.out(f"record     run {result.deployment} is closed")
            agent.tag("withdrawn")
    elif not result.deployment:
        terminal.out(f"rollback   nothing to do: {result.to} serves")
    else:
        terminal.out(f"rollback   from {result.before} to {result.to}")
        terminal.out(f"           in {site.production.banner}")
        terminal.out(f"service    {site.settings.production_service_name} Healthy, {result.url}")
        terminal.out(f"           scoring {result.scoring_sha256[:12]}")
        terminal.out(f"keys       {result.keys}")
        terminal.out(f"champion   {result.to}")
        terminal.out(f"record     run {result.deployment} in experiment {ledger.experiment_name(site.settings)}")
        agent.tag("rolled-back")
    agent.outputs({"modelVersion": result.to.rpartition(":")[2], "deployment": result.deployment})
    terminal.document({**asdict(result), "workspace": site.production.name, "evidence": site.production.tags})
