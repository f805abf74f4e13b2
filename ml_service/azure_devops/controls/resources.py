"""What pipelines deploy to and sign in with: environments, service connections, and which pipelines may use them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ml_service.azure_devops.controls.checks import Guarded, checks_of
from ml_service.azure_devops.controls.control import Control
from ml_service.azure_devops.controls.declared import Resource
from ml_service.azure_devops.controls.project import Project, shown
from ml_service.documents import Document, at, number_at, records_at, text_at

ENVIRONMENTS = "distributedtask/environments"
ENDPOINTS = "serviceendpoint/endpoints"
_FEDERATED = "WorkloadIdentityFederation"
_AZURE, _CLOUD = "azurerm", "AzureCloud"


@dataclass(frozen=True)
class Connection:
    """A service connection as the settings describe it."""

    name: str
    subscription: str
    client_id: str = ""
    """Of the identity that it signs in as; empty: not known yet, so no connection can be created."""
    tenant_id: str = ""


def environment_controls(project: Project, name: str, declared: Resource) -> Iterator[Control]:
    """An environment, its checks and its pipelines."""
    title, place = f"environment {name}", f"Pipelines > Environments > {name} > Approvals and checks"
    number = _environment(project, name)
    yield Control(
        title,
        "Pipelines > Environments",
        {"exists": "yes"},
        {"exists": "yes"} if number else None,
        partial(_create_environment, project, name),
        partial(_delete, project, f"{ENVIRONMENTS}/{number}") if number else None,
    )
    number = _environment(project, name)
    yield from checks_of(project, Guarded("environment", title, number, place), declared.checks)
    yield _permission(project, "environment", title, number, declared.pipelines)


def _environment(project: Project, name: str) -> str:
    """The id of an environment; empty where there is none."""
    listed = project.listed(ENVIRONMENTS, {"name": name}, preview=True)
    return next((text_at(one, "id") for one in listed if at(one, "name") == name), "")


def _create_environment(project: Project, name: str) -> None:
    project.send(
        "POST", ENVIRONMENTS, {"name": name, "description": "Created by infra/azure_devops.py"}, preview=True
    )


def _delete(project: Project, path: str) -> None:
    project.send("DELETE", path, None, preview=True)


def connection_controls(project: Project, connection: Connection, declared: Resource) -> Iterator[Control]:
    """A service connection, its checks and its pipelines."""
    title, place = f"connection {connection.name}", f"Project settings > Service connections > {connection.name}"
    expected = {"type": _AZURE, "cloud": _CLOUD, "authentication": _FEDERATED, "shared with projects": "no"}
    known = {
        "subscription": connection.subscription,
        "identity": connection.client_id,
        "tenant": connection.tenant_id,
    }
    expected |= {name: value.lower() for name, value in known.items() if value}
    found = _endpoint(project, connection.name)
    can_write = bool(connection.client_id and connection.tenant_id)
    yield Control(
        title,
        place,
        expected,
        _endpoint_facts(found) if found else None,
        partial(_write_endpoint, project, connection, found) if can_write else None,
        partial(_delete_endpoint, project, text_at(found, "id")) if found else None,
    )
    found = _endpoint(project, connection.name)
    number = text_at(found, "id") if found else ""
    if found:
        ready = {"ready": shown(at(found, "isReady")), "enabled": shown(not at(found, "isDisabled"))}
        verified = f"{place} > Edit > Verify and save"
        yield Control(f"state of {title}", verified, {"ready": "yes", "enabled": "yes"}, ready)
    guarded = Guarded("endpoint", title, number, f"{place} > Approvals and checks")
    yield from checks_of(project, guarded, declared.checks)
    yield _permission(project, "endpoint", title, number, declared.pipelines)


def others_control(project: Project, connections: Collection[Connection]) -> Control:
    """Connections to the same subscriptions that are not declared: a pipeline could deploy with one, unasked."""
    names, subscriptions = {one.name for one in connections}, {one.subscription.lower() for one in connections}
    others = [
        name
        for one in project.listed(ENDPOINTS)
        if (name := text_at(one, "name")) not in names and _reaches(one, subscriptions)
    ]
    place = "Project settings > Service connections"
    return Control("other connections to these subscriptions", place, {"names": "none"}, {"names": shown(others)})


def _reaches(document: Document, subscriptions: Collection[str]) -> bool:
    """Whether a connection may reach one of the subscriptions: a management group has any of them below it."""
    in_group = at(document, "data", "managementGroupId")
    return bool(in_group) or _lowered(document, "data", "subscriptionId") in subscriptions


def identities_control(project: Project, connections: Mapping[str, Connection]) -> Control:
    """Settings whose connections sign in as one identity: it has the rights of both, with no approval in between."""
    found: dict[str, list[str]] = {}
    for setting, connection in connections.items():
        if document := _endpoint(project, connection.name):
            found.setdefault(_identity(document), []).append(setting)
    shared = [" = ".join(settings) for identity, settings in found.items() if identity and len(settings) > 1]
    return Control(
        "identities of the connections",
        "variables.yml, infra/settings.yml",
        {"shared": "none"},
        {"shared": shown(shared)},
    )


def _identity(document: Document) -> str:
    return _lowered(document, "authorization", "parameters", "serviceprincipalid")


def _lowered(document: Document, *path: str) -> str:
    """An id, which Azure writes in either case."""
    return str(at(document, *path) or "").lower()


def _endpoint(project: Project, name: str) -> Document | None:
    listed = project.listed(ENDPOINTS, {"endpointNames": name})
    return next((one for one in listed if one.get("name") == name), None)


def _endpoint_facts(document: Document) -> Mapping[str, str]:
    projects = records_at(document, "serviceEndpointProjectReferences", may_lack=True)
    return {
        "type": shown(at(document, "type")),
        "cloud": shown(at(document, "data", "environment")),
        "authentication": shown(at(document, "authorization", "scheme")),
        "subscription": shown(_lowered(document, "data", "subscriptionId")),
        "shared with projects": shown(bool(at(document, "isShared")) or len(projects) > 1),
        "identity": shown(_identity(document)),
        "tenant": shown(_lowered(document, "authorization", "parameters", "tenantid")),
    }


def _write_endpoint(project: Project, connection: Connection, found: Document | None) -> None:
    reference = {"projectReference": {"id": project.project_id, "name": project.name}, "name": connection.name}
    body = {
        "name": connection.name,
        "type": _AZURE,
        "url": "https://management.azure.com/",
        "authorization": {
            "scheme": _FEDERATED,
            "parameters": {"tenantid": connection.tenant_id, "serviceprincipalid": connection.client_id},
        },
        "data": {
            "environment": _CLOUD,
            "scopeLevel": "Subscription",
            "subscriptionId": connection.subscription,
            "subscriptionName": connection.subscription,
            "creationMode": "Manual",
        },
        "isShared": False,
        "serviceEndpointProjectReferences": [reference],
    }
    if found:
        number = text_at(found, "id")
        project.send("PUT", f"{ENDPOINTS}/{number}", {**body, "id": number}, above=True)
    else:
        project.send("POST", ENDPOINTS, body, above=True)


def _delete_endpoint(project: Project, number: str) -> None:
    project.send("DELETE", f"{ENDPOINTS}/{number}", None, above=True)


def _permission(project: Project, kind: str, title: str, number: str, wanted: tuple[str, ...]) -> Control:
    """Which pipelines may use a resource without being asked."""
    expected = {"pipelines": shown(wanted)}
    place = "its page > ... > Security > Pipeline permissions"
    if not number:
        return Control(f"permissions of {title}", place, expected, None, is_part=True)
    path = f"pipelines/pipelinePermissions/{kind}/{number}"
    document = project.read(path, preview=True)
    listed = records_at(document, "pipelines", may_lack=True)
    allowed = {number_at(one, "id") for one in listed if at(one, "authorized")}
    is_open = bool(at(document, "allPipelines", "authorized"))
    found = {"pipelines": "every pipeline of the project" if is_open else shown(_names(project, allowed))}
    write = partial(_permit, project, path, wanted, allowed)
    return Control(f"permissions of {title}", place, expected, found, write)


def _names(project: Project, numbers: set[int]) -> list[str]:
    known = {number: name for name, number in project.pipelines.items()}
    return [known.get(number, f"unknown pipeline {number}") for number in numbers]


def _permit(project: Project, path: str, wanted: tuple[str, ...], allowed: set[int]) -> None:
    known = project.pipelines
    permitted = {known[name] for name in wanted if name in known}
    changes = [{"id": number, "authorized": number in permitted} for number in sorted(permitted | allowed)]
    body = {"pipelines": changes, "allPipelines": {"authorized": False, "authorizedBy": None, "authorizedOn": None}}
    project.send("PATCH", path, body, preview=True)
