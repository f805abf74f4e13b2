"""Azure Resource Manager, as far as the SDK asks it: subscriptions and workspaces.

SDK callers: `_get_all_subscription_ids`, `_commands.get_workspace`, `Workspace.list`.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.tokens import TENANT
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.errors import not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import TAGS, TEXT, Record
from local_azure.machine_learning.storage.store import Document

PLANE = Plane("Azure Resource Manager", access="user")
_UPDATED = {"friendlyName": "friendly_name", "description": "description"}
# Where a program may want a workspace to be; all of them are here.
_LOCATIONS = [
    "local", "eastus", "eastus2", "centralus", "northcentralus", "southcentralus", "westcentralus", "westus",
    "westus2", "westus3", "canadacentral", "canadaeast", "brazilsouth", "northeurope", "westeurope", "uksouth",
    "ukwest",
    "francecentral", "germanywestcentral", "norwayeast", "swedencentral", "switzerlandnorth", "italynorth",
    "polandcentral", "spaincentral", "eastasia", "southeastasia", "japaneast", "japanwest", "koreacentral",
    "australiaeast", "australiasoutheast", "centralindia", "southindia", "southafricanorth", "uaenorth",
    "qatarcentral",
]  # fmt: skip
_PROVIDER = (
    "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.MachineLearningServices"
)


_CHANGES = Record(
    {
        "tags": TAGS,
        "properties": Record({"friendlyName": TEXT, "description": TEXT}),
    }
)


def _document(addresses: Addresses, workspace: Workspace) -> Document:
    group = f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}"
    return {
        "id": workspace.arm_id,
        "name": workspace.name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": "local",
        "tags": workspace.tags,
        "sku": {"name": "Basic", "tier": "Basic"},
        "properties": {
            "friendlyName": workspace.friendly_name or workspace.name,
            "description": workspace.description,
            "creationTime": workspace.created,
            "workspaceId": workspace.id,
            "provisioningState": "Succeeded",
            "discoveryUrl": f"{addresses.http}/discovery",
            "hbiWorkspace": False,
            "storageAccount": f"{group}/providers/Microsoft.Storage/storageAccounts/localstore",
            "keyVault": f"{group}/providers/Microsoft.KeyVault/vaults/localkv",
        },
    }


@PLANE.route("GET", "/subscriptions")
def subscriptions(workspaces: Workspaces) -> Document:
    """Every subscription that a workspace of this server lies in."""
    ids = sorted({workspace.subscription for workspace in workspaces.all()})
    value = [
        {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            # The SDK shows this when a program asks for a workspace in another subscription.
            "displayName": "local_azure; `local_azure workspace create` adds a workspace in any subscription",
            "state": "Enabled",
            "tenantId": TENANT,
        }
        for subscription in ids
    ]
    return {"value": value}


@PLANE.route("GET", "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices")
def provider(*, subscription: str) -> Document:
    """Where workspaces can be: `Workspace.create` asks before it looks whether the workspace exists."""
    kinds = [{"resourceType": "workspaces", "locations": _LOCATIONS, "apiVersions": []}]
    name = "Microsoft.MachineLearningServices"
    return {"id": f"/subscriptions/{subscription}/providers/{name}", "namespace": name, "resourceTypes": kinds}


@PLANE.route("GET", "/subscriptions/{subscription}/resourceGroups/{resource_group}")
def resource_group(workspaces: Workspaces, *, subscription: str, resource_group: str) -> Document:
    """A resource group, which is there when a workspace is in it."""
    if not workspaces.below(subscription, resource_group):
        raise not_found("Resource group", resource_group)
    group = f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
    properties = {"provisioningState": "Succeeded"}
    return {"id": group, "name": resource_group, "location": "local", "tags": {}, "properties": properties}


@PLANE.route("GET", "/subscriptions/{subscription}/resources")
def list_resources(addresses: Addresses, workspaces: Workspaces, *, subscription: str) -> Document:
    """The resources of a subscription, all of them workspaces: `Workspace.list` without a resource group."""
    return {"value": [_document(addresses, workspace) for workspace in workspaces.below(subscription)]}


@PLANE.route("GET", "{W}")
def get_workspace(call: Call, addresses: Addresses) -> Document:
    """One workspace."""
    return _document(addresses, call.workspace)


@PLANE.route("PATCH", "{W}", body=_CHANGES)
def update_workspace(call: Call, addresses: Addresses, workspaces: Workspaces) -> Document:
    """`ws.update`: tags are replaced as a whole; unsupported properties fail with a named error."""
    posted = call.document()
    properties = {key: value for key, value in (posted.get("properties") or {}).items() if value is not None}
    changes = {_UPDATED[key]: properties.pop(key) for key in list(properties) if key in _UPDATED}
    if properties:
        raise not_implemented(f"the property '{min(properties)}' of a workspace")
    if posted.get("tags") is not None:
        changes["tags"] = posted["tags"]
    return _document(addresses, workspaces.update(call.workspace, **changes))


@PLANE.route("PUT", _PROVIDER + "/workspaces/{name}", evidence="assumed")
def create_workspace(
    addresses: Addresses, workspaces: Workspaces, *, subscription: str, resource_group: str, name: str
) -> Document:
    """Create a workspace; does nothing when it exists. Called by `local_azure workspace create`, not by the SDK."""
    return _document(addresses, workspaces.ensure(subscription, resource_group, name))


@PLANE.route("GET", _PROVIDER + "/workspaces")
def list_workspaces(
    addresses: Addresses, workspaces: Workspaces, *, subscription: str, resource_group: str
) -> Document:
    """The workspaces of a resource group."""
    found = workspaces.below(subscription, resource_group)
    return {"value": [_document(addresses, workspace) for workspace in found]}
