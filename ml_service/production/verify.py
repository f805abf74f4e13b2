"""`verify`: do the live service of production, the record of its deployment and the champion agree?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from azure_ml.models.champion import find_champion
from azure_ml.services import ServiceState
from ml_service.errors import CheckFailedError, FaultError
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.evidence import demand_evidence
from ml_service.production.live import changes, demand_recorded_code
from ml_service.production.site import Site, known_deployments, serving
from ml_service.training import smoke

_ROLL_BACK = "see what happened: python -m ml_service history; to roll back: rollback --to previous"


class UnverifiedError(CheckFailedError):
    """Nothing differs, but the live code cannot be compared with its record."""


@dataclass(frozen=True)
class Verified:
    """Production as it is, proven."""

    model: str
    """`name:version` of the training workspace."""
    copy: str
    """`name:version` of the production workspace."""
    deployment: str
    event: str
    since: str
    service: ServiceState
    smoked: smoke.Smoked


def verify(site: Site, horizon: int) -> Verified:
    """Compare all three, and the live forecast with the model's own.

    Raises: FaultError (nothing serves), CheckFailedError (they disagree, or the live code cannot be compared).
    """
    known = known_deployments(site)
    now = serving(site, known)
    if now is None:
        raise FaultError(
            f"there is no service {site.settings.production_service_name} in workspace {site.production.name}",
            todo="release a version: python -m ml_service release --model-version NUMBER",
        )
    last = next(iter(ledger.succeeded(known)), None)
    if last is None or last.id != now.record.id:
        _disagree(now.service.name, now.record.id, f"{last.id if last else 'none'}, the last that succeeded")
    ledger.demand_intact(now.record)
    changed = changes(known, now.service)
    if changed:
        _disagree(f"service {now.service.name}", "\n".join(map(str, changed)), "changed by release and rollback only")
    content = now.record.content
    demand_evidence(site, now.record)
    smoked = smoke.smoke(site.production, site.settings.production_service_name, horizon)
    if smoked.model_sha256 != content.model_sha256:
        _disagree(f"the model of service {now.service.name}", smoked.model_sha256, content.model_sha256)
    champion = find_champion(site.training, content.model_name, site.problem)
    if champion is None or str(champion.version) != content.model_version:
        found = champion.version if champion else "none"
        _disagree(f"the champion of {site.problem}", f"version {found}", content.model)
    reports_code = demand_recorded_code(now.service, content, smoked.served)
    _demand_proof(now.service.name, has_facts=changed is not None, reports_code=reports_code)
    return Verified(
        model=content.model,
        copy=f"{content.model_name}:{content.production_version}",
        deployment=now.record.id,
        event=now.record.properties["event"],
        since=now.record.started[:19],
        service=now.service.state,
        smoked=smoked,
    )


def _demand_proof(service: str, *, has_facts: bool, reports_code: bool) -> None:
    """What nobody can compare is not verified. Raises: UnverifiedError."""
    missing = []
    if not has_facts:
        missing.append("the ledger does not have the update time and image that the service had after its deployment")
    if not reports_code:
        missing.append("its scoring script does not report the hash of its folder")
    if missing:
        raise UnverifiedError(
            f"the code of service {service} is unverified; everything else agrees with the ledger",
            found="\n".join(missing),
            expected="a deployment by this version of the scoring script and of the release",
            todo="redeploy it, which makes it verifiable: python -m ml_service release --model-version champion",
        )


def _disagree(what: str, found: str, expected: str) -> None:
    raise CheckFailedError(
        f"{what} is not what the deployment ledger says", found=found, expected=expected, todo=_ROLL_BACK
    )


def show(terminal: Terminal, site: Site, result: Verified) -> None:
    """Print what serves since when, and its forecast."""
    terminal.out(f"verified   {result.model} serves since {result.since}, by {result.event} {result.deployment}")
    terminal.out(f"           in {site.production.banner}; it is champion of {site.problem}")
    terminal.out(
        f"           {result.model} is its number in {site.training.name}; the copy in {site.production.name} is "
        f"registered as {result.copy}"
    )
    terminal.out(f"service    {result.service.line}")
    smoke.show(terminal, result.smoked, as_part=True)
    terminal.document({**asdict(result), "workspace": site.production.name, "evidence": site.production.tags})
