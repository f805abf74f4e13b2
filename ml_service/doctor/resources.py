"""What a workspace stands on: providers, storage, vault, registry, insights, room for container groups."""

from __future__ import annotations

from collections.abc import Iterator

from ml_service.doctor.finding import Finding, Place, Reader, Result, Unknown, resource_at
from ml_service.doctor.quota import enough
from ml_service.documents import Document, at, text_at

PROVIDERS = (
    "Microsoft.ContainerInstance",
    "Microsoft.ContainerRegistry",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.MachineLearningServices",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
)
"""As infra/deploy registers them."""
_RESOURCES, _STORAGE, _VAULT = "2021-04-01", "2023-05-01", "2023-07-01"
_REGISTRY, _ACI, _INSIGHTS = "2023-07-01", "2023-05-01", "2020-02-02"
_LEAST_SERVICE_CORES = 1
"""Of a web service while it is replaced: 0.5 for the old one and 0.5 for the new one."""


def check_providers(reader: Reader, place: Place) -> Iterator[Finding]:
    """Whether the resource providers are registered in the subscription."""
    base = f"/subscriptions/{place.subscription}/providers"
    missing = [name for name in PROVIDERS if not _is_registered(reader.read(f"{base}/{name}", _RESOURCES))]
    if missing:
        yield Finding(
            f"resource providers of subscription {place.subscription}",
            f"not registered: {', '.join(missing)}",
            "Registered",
            "\n".join(f"az provider register --namespace {name} --wait" for name in missing),
        )


def _is_registered(provider: Document | None) -> bool:
    return provider is not None and text_at(provider, "registrationState") == "Registered"


def check_state(place: Place, workspace: Document) -> Iterator[Finding]:
    """Whether the workspace is ready, and can be reached from where agents run."""
    check = f"{place.environment} workspace"
    state = at(workspace, "properties", "provisioningState")
    if state not in (None, "Succeeded"):
        yield Finding(
            check, f"it is {state}", "Succeeded", "wait while it is being made; where it has failed, infra/deploy"
        )
    kind = at(workspace, "kind")
    if kind not in (None, "Default"):
        yield Finding(
            check,
            f"it is a {kind}, which SDK v1 cannot use",
            "a workspace of the kind Default",
            f"name another workspace in {place.said_by}; infra/deploy creates it",
        )
    yield from _reached(
        check,
        workspace,
        f"az ml workspace update --name {place.workspace} --resource-group {place.resource_group} "
        "--public-network-access Enabled",
    )


def check_storage(reader: Reader, place: Place, workspace: Document) -> Iterator[Finding]:
    """Whether the storage account allows shared keys, which SDK v1 signs in to data stores with."""
    path = str(at(workspace, "properties", "storageAccount") or "")
    check, name = f"storage of the {place.environment} workspace", path.rpartition("/")[2]
    account = resource_at(reader, path, _STORAGE) if path else None
    if account is None:
        yield _gone(
            check, f"storage account {name or 'of no name'}", "its blobs with the portal, Recover deleted account"
        )
        return
    if at(account, "properties", "allowSharedKeyAccess") is False:
        yield Finding(
            check,
            f"storage account {name} forbids shared keys",
            "allowSharedKeyAccess: true, or datastores with a shared access signature",
            f"az storage account update --name {name} --allow-shared-key-access true;\n"
            "where a policy forbids that, give the default data store a signature (docs/production.md, One writer)",
        )
    if str(at(workspace, "properties", "systemDatastoresAuthMode")).lower() == "identity":
        yield Finding(
            check,
            "the workspace's data stores have no key: systemDatastoresAuthMode is identity",
            "AccessKey",
            f"az ml workspace update --name {place.workspace} --resource-group {place.resource_group} "
            "--system-datastores-auth-mode accesskey",
        )
    open_it = f"az storage account update --name {name} --public-network-access Enabled --default-action Allow"
    yield from _reached(check, account, open_it)


def check_vault(reader: Reader, place: Place, workspace: Document) -> Iterator[Finding]:
    """Whether the key vault is there: it keeps the keys of data stores."""
    path = str(at(workspace, "properties", "keyVault") or "")
    check, name = f"key vault of the {place.environment} workspace", path.rpartition("/")[2]
    vault = resource_at(reader, path, _VAULT) if path else None
    if vault is None:
        yield _gone(check, f"key vault {name or 'of no name'}", f"az keyvault recover --name {name}")
        return
    open_it = f"az keyvault update --name {name} --public-network-access Enabled --default-action Allow"
    yield from _reached(check, vault, open_it)


def check_registry(reader: Reader, place: Place, workspace: Document) -> Iterator[Result]:
    """Whether the registry's admin user is on: a container group pulls the image of a web service with it."""
    path = str(at(workspace, "properties", "containerRegistry") or "")
    check, name = f"container registry of the {place.environment} workspace", path.rpartition("/")[2]
    if not path:
        yield Unknown(check, "it is created with the first image")
        return
    registry = resource_at(reader, path, _REGISTRY)
    if registry is None:
        yield _gone(check, f"registry {name}", "infra/deploy creates it; images are built again")
        return
    if at(registry, "properties", "adminUserEnabled") is not True:
        yield Finding(
            check,
            f"the admin user of registry {name} is disabled",
            "enabled: Azure Container Instances pulls images with it",
            f"az acr update --name {name} --admin-enabled true",
        )
    yield from _reached(check, registry, f"az acr update --name {name} --public-network-enabled true")


def check_insights(reader: Reader, place: Place, workspace: Document) -> Iterator[Finding]:
    """Whether the workspace's Application Insights is there: a deployment asks for it."""
    path = str(at(workspace, "properties", "applicationInsights") or "")
    if path and resource_at(reader, path, _INSIGHTS) is None:
        check = f"insights of the {place.environment} workspace"
        yield _gone(check, f"Application Insights {path.rpartition('/')[2]}", "infra/deploy creates it")


def _gone(check: str, what: str, fix: str) -> Finding:
    return Finding(check, f"{what} does not exist any more", "what the workspace was created with", fix)


def _reached(check: str, document: Document, fix: str) -> Iterator[Finding]:
    """A finding where hosted agents and container groups, whose addresses change, are kept out."""
    rules = at(document, "properties", "networkAcls") or at(document, "properties", "networkRuleSet")
    is_off = str(at(document, "properties", "publicNetworkAccess")).lower() == "disabled"
    denies = str(at(rules, "defaultAction")).lower() == "deny"
    if is_off or denies:
        yield Finding(
            check,
            "its public network access is " + ("off" if is_off else "limited to some networks"),
            "open: hosted agents and container groups come from addresses that change",
            fix,
        )


def check_container_quota(reader: Reader, place: Place, location: str) -> Iterator[Result]:
    """Whether there is room for one more container group."""
    base = f"/subscriptions/{place.subscription}/providers/Microsoft.ContainerInstance/locations/{location}"
    usages = reader.listed(f"{base}/usages", _ACI)
    yield from enough(f"quota for container groups in {location}", usages, "StandardCores", _LEAST_SERVICE_CORES)
