"""Azure Resource Manager, as far as the SDK asks it: subscriptions and workspaces.

SDK callers: `_get_all_subscription_ids`, `_commands.get_workspace`, `Workspace.list`.
"""

from __future__ import annotations

import datetime as dt

from local_azure.machine_learning.clock import zulu_time
from local_azure.machine_learning.domain.access.addresses import STORAGE_ACCOUNT, Addresses
from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.domain.access.tokens import TENANT, USER
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.engines.steps.executor import Executor
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


_SWITCHED_OFF = (
    "hbiWorkspace", "v1LegacyMode", "softDeleteEnabled", "storageHnsEnabled", "EnableSoftwareBillOfMaterials",
    "enableDataIsolation", "enableServiceSideCMKEncryption",
)  # fmt: skip
_CHANGES = Record(
    {
        "tags": TAGS,
        "properties": Record({"friendlyName": TEXT, "description": TEXT}),
    }
)


def _visible(call: Call, workspaces: Workspaces) -> list[Workspace]:
    """The workspaces that the caller may know of: a run its own one."""
    run = call.principal if call.principal and call.principal.scope == "run" else None
    return [workspace for workspace in workspaces.all() if run is None or workspace.id == run.workspace_id]


def _below(
    call: Call, workspaces: Workspaces, subscription: str, resource_group: str | None = None
) -> list[Workspace]:
    known = {workspace.id for workspace in _visible(call, workspaces)}
    return [workspace for workspace in workspaces.below(subscription, resource_group) if workspace.id in known]


def _document(addresses: Addresses, workspace: Workspace) -> Document:
    created = zulu_time(dt.datetime.fromisoformat(workspace.created))
    changed = {"At": created, "By": USER, "ByType": "User"}
    return {
        "id": workspace.arm_id,
        "name": workspace.name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": "local",
        "tags": workspace.tags,
        "etag": None,
        "properties": _properties(addresses, workspace, created),
        "identity": {"type": "SystemAssigned", "principalId": workspace.id, "tenantId": TENANT},
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "systemData": {
            f"{moment}{key}": value for moment in ("created", "lastModified") for key, value in changed.items()
        },
    }


def _properties(addresses: Addresses, workspace: Workspace, created: str) -> Document:
    """What the service says of a workspace; of what a laptop has not, the value that the service has for "none"."""
    providers = f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}/providers"
    return {
        **dict.fromkeys(("imageBuildCompute", "linkedModelInventoryArmId", "serverlessComputeSettings")),
        **dict.fromkeys(_SWITCHED_OFF, False),
        "friendlyName": workspace.friendly_name or workspace.name,
        "description": workspace.description,
        "creationTime": created,
        "workspaceId": workspace.id,
        "tenantId": TENANT,
        "provisioningState": "Succeeded",
        "discoveryUrl": f"{addresses.http}/discovery",
        "mlFlowTrackingUri": f"{addresses.http}/mlflow/v1.0{workspace.arm_id}",
        "storageAccount": f"{providers}/Microsoft.Storage/storageAccounts/{STORAGE_ACCOUNT}",
        "keyVault": f"{providers}/Microsoft.KeyVault/vaults/localkv",
        "applicationInsights": f"{providers}/Microsoft.insights/components/localinsights",
        "containerRegistry": None,
        "notebookInfo": None,
        "managedNetwork": {
            "changeableIsolationModes": ["AllowInternetOutbound", "AllowOnlyApprovedOutbound"],
            "isolationMode": "Disabled",
            "enableNetworkMonitor": False,
            "enableFirewallLog": False,
        },
        "publicNetworkAccess": "Enabled",
        "networkAcls": {"defaultAction": "Allow", "bypass": "", "ipRules": [], "resourceAccessRules": []},
        "ipAllowlist": [],
        "privateLinkCount": 0,
        "allowRoleAssignmentOnRG": True,
        "sdkTelemetryAppInsightsKey": None,
        "sasGetterUri": "",
        "systemDatastoresAuthMode": "accesskey",
    }


@PLANE.route("GET", "/subscriptions", access="own")
def subscriptions(call: Call, workspaces: Workspaces) -> Document:
    """Every subscription that a workspace of this server is in."""
    ids = sorted({workspace.subscription for workspace in _visible(call, workspaces)})
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
def provider(denials: Denials, *, subscription: str) -> Document:
    """Where workspaces can be: `Workspace.create` asks before it looks whether the workspace exists."""
    kinds = [{"resourceType": "workspaces", "locations": _LOCATIONS, "apiVersions": []}]
    name = "Microsoft.MachineLearningServices"
    state = "NotRegistered" if denials.value("provider") == name.lower() else "Registered"
    path = f"/subscriptions/{subscription}/providers/{name}"
    return {"id": path, "namespace": name, "registrationState": state, "resourceTypes": kinds}


@PLANE.route("GET", "/subscriptions/{subscription}/resourceGroups/{resource_group}", access="own")
def resource_group(call: Call, workspaces: Workspaces, *, subscription: str, resource_group: str) -> Document:
    """A resource group, which is there when a workspace is in it."""
    if not _below(call, workspaces, subscription, resource_group):
        raise not_found("Resource group", resource_group)
    group = f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
    properties = {"provisioningState": "Succeeded"}
    return {"id": group, "name": resource_group, "location": "local", "tags": {}, "properties": properties}


@PLANE.route("GET", "/subscriptions/{subscription}/resources", access="own")
def list_resources(call: Call, addresses: Addresses, workspaces: Workspaces, *, subscription: str) -> Document:
    """The resources of a subscription, all of them workspaces: `Workspace.list` without a resource group."""
    return {"value": [_document(addresses, workspace) for workspace in _below(call, workspaces, subscription)]}


@PLANE.route("GET", "{W}", access="any", recorded=True)
def get_workspace(call: Call, addresses: Addresses, executor: Executor, denials: Denials) -> Document:
    """One workspace; the first call of every client, which may submit steps next."""
    executor.prepare()
    document = _document(addresses, call.workspace)
    if denials.value("registry-admin") is not None:  # then there is a registry whose admin user is off
        group = f"/subscriptions/{call.workspace.subscription}/resourceGroups/{call.workspace.resource_group}"
        registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/localregistry"
        document["properties"]["containerRegistry"] = registry
    return document


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


@PLANE.route("GET", _PROVIDER + "/workspaces", access="own")
def list_workspaces(
    call: Call, addresses: Addresses, workspaces: Workspaces, *, subscription: str, resource_group: str
) -> Document:
    """The workspaces of a resource group."""
    found = _below(call, workspaces, subscription, resource_group)
    return {"value": [_document(addresses, workspace) for workspace in found]}
