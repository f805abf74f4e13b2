"""What the signed-in identity may do, by the actions of Azure's roles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from ml_service.doctor.finding import Finding, Place, Reader, resource_at
from ml_service.documents import Document, at, records_at, text_at, texts_at

_VERSION = "2022-04-01"
_WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
CREATE_COMPUTE = f"{_WORKSPACE}/computes/write"
CONTAINER_GROUPS = "Microsoft.ContainerInstance/containerGroups/write"
_READ = (f"{_WORKSPACE}/read", f"{_WORKSPACE}/experiments/runs/read", f"{_WORKSPACE}/models/read")
_WRITE = (
    f"{_WORKSPACE}/experiments/runs/write",
    f"{_WORKSPACE}/models/write",
    f"{_WORKSPACE}/metadata/artifacts/write",
    f"{_WORKSPACE}/environments/write",
    f"{_WORKSPACE}/environments/build/action",
)
_DEPLOY = (f"{_WORKSPACE}/services/aci/write", f"{_WORKSPACE}/services/aci/listkeys/action")
_TRAIN = (
    f"{_WORKSPACE}/datasets/registered/write",
    f"{_WORKSPACE}/experiments/runs/submit/action",
    f"{_WORKSPACE}/endpoints/pipelines/write",
    f"{_WORKSPACE}/metadata/snapshots/write",
)
NEEDED: Mapping[str, tuple[str, ...]] = {
    "training": (*_READ, *_WRITE, *_DEPLOY, *_TRAIN),
    "production": (*_READ, *_WRITE, *_DEPLOY),
}
"""By environment; learn.microsoft.com/azure/machine-learning/how-to-assign-roles names these actions."""


def allows(permissions: Iterable[Document], action: str) -> bool:
    """Whether some role of a list allows an action: its actions match, and none of its exceptions does."""
    return any(
        _matches(texts_at(one, "actions"), action) and not _matches(texts_at(one, "notActions"), action)
        for one in permissions
    )


def _matches(patterns: Iterable[str], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def permissions_at(reader: Reader, path: str) -> tuple[Document, ...]:
    """What the signed-in identity may do at an address."""
    return reader.listed(f"{path}/providers/Microsoft.Authorization/permissions", _VERSION)


def check_rights(reader: Reader, place: Place) -> Iterator[Finding]:
    """Whether the identity may do what a release does in this environment."""
    held = permissions_at(reader, place.path)
    missing = [action for action in NEEDED[place.environment] if not allows(held, action)]
    if missing:
        yield Finding(
            f"rights in the {place.environment} workspace",
            f"missing: {', '.join(missing)}",
            "the role AzureML Data Scientist on the workspace, or a role with these actions",
            f"az role assignment create --assignee IDENTITY --role 'AzureML Data Scientist' --scope {place.path};\n"
            "a new role takes up to an hour to work (infra/README.md, Who may do what)",
        )


def check_container_groups(reader: Reader, place: Place, workspace: Document) -> Iterator[Finding]:
    """Whether the workspace's own identity may create container groups, which no role of ours can do for it."""
    principals = _principals(workspace)
    for principal in principals:
        query = {"$filter": f"assignedTo('{principal}')"}
        path = f"{place.group_path}/providers/Microsoft.Authorization/roleAssignments"
        held = [one for one in reader.listed(path, _VERSION, query) if _is_for(one, place.group_path)]
        roles = {text_at(one, "properties", "roleDefinitionId") for one in held}
        definitions = [resource_at(reader, role, _VERSION) or {} for role in sorted(roles)]
        if any(allows(_permissions(one), CONTAINER_GROUPS) for one in definitions):
            return
    yield Finding(
        f"container groups of the {place.environment} workspace",
        f"no role of the workspace's identity allows {CONTAINER_GROUPS}",
        "the role Azure Container Instances Contributor Role on its resource group",
        f"az role assignment create --assignee-object-id {' or '.join(principals) or 'PRINCIPAL'} "
        "--assignee-principal-type ServicePrincipal --role 'Azure Container Instances Contributor Role' "
        f"--scope {place.group_path}",
    )


def _is_for(assignment: Document, group_path: str) -> bool:
    """Whether an assignment is about a whole group: Azure lists those of single resources in it, too."""
    scope = text_at(assignment, "properties", "scope").rstrip("/").lower()
    return f"{group_path.lower()}/".startswith(f"{scope}/")


def _permissions(definition: Document) -> tuple[Document, ...]:
    return records_at(definition, "properties", "permissions", may_lack=not definition)


def _principals(workspace: Document) -> list[str]:
    own, assigned = at(workspace, "identity", "principalId"), at(workspace, "identity", "userAssignedIdentities")
    identities = assigned.values() if isinstance(assigned, Mapping) else ()
    found = [own, *(at(one, "principalId") for one in identities)]
    return [str(one) for one in found if one]
