"""The cluster that runs the steps: what it is, and whether there is room for its nodes."""

from __future__ import annotations

from collections.abc import Iterator

from ml_service.doctor.finding import Finding, Place, Reader, Result, resource_at
from ml_service.doctor.quota import enough
from ml_service.doctor.rights import CREATE_COMPUTE, allows, permissions_at
from ml_service.documents import Document, at, number_at, records_at, text_at
from ml_service.settings.variables import Settings

_ML = "2024-04-01"
_CHANGING = ("Creating", "Updating", "Resizing")


def check_cluster(reader: Reader, place: Place, settings: Settings) -> Iterator[Finding]:
    """Whether the cluster is there, or may be created, and is what the settings say."""
    check = f"cluster {settings.compute_name}"
    found = resource_at(reader, f"{place.path}/computes/{settings.compute_name}", _ML)
    if found is None:
        if not allows(permissions_at(reader, place.path), CREATE_COMPUTE):
            yield Finding(
                check,
                "it does not exist, and this identity has no permission to create it",
                "a cluster",
                "infra/deploy creates it",
            )
        return
    yield from _ready(check, found)
    yield from _as_set(check, at(found, "properties"), settings)


def _ready(check: str, cluster: Document) -> Iterator[Finding]:
    state = at(cluster, "properties", "provisioningState")
    if state in _CHANGING:
        yield Finding(check, f"it is {state}", "Succeeded", "wait a few minutes, then repeat the command")
    elif state not in (None, "Succeeded"):
        yield Finding(check, f"it is {state}", "Succeeded", "delete it in the studio, then infra/deploy")


def _as_set(check: str, properties: Document, settings: Settings) -> Iterator[Finding]:
    """What differs from the settings; size, kind and priority of a cluster are fixed when it is created."""
    inner, kind = at(properties, "properties"), at(properties, "computeType")
    if kind not in (None, "AmlCompute"):
        fix = "choose another COMPUTE_NAME, or delete it, then infra/deploy"
        yield Finding(check, f"it is a {kind}", "a cluster (AmlCompute)", fix)
        return
    size, scale = text_at(inner, "vmSize"), at(inner, "scaleSettings")
    if size.lower() != settings.compute_vm_size.lower():
        yield Finding(
            check,
            f"its nodes are {size}",
            f"{settings.compute_vm_size} (COMPUTE_VM_SIZE)",
            "change variables.yml, or delete the cluster and run infra/deploy: the size of nodes is fixed",
        )
    if str(at(inner, "vmPriority")).lower() == "lowpriority":
        fix = "delete the cluster and run infra/deploy"
        yield Finding(check, "Azure may take its nodes away during a run (LowPriority)", "Dedicated nodes", fix)
    if least := number_at(scale, "minNodeCount"):
        yield Finding(
            check,
            f"{least} nodes run all the time and cost money",
            "0 nodes when idle",
            f"az ml compute update --name {settings.compute_name} --min-instances 0",
        )
    most = number_at(scale, "maxNodeCount")
    if most < settings.compute_max_nodes:
        yield Finding(
            check,
            f"it never has more than {most} nodes",
            f"{settings.compute_max_nodes} (COMPUTE_MAX_NODES)",
            f"az ml compute update --name {settings.compute_name} --max-instances {settings.compute_max_nodes}",
        )


def check_cluster_quota(reader: Reader, place: Place, settings: Settings, location: str) -> Iterator[Result]:
    """Whether the quota of the VM family is enough for all nodes."""
    base = f"/subscriptions/{place.subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
    check, wanted = f"quota for {settings.compute_vm_size} in {location}", settings.compute_vm_size.lower()
    sizes = reader.read(f"{base}/vmSizes", _ML) or {}
    listed = records_at(sizes, "amlCompute" if at(sizes, "amlCompute") else "value")
    size: Document = next((one for one in listed if str(at(one, "name")).lower() == wanted), {})
    if not size:
        yield Finding(
            check,
            "this size is not available in this region",
            "a size of the list",
            f"az ml compute list-sizes --location {location} names them; change COMPUTE_VM_SIZE",
        )
        return
    needed = number_at(size, "vCPUs") * settings.compute_max_nodes
    usages = reader.listed(f"{base}/usages", _ML)
    yield from enough(check, usages, text_at(size, "family"), needed)
