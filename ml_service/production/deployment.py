"""One deployment to production: what it changes, applied in order and undone in the same parts.

The parts are the service, the champion and the default of the pipeline endpoint. Each part undoes only what is this
deployment's: what somebody else has changed since stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from azure_ml.errors import ExplainedError
from azure_ml.models.champion import find_champion
from azure_ml.models.champion_move import make_champion, return_champion
from azure_ml.pipelines.published import ACTIVE, find_endpoint, find_published, set_default
from azure_ml.pipelines.runs import find_run
from azure_ml.sdk_errors import message_of
from azure_ml.services import Service, delete, deploy_service
from azure_ml.storage.leases import LeaseLostError
from ml_service.errors import CheckFailedError, ConflictError, FaultError, InterruptedByUserError, LiveCheckError
from ml_service.output.failures import explain
from ml_service.production import ledger
from ml_service.production.chain.entry import NONE
from ml_service.production.chain.store import UncertainError
from ml_service.production.evidence import production_model
from ml_service.production.ledger import Content, Record
from ml_service.production.live import demand_recorded_code, service_facts
from ml_service.production.recording import Recorder
from ml_service.production.site import Serving, Site, healthy, label, settled_service
from ml_service.training.smoke import demand_same_forecast
from ml_service.training.snapshots import Scoring

_STOPPED = (LeaseLostError, ConflictError, UncertainError)
"""After these nothing is undone: another process is at work, or the deployment may have succeeded."""
_PIPELINE_PROPERTY = "azureml.pipelineid"
"""Of a run that a published pipeline has made; the service sets it."""


@dataclass(frozen=True)
class Undone:
    """How undoing a deployment went."""

    failed: tuple[str, ...] = ()
    """What could not be restored, and why."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Of the service, where the deployment before was deployed again."""


@dataclass(frozen=True)
class Deployment:
    """What one record of the ledger changes in production."""

    site: Site
    record: Record
    before: Record | None
    """The deployment that serves until then and is restored by `undo`; None: nothing serves."""

    def apply(self, scoring: Scoring) -> Service:
        """Deploy and check the service, then move the endpoint's default and the champion."""
        site, content = self.site, self.record.content
        service = _deploy(site, self.record.id, content, scoring)
        _set_default(site, self.record.properties.get("endpoint_default", ""))
        version, because = int(content.model_version), f"deployment {self.record.id}"
        make_champion(site.training, content.model_name, version, site.problem, because)
        return service

    def undo(self) -> Undone:
        """Restore what was before, as far as it is ours that is live."""
        live, facts = settled_service(self.site), {}
        if live is not None and not self._is_ours(live):
            return Undone((f"another deployment is live ({label(live) or 'made by hand'}), so nothing was changed",))

        def undo_service() -> None:
            facts.update(self._undo_service(live))

        return Undone(tuple(_each(undo_service, self._undo_champion, self._undo_default)), facts)

    def undo_pointers(self) -> list[str]:
        """Restore the champion and the endpoint's default; returns what could not be restored."""
        return _each(self._undo_champion, self._undo_default)

    def _is_ours(self, live: Service) -> bool:
        """Whether what is live is this deployment, or what it found: then nobody else has deployed since."""
        ours = {self.record.id, self.record.before, self.before.id if self.before else NONE}
        return label(live) in ours

    def _undo_service(self, live: Service | None) -> dict[str, str]:
        """Returns the facts of the service where it was deployed again."""
        before = self.before
        if before is None:
            if live is not None:
                delete(live)
        elif live is None or label(live) != before.id or not healthy(Serving(live, before)):
            with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
                scoring = ledger.fetch_scoring(before, Path(scratch))
                return service_facts(_deploy(self.site, before.id, before.content, scoring))
        return {}

    def _undo_champion(self) -> None:
        content = self.record.content
        served = self.before.content.model_version if self.before else NONE
        before = self.record.properties.get("champion_if_undone", served)
        version, because = int(content.model_version), f"deployment {self.record.id} undone"
        return_champion(
            self.site.training, content.model_name, version, before, problem=self.site.problem, because=because
        )

    def _undo_default(self) -> None:
        ours, before = (
            self.record.properties.get(name, "") for name in ("endpoint_default", "endpoint_default_if_undone")
        )
        endpoint = find_endpoint(self.site.training, self.site.settings.pipeline_endpoint_name) if ours else None
        if endpoint is not None and endpoint.default_pipeline == ours and before in endpoint.versions:
            set_default(endpoint, before)


def deploy_to_production(recorder: Recorder, record: Record, scoring: Scoring, before: Record | None) -> Service:
    """Make one deployment and close its record, or undo all of it. Returns the service.

    before: the last deployment that succeeded; what fails is undone by restoring it.
    Raises: CheckFailedError (the check said no) or FaultError, after the undoing, and says how that went;
    LeaseLostError, ConflictError or UncertainError, and nothing was undone.
    """
    deployment = Deployment(recorder.site, record, before)
    try:
        service = deployment.apply(scoring)
        told = {
            "serves": record.content.model,
            "url": service.url,
            "champion_before": record.properties["champion_if_undone"],
            "check": "equal",
            "evidence": recorder.site.production.tags,
            **service_facts(service),
        }
        recorder.finish(record, ledger.SUCCEEDED, told)
    except _STOPPED:
        raise
    except (Exception, KeyboardInterrupt) as error:
        raise _undone(recorder, deployment, error) from error
    return service


