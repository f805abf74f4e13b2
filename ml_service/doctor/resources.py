"""What a workspace stands on: providers, storage, registry, cluster, quota."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ml_service.doctor.finding import Document, Finding, Place, Reader, Result, Unknown, at
from ml_service.doctor.rights import CREATE_COMPUTE, allows, permissions_at
from ml_service.settings.variables import Settings

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
_RESOURCES, _ML, _STORAGE, _REGISTRY, _ACI = "2021-04-01", "2024-04-01", "2023-05-01", "2023-07-01", "2023-05-01"
_LEAST_SERVICE_CORES = 1
"""Of a web service while it is replaced: 0.5 for the old one and 0.5 for the new one."""


def check_providers(reader: Reader, place: Place) -> Iterator[Finding]:
    """Whether the resource providers are registered in the subscription."""
    base = f"/subscriptions/{place.subscription}/providers"
    missing = [
        name
        for name in PROVIDERS
        if at(reader.read(f"{base}/{name}", _RESOURCES), "registrationState") != "Registered"
    ]
    if missing:
        yield Finding(
            f"resource providers of subscription {place.subscription}",
            f"not registered: {', '.join(missing)}",
            "Registered",
            "\n".join(f"az provider register --namespace {name} --wait" for name in missing),
        )


def check_storage(reader: Reader, place: Place, workspace: Document) -> Iterator[Finding]:
    """Whether the storage account allows shared keys, which SDK v1 signs in to data stores with."""
    path = str(at(workspace, "properties", "storageAccount") or "")
    account = reader.read(path, _STORAGE) if path else None
    if at(account, "properties", "allowSharedKeyAccess") is False:
        name = path.rpartition("/")[2]
        yield Finding(
            f"storage of the {place.environment} workspace",
            f"storage account {name} forbids shared keys",
            "allowSharedKeyAccess: true, or datastores with a shared access signature",
            f"az storage account update --name {name} --allow-shared-key-access true;\n"
            "where a policy forbids that, give the default data store a signature (docs/production.md, One writer)",
        )


def check_registry(reader: Reader, place: Place, workspace: Document) -> Iterator[Result]:
    """Whether the registry's admin user is on: a container group pulls the image of a web service with it."""
    path, name = str(at(workspace, "properties", "containerRegistry") or ""), "container registry"
    if not path:
        yield Unknown(f"{name} of the {place.environment} workspace", "it is created together with the first image")
        return
    registry = reader.read(path, _REGISTRY)
    if at(registry, "properties", "adminUserEnabled") is not True:
        yield Finding(
            f"{name} of the {place.environment} workspace",
            f"the admin user of registry {path.rpartition('/')[2]} is disabled",
            "on: Azure Container Instances pulls images with it",
            f"az acr update --name {path.rpartition('/')[2]} --admin-enabled true",
        )


def check_cluster(reader: Reader, place: Place, settings: Settings) -> Iterator[Finding]:
    """Whether the cluster is there, or may be created, and is what the settings say."""
    check = f"cluster {settings.compute_name}"
    found = reader.read(f"{place.path}/computes/{settings.compute_name}", _ML)
    if found is None:
        if not allows(permissions_at(reader, place.path), CREATE_COMPUTE):
            yield Finding(
                check,
                "it does not exist, and this identity has no permission to create it",
                "a cluster",
                "infra/deploy creates it",
            )
        return
    state, inner = at(found, "properties", "provisioningState"), at(found, "properties", "properties")
    size = str(at(inner, "vmSize") or "")
    if state not in (None, "Succeeded"):
        yield Finding(check, f"it is {state}", "Succeeded", "delete it in the studio, then infra/deploy")
    if size.lower() != settings.compute_vm_size.lower():
        yield Finding(
            check,
            f"its nodes are {size}",
            f"{settings.compute_vm_size} (COMPUTE_VM_SIZE)",
            "change variables.yml, or delete the cluster and run infra/deploy: the size of nodes is fixed",
        )
    if at(inner, "scaleSettings", "minNodeCount"):
        yield Finding(
            check,
            f"{at(inner, 'scaleSettings', 'minNodeCount')} nodes run all the time and cost money",
            "0 nodes when idle",
            f"az ml compute update --name {settings.compute_name} --min-instances 0",
        )


def check_cluster_quota(reader: Reader, place: Place, settings: Settings, location: str) -> Iterator[Result]:
    """Whether the quota of the VM family is enough for all nodes."""
    base = f"/subscriptions/{place.subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
    check, wanted = f"quota for {settings.compute_vm_size} in {location}", settings.compute_vm_size.lower()
    sizes = reader.read(f"{base}/vmSizes", _ML) or {}
    listed = at(sizes, "value") or at(sizes, "amlCompute") or ()
    size: Document = next((one for one in listed if str(at(one, "name")).lower() == wanted), {})
    if not size:
        yield Finding(
            check,
            "this size is not available in this region",
            "an available size",
            f"az ml compute list-sizes --location {location} names them; change COMPUTE_VM_SIZE",
        )
        return
    needed = int(at(size, "vCPUs") or 0) * settings.compute_max_nodes
    usages = reader.listed(f"{base}/usages", _ML)
    yield from _enough(check, usages, str(at(size, "family")), needed)


def check_container_quota(reader: Reader, place: Place, location: str) -> Iterator[Result]:
    """Whether there is room for one more container group."""
    base = f"/subscriptions/{place.subscription}/providers/Microsoft.ContainerInstance/locations/{location}"
    usages = reader.listed(f"{base}/usages", _ACI)
    yield from _enough(f"quota for container groups in {location}", usages, "StandardCores", _LEAST_SERVICE_CORES)


def _enough(check: str, usages: tuple[Document, ...], family: str, needed: int) -> Iterator[Result]:
    usage: Mapping[str, object] = next(
        (one for one in usages if str(at(one, "name", "value")).lower() == family.lower()), {}
    )
    if not usage:
        yield Unknown(check, f"Azure lists no usage of {family}")
        return
    left = int(str(at(usage, "limit"))) - int(str(at(usage, "currentValue")))
    if left < needed:
        yield Finding(
            check,
            f"{left} cores of {family} are left",
            f"{needed} cores",
            "request more: portal, Quotas, Increase; or choose another region or size, or fewer COMPUTE_MAX_NODES",
        )
