"""What the live service says of itself, compared with what the ledger says of it.

Anyone who may deploy can replace the code of a service and keep its tags. Azure ML then reports another update time
and another image, and the scoring script reports another hash of its own folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from azure_ml.services import Service, find_service, image_sha256
from ml_service.errors import CheckFailedError, ConflictError
from ml_service.production import ledger
from ml_service.production.integrity import Difference, differences
from ml_service.production.ledger import Content, Record
from ml_service.production.site import Serving, Site, label

DEPLOYMENT, UPDATED, IMAGE = "service_deployment", "service_updated", "service_image_sha256"
"""What the end of a deployment records of the service that it leaves: whose it is, and how Azure ML reports it."""
CHANGED_BY_HAND = "changed_by_hand"
"""Fact of the record of a deployment that took a service over: when Azure ML last changed that service, UTC."""
SCORING, VERSION = "scoring_sha256", "version"
"""What a service's answers say of the code and the model version that answer."""


def facts_of_take_over(site: Site, known: Sequence[Record]) -> dict[str, str]:
    """What a record keeps of a service that it takes over: when it was last changed by hand; empty where none is."""
    service = find_service(site.production, site.settings.production_service_name) if site.take_over else None
    if service is None or not service.updated:
        return {}
    by_hand = ledger.find(known, label(service)) is None or changes(known, service)
    return {CHANGED_BY_HAND: service.updated} if by_hand else {}


def service_facts(service: Service) -> dict[str, str]:
    """What the ledger keeps of a service, to notice later that it was changed by hand."""
    return {DEPLOYMENT: label(service), UPDATED: service.updated, IMAGE: image_sha256(service)}


def changes(known: Sequence[Record], service: Service) -> list[Difference] | None:
    """What of a service is not as the last deployment left it; None where the ledger cannot tell.

    It cannot where an earlier version recorded nothing, or where a deployment that broke off or failed since may have
    changed the service. known: deployments of the service, the newest first.
    """
    uncertain = False
    for record in known:
        if UPDATED in record.told:
            recorded = {name: record.told.get(name) for name in (DEPLOYMENT, UPDATED, IMAGE)}
            found = differences(service_facts(service), recorded, "the ledger")
            return None if found and uncertain else found
        if record.state == ledger.SUCCEEDED:
            return None
        uncertain = uncertain or record.state != ledger.UNDONE
    return None


def demand_unchanged(site: Site, known: Sequence[Record], now: Serving | None) -> None:
    """Refuse to replace a service that was changed by hand, unless the site takes it over. Raises: ConflictError."""
    found = changes(known, now.service) if now else None
    if now is None or not found:
        return
    name = f"service {now.service.name} in workspace {site.production.name}"
    if site.take_over:
        site.terminal.err(f"taking over {name}, which was changed by hand: {'; '.join(map(str, found))}")
        return
    raise ConflictError(
        f"{name} was changed by hand since deployment {now.record.id}; nothing was changed here",
        found="\n".join(map(str, found)),
        expected="a service that only release and rollback change",
        todo="find out who changed it and why; to replace it: the same command with --take-over --reason TEXT",
    )


def is_as_recorded(site: Site, known: Sequence[Record], now: Serving) -> bool:
    """Whether the service is known to be as the last deployment left it, and is not to be taken over."""
    return not site.take_over and changes(known, now.service) == []


def demand_recorded_code(service: Service, content: Content, served: Mapping[str, Any]) -> bool:
    """Compare what the live answers say of their code and model with a deployment; False where they do not say.

    The scoring scripts of earlier versions report no hash. Raises: CheckFailedError.
    """
    if not served.get(SCORING):
        return False
    recorded = {SCORING: content.scoring_sha256, VERSION: content.model_version}
    if found := differences(served, recorded, "the record of its deployment"):
        raise CheckFailedError(
            f"service {service.name} runs other code than was deployed",
            found="\n".join(map(str, found)),
            expected=f"{content.model} with scoring folder sha256 {content.scoring_sha256}",
            todo="find out who changed it; to replace it: release or rollback with --take-over --reason TEXT",
        )
    return True