def _undone(recorder: Recorder, deployment: Deployment, error: BaseException) -> ExplainedError:
    """Undo a deployment that went wrong and close its record; returns what to raise."""
    site, record, before = deployment.site, deployment.record, deployment.before
    site.training.calls()  # raises where the lease is lost: then another process decides what serves
    known = _explained(error, record)
    back = before.content.model if before else "no service, as before"
    site.terminal.err(f"{known.happened}\nrolling back to {back}")
    try:
        undone = deployment.undo()
    except LeaseLostError:
        raise
    except Exception as second:
        undone = Undone((message_of(second),))
    state, did, serves = ledger.UNDONE, f"rolled back automatically: {back}", back
    if undone.failed:
        state, serves = ledger.FAILED, "unknown"
        did = f"the rollback to {back} failed too: {'; '.join(undone.failed)}"
    told = {"serves": serves, "reason": str(known), "undo": did, "evidence": site.production.tags, **undone.facts}
    try:
        recorder.finish(record, state, told)
    except _STOPPED:
        raise
    except Exception as third:
        did += f"\n  its record could not be closed, the next release or rollback does it: {message_of(third)}"
    ended = type(known) if state == ledger.UNDONE else FaultError
    todo = f"{known.todo}; the record is run {record.id}".removeprefix("; ")
    happened = f"{known.happened}\n  {did}"
    return ended(happened, found=known.found, expected=known.expected, todo=todo, log=known.log)


def _explained(error: BaseException, record: Record) -> ExplainedError:
    happened = f"the deployment of {record.content.model} was interrupted"
    if isinstance(error, KeyboardInterrupt):
        return InterruptedByUserError(happened, found="interrupted by the user")
    return explain(error) or FaultError(happened, found=repr(error))


def _each(*parts: Callable[[], None]) -> list[str]:
    """Undo every part, also after one has failed; returns why those failed that did."""
    failed = []
    for part in parts:
        try:
            part()
        except LeaseLostError:
            raise
        except Exception as error:
            failed.append(message_of(error))
    return failed


def pointers(site: Site, content: Content) -> dict[str, str]:
    """Facts of a record: the champion before, and the default of the pipeline endpoint where that will be moved.

    A deployment of another model version makes the pipeline that trained it the endpoint's default: after a rollback
    the next training runs the code of what serves.
    """
    champion = find_champion(site.training, content.model_name, site.problem)
    facts = {"champion_if_undone": str(champion.version) if champion else NONE}
    run = find_run(site.training, content.run_id) if content.run_id else None
    pipeline = run.properties.get(_PIPELINE_PROPERTY, "") if run else ""
    if not pipeline or facts["champion_if_undone"] == content.model_version:
        return facts
    endpoint = find_endpoint(site.training, site.settings.pipeline_endpoint_name)
    if endpoint is None or pipeline not in endpoint.versions or endpoint.default_pipeline == pipeline:
        return facts
    published = find_published(site.training, pipeline)
    if published is None or published.status != ACTIVE:
        return facts
    return {**facts, "endpoint_default": pipeline, "endpoint_default_if_undone": endpoint.default_pipeline}


def _set_default(site: Site, pipeline: str) -> None:
    endpoint = find_endpoint(site.training, site.settings.pipeline_endpoint_name) if pipeline else None
    if endpoint is not None and pipeline in endpoint.versions:
        set_default(endpoint, pipeline)


def withdraw(site: Site) -> None:
    """Delete the service; does nothing when there is none."""
    live = settled_service(site)
    if live is not None:
        delete(live)


def _deploy(site: Site, deployment: str, content: Content, scoring: Scoring) -> Service:
    """Deploy and check. Raises: CheckFailedError, FaultError with the service's log."""
    name = site.settings.production_service_name
    registered, stored = production_model(site, content)
    site.terminal.err(f"deploying {content.model} to service {name} in workspace {site.production.name}")
    service = deploy_service(
        site.production,
        name,
        registered,
        scoring=scoring.folder,
        environment=scoring.environment,
        labels={**asdict(content), "deployment": deployment, "problem": site.problem},
        announce=site.terminal.err,
    )
    try:
        checked = demand_same_forecast(service, stored, stored.horizon, content.model)
        demand_recorded_code(service, content, checked.served)
    except CheckFailedError as error:
        raise LiveCheckError(
            error.happened, found=error.found, expected=error.expected, todo=error.todo, log=error.log
        ) from error
    steps = stored.model.calendar.count(stored.horizon)
    site.terminal.err(f"service {name} gives the model's own forecasts ({steps})")
    return service
