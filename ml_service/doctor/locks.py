"""Locks of Azure Resource Manager that forbid what a release does: it replaces container groups and reads keys."""

from __future__ import annotations

from collections.abc import Iterator

from ml_service.doctor.finding import Finding, Place, Reader
from ml_service.documents import Document, at, text_at

_VERSION = "2016-09-01"
_LOCKS = "/providers/Microsoft.Authorization/locks"
_READ_ONLY = "readonly"
_USED = ("storageAccount", "keyVault", "containerRegistry", "applicationInsights")


def check_locks(reader: Reader, place: Place, workspace: Document) -> Iterator[Finding]:
    """A finding for each lock on the group, above it, or on a resource in it, that is in the way."""
    path = f"{place.group_path}{_LOCKS}"
    # The first list has those above the group, the second those below it.
    listed = (*reader.listed(path, _VERSION, {"$filter": "atScope()"}), *reader.listed(path, _VERSION))
    for lock in {text_at(one, "id").lower(): one for one in listed}.values():
        number, level = text_at(lock, "id"), text_at(lock, "properties", "level")
        scope = number.lower().partition(f"{_LOCKS.lower()}/")[0]
        if in_the_way := _consequence(place, workspace, scope, level.lower()):
            yield Finding(
                f"locks of resource group {place.resource_group}",
                f"lock {number.rpartition('/')[2]} ({level}) is on {in_the_way}",
                "locks that forbid to delete, on single resources, such as the workspace",
                f"az lock delete --ids {number}",
            )


def _consequence(place: Place, workspace: Document, scope: str, level: str) -> str:
    """Where a lock is and what cannot be done; empty where it is in nobody's way."""
    group = place.group_path.lower()
    if f"{group}/".startswith(f"{scope}/"):
        whole = "group" if scope == group else "subscription"
        return f"the whole {whole}: a web service cannot be replaced"
    resource = scope.rpartition("/")[2]
    if "/containergroups/" in scope:
        return f"container group {resource}: a web service cannot be replaced"
    used = {place.path.lower(), *(str(at(workspace, "properties", name)).lower() for name in _USED)}
    if level == _READ_ONLY and scope in used:
        return f"{resource}: nothing can be written there, and none of its keys be read"
    return ""
