"""The workspaces that one server holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Document, Store

# Shown with the workspace's tags wherever they are printed: what is made here is a rehearsal.
REHEARSAL_TAGS = {"evidence": "local rehearsal"}

_KIND = "workspace"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
_ALL = ""  # workspaces themselves belong to none


@dataclass(frozen=True)
class Workspace:
    """One workspace. `id` is a GUID that lives as long as the state folder: the SDK's caches are keyed by it."""

    id: str
    subscription: str
    resource_group: str
    name: str
    created: str
    tags: dict[str, str] = field(default_factory=dict)
    friendly_name: str = ""
    description: str = "Served by local_azure"

    @property
    def arm_id(self) -> str:
        """Resource id, the `W` of every route."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    @property
    def artifact_container(self) -> str:
        """Container of run artifacts, uploaded models and snapshots."""
        return f"azureml-{self.id}"

    @property
    def blobstore_container(self) -> str:
        """Container of the default datastore `workspaceblobstore`."""
        return f"azureml-blobstore-{self.id}"


def _workspace(document: Document) -> Workspace:
    """The workspace of a document, whatever keys it has besides."""
    return Workspace(**{one.name: document[one.name] for one in fields(Workspace) if one.name in document})


class Workspaces:
    """Reads and creates workspaces; names match whatever their case, as in ARM."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def _key(subscription: str, resource_group: str, name: str) -> str:
        return "/".join((subscription, resource_group, name)).lower()

    def get(self, subscription: str, resource_group: str, name: str) -> Workspace | None:
        """The workspace of these coordinates, or None."""
        found = self._store.get(_ALL, _KIND, self._key(subscription, resource_group, name))
        return _workspace(found) if found else None

    def ensure(self, subscription: str, resource_group: str, name: str) -> Workspace:
        """The workspace of these coordinates, created when absent; raises a 400 for a name that Azure refuses."""
        if not _NAME.fullmatch(name):
            raise bad_request(f"'{name}' is not a workspace name: 3 to 33 letters, digits, '-' and '_'.")
        with self._store.transaction():
            found = self.get(subscription, resource_group, name)
            if found:
                return found
            created = Workspace(new_id(), subscription, resource_group, name, timestamp(), dict(REHEARSAL_TAGS))
            key = self._key(subscription, resource_group, name)
            self._store.insert(_ALL, _KIND, key, created.__dict__)
            return created

    def update(self, workspace: Workspace, **changes: object) -> Workspace:
        """Change tags, friendly name or description; returns the workspace as it is then."""
        key = self._key(workspace.subscription, workspace.resource_group, workspace.name)
        return _workspace(self._store.update(_ALL, _KIND, key, lambda document: document.update(changes)))

    def all(self) -> list[Workspace]:
        """All workspaces, oldest first."""
        return [_workspace(doc) for doc in self._store.find(_ALL, _KIND)]

    def below(self, subscription: str, resource_group: str | None = None) -> list[Workspace]:
        """The workspaces of a subscription or of one of its resource groups."""
        found = [one for one in self.all() if one.subscription.lower() == subscription.lower()]
        if resource_group is None:
            return found
        return [one for one in found if one.resource_group.lower() == resource_group.lower()]
