"""What an administrator looks at before the first release: rights, providers, quota, the resources of a workspace.

Callers: `python -m ml_service doctor` of a project, `az`. On a laptop everything is allowed and there is no quota, so
the answers are fixed; `--deny` changes them. Forms: learn.microsoft.com/rest/api (authorization, resources, storage,
container registry, Azure ML quotas, container instances).
"""

from __future__ import annotations

import uuid

from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.store import Document

PLANE = Plane("Administration", access="user")
_GROUP = "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers"
_SUBSCRIPTION = "/subscriptions/{subscription}/providers"
_CORES = 100
_ROLE = str(uuid.uuid5(uuid.NAMESPACE_DNS, "contributor.container-instances.local"))
_ALL: Document = {"notActions": [], "dataActions": [], "notDataActions": []}
_CONTAINER_GROUPS = ("Microsoft.ContainerInstance/containerGroups/*",)


@PLANE.route("GET", _SUBSCRIPTION + "/{namespace}", evidence="assumed")
def registration(denials: Denials, *, subscription: str, namespace: str) -> Document:
    """Whether a resource provider is registered."""
    is_missing = denials.value("provider") == namespace.lower()
    state = "NotRegistered" if is_missing else "Registered"
    path = f"/subscriptions/{subscription}/providers/{namespace}"
    return {"id": path, "namespace": namespace, "registrationState": state, "resourceTypes": []}


@PLANE.route("GET", "{W}/providers/Microsoft.Authorization/permissions", evidence="assumed")
def permissions(denials: Denials) -> Document:
    """What the caller may do in a workspace."""
    refused = {
        "list-keys": "Microsoft.MachineLearningServices/workspaces/services/aci/listkeys/action",
        "create-compute": "Microsoft.MachineLearningServices/workspaces/computes/write",
    }
    excluded = [action for rule, action in refused.items() if denials.value(rule) is not None]
    return {"value": [{**_ALL, "actions": ["*"], "notActions": excluded}]}


@PLANE.route("GET", _GROUP + "/Microsoft.Authorization/roleAssignments", evidence="assumed")
def role_assignments(denials: Denials, *, subscription: str, resource_group: str) -> Document:
    """The roles of an identity in a resource group: that of a workspace creates container groups."""
    if denials.value("container-groups") is not None:
        return {"value": []}
    scope = f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
    role = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{_ROLE}"
    return {"value": [{"properties": {"roleDefinitionId": role, "scope": scope}}]}


@PLANE.route("GET", _SUBSCRIPTION + "/Microsoft.Authorization/roleDefinitions/{role}", evidence="assumed")
def role_definition(*, subscription: str, role: str) -> Document:
    """What a role allows."""
    path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return {"id": path, "properties": {"permissions": [{**_ALL, "actions": list(_CONTAINER_GROUPS)}]}}


@PLANE.route("GET", _GROUP + "/Microsoft.Storage/storageAccounts/{name}", evidence="assumed")
def storage_account(denials: Denials, *, name: str) -> Document:
    """The storage account of the workspaces."""
    allowed = denials.value("shared-keys") is None
    return {"name": name, "location": "local", "properties": {"allowSharedKeyAccess": allowed}}


@PLANE.route("GET", _GROUP + "/Microsoft.KeyVault/vaults/{name}", evidence="assumed")
def key_vault(*, name: str) -> Document:
    """The key vault of the workspaces."""
    return {"name": name, "location": "local", "properties": {"provisioningState": "Succeeded"}}


@PLANE.route("GET", _GROUP + "/Microsoft.insights/components/{name}", evidence="assumed")
def insights(*, name: str) -> Document:
    """The Application Insights of the workspaces."""
    return {"name": name, "location": "local", "properties": {"provisioningState": "Succeeded"}}


@PLANE.route("GET", _GROUP + "/Microsoft.Authorization/locks", evidence="assumed")
def locks() -> Document:
    """Locks of a resource group; nobody has set any."""
    return {"value": []}


@PLANE.route("GET", _GROUP + "/Microsoft.ContainerRegistry/registries/{name}", evidence="assumed")
def registry(denials: Denials, *, name: str) -> Document:
    """The container registry of the workspaces."""
    enabled = denials.value("registry-admin") is None
    return {"name": name, "location": "local", "properties": {"adminUserEnabled": enabled}}


@PLANE.route(
    "GET",
    _SUBSCRIPTION + "/Microsoft.MachineLearningServices/locations/{location}/usages",
    evidence="assumed",
)
def cluster_usage(denials: Denials) -> Document:
    """Cores of clusters that are used and allowed, by family."""
    return {"value": [_usage("local", denials)]}


@PLANE.route("GET", _SUBSCRIPTION + "/Microsoft.ContainerInstance/locations/{location}/usages", evidence="assumed")
def container_usage(denials: Denials) -> Document:
    """Cores of container groups that are used and allowed."""
    return {"value": [_usage("StandardCores", denials)]}


def _usage(name: str, denials: Denials) -> Document:
    used = _CORES if denials.value("quota") is not None else 0
    return {"name": {"value": name, "localizedValue": name}, "unit": "Count", "currentValue": used, "limit": _CORES}
