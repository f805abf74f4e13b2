"""Environments: definitions with versions and labels. Nothing is installed and no image is built here.

A version never changes. Steps and services run in the interpreter of the project, whatever the definition says.
A stored record is {"definition", "labels", "built": time of the build that was asked for, or None}.
"""

from __future__ import annotations

import hashlib
import json

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.workspace import curated
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, conflict, not_found, not_implemented
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

_KIND = "environment_version"  # id: "name/version", parent: the name
AUTOSAVED = "Autosave_"  # of a definition that ran and that no one has registered; as the service names it
_UNNUMBERED = ("", "None", "Autosave_None")
_BUILD_LOG = (
    "local_azure builds no image: steps and web services run in the interpreter of the project.\n"
    "Whether the definition can be installed is proven by the real service only.\n"
)


def require_versions(store: Store, workspace: Workspace, name: str) -> list[Document]:
    """Records of a name, oldest first; raises a 404, and refuses a curated name that is unknown."""
    found = store.find(workspace.id, _KIND, parent=name)
    if not found and name.lower().startswith(curated.PREFIX):
        definition = curated.definition(name)
        if definition is None:
            raise not_implemented(
                f"the curated environment '{name}', whose name does not say what it holds: "
                "define your own from a conda or pip file"
            )
        return [{"definition": definition, "labels": [], "built": None}]
    if not found:
        raise not_found("Environment", name)
    return found


def require_version(store: Store, workspace: Workspace, name: str, version: str) -> Document:
    """Record of one version; raises a 404."""
    for record in require_versions(store, workspace, name):
        if record["definition"]["version"] == version:
            return record
    raise not_found("Environment", f"{name}:{version}")


def require_labelled(store: Store, workspace: Workspace, name: str, label: str) -> Document:
    """Record of the version with a label; `latest` is the newest one unless somebody has given it."""
    versions = require_versions(store, workspace, name)
    found = [record for record in versions if label in record["labels"]]
    if not found and label.lower() != "latest":
        raise not_found("Environment", f"{name} with label {label}")
    return found[-1] if found else require_latest(store, workspace, name)


def require_latest(store: Store, workspace: Workspace, name: str) -> Document:
    """Record of the newest version that somebody has registered; raises a 404."""
    registered = _registered(require_versions(store, workspace, name))
    if not registered:
        raise not_found("Environment", name, "It was used by a run, and never registered.")
    return registered[-1]


def _registered(records: list[Document]) -> list[Document]:
    return [record for record in records if not str(record["definition"]["version"]).startswith(AUTOSAVED)]


def latest_definitions(store: Store, workspace: Workspace) -> list[Document]:
    """Definition of the latest version of each environment."""
    latest = {
        record["definition"]["name"]: record["definition"] for record in _registered(store.find(workspace.id, _KIND))
    }
    return list(latest.values())


def register(store: Store, workspace: Workspace, name: str, version: str, definition: Document) -> Document:
    """Register a definition that has no version yet, and return it with its version.

    Without a number: the version that has this content, else the next number. Raises a 409 for other content.
    """
    if name.lower().startswith(curated.PREFIX):
        raise bad_request(f"'{name}': names that start with AzureML- are reserved for curated environments.")
    with store.transaction():
        known = [record["definition"] for record in _registered(store.find(workspace.id, _KIND, parent=name))]
        same = _same(name, version, definition, known)
        if same:
            return same
        definition = {**definition, "version": _next_number(known) if version in _UNNUMBERED else version}
        _save(store, workspace, {"definition": definition, "labels": [], "built": None})
    return definition


def version_that_ran(store: Store, workspace: Workspace, definition: Document) -> tuple[str, str] | None:
    """Name and version of the definition that a run uses, None for one without a name.

    The content decides, not the version that the client believes it has: it may have changed the definition since it
    got it, or never have registered it. What no one has registered is kept under a version of its own.
    """
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        return None
    if curated.is_unchanged(definition):
        return name, curated.VERSION
    content = _content(definition)
    with store.transaction():
        known = [record["definition"] for record in store.find(workspace.id, _KIND, parent=name)]
        equal = [existing for existing in known if _content(existing) == content]
        if equal:
            chosen = min(equal, key=lambda existing: _preference(existing, definition.get("version")))
            return name, str(chosen["version"])
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        version = f"{AUTOSAVED}{timestamp()}_{digest}"
        _save(store, workspace, {"definition": {**definition, "version": version}, "labels": [], "built": None})
    return name, version


def _preference(existing: Document, asked: object) -> int:
    """The version that the client names, then one that is registered, then one that was kept for an earlier run."""
    if existing["version"] == asked:
        return 0
    return 2 if str(existing["version"]).startswith(AUTOSAVED) else 1


def _content(definition: Document) -> str:
    """What a definition says, whatever its version and whichever keys are written although they are empty."""
    return json.dumps(_without_empty(_without_version(definition)), sort_keys=True)


def _without_empty(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: _without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, {}, [])}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _same(name: str, version: str, definition: Document, known: list[Document]) -> Document | None:
    """The registered version that a registration means, or None for a new one."""
    for existing in known:
        asked = version in _UNNUMBERED or existing["version"] == version
        if asked and _without_version(existing) == definition:
            return existing
        if existing["version"] == version:
            raise conflict(f"Environment '{name}:{version}' exists with another definition. Leave the version out.")
    return None


def _without_version(definition: Document) -> Document:
    return {key: value for key, value in definition.items() if key != "version"}


def _next_number(known: list[Document]) -> str:
    numbers = [int(existing["version"]) for existing in known if existing["version"].isdigit()]
    return str(max(numbers, default=0) + 1)


def set_labels(store: Store, workspace: Workspace, name: str, version: str, labels: list[str]) -> None:
    """Give labels to a version; another version that had one loses it. Raises a 404."""
    with store.transaction():
        require_version(store, workspace, name, version)
        for record in require_versions(store, workspace, name):
            kept = [label for label in record["labels"] if label not in labels]
            record["labels"] = kept + labels if record["definition"]["version"] == version else kept
            _save(store, workspace, record)


def build(store: Store, files: BlobFiles, workspace: Workspace, name: str, version: str) -> None:
    """Note that a build was asked for; its log says that nothing was built. Raises a 404."""
    record = require_version(store, workspace, name, version)
    with files.writing(files.path(workspace.artifact_container, build_log(name, version))) as stream:
        stream.write(_BUILD_LOG.encode())
    _save(store, workspace, {**record, "built": timestamp()})


def build_log(name: str, version: str) -> str:
    """Blob of the log of a build, in the artifact container."""
    return f"LocalBuilds/{name}/{version}/build.log"


def _save(store: Store, workspace: Workspace, record: Document) -> None:
    name, version = record["definition"]["name"], record["definition"]["version"]
    store.put(workspace.id, _KIND, f"{name}/{version}", record, parent=name)
