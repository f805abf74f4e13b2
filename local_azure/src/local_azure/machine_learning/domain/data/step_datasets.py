"""What steps read and write, as datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local_azure.machine_learning.domain.data import dataset_paths, datasets, output_tables
from local_azure.machine_learning.domain.data.datastores import foreign_container, local_path, readable_path
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, not_implemented
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store
from local_azure.machine_learning.storage.web_files import name_parts

_WEB_ORIGIN = "https%3A/%2F"  # what stands in front of the host in the names that the SDK's engine gives


def resolve_saved_id(store: Store, workspace: Workspace, reference: Document) -> str:
    """Saved dataset of a `DataSetDefinitionValue`: {"DataSetReference": {Id, Version}} or {"SavedDataSetReference"}.

    Without a version the latest one counts at this moment. Raises a 404 for what is not there.
    """
    saved, registered = reference.get("SavedDataSetReference"), reference.get("DataSetReference")
    if saved:
        return str(datasets.require_saved(store, workspace.id, saved["Id"])["id"])
    if not registered:
        raise not_implemented(f"a dataset input given as {', '.join(reference) or 'nothing'}")
    name = datasets.name_of(store, workspace.id, registered["Id"])
    version = datasets.require_version(store, workspace.id, name, registered.get("Version"))
    return str(version["savedDatasetId"])


def data_root(store: Store, files: BlobFiles, workspace: Workspace, saved_id: str) -> tuple[str, Path]:
    """Return where a dataset is, for people, and its folder or file up to its first wildcard."""
    source = dataset_paths.single_source(workspace, datasets.require_saved(store, workspace.id, saved_id))
    if source.address:
        return source.address, files.web.require(source.base)
    path = readable_path(store, files, workspace, source.datastore, source.base)
    return f"{source.datastore}/{source.base}", path


def data_files(store: Store, files: BlobFiles, workspace: Workspace, saved_id: str) -> dict[str, Path] | None:
    """Files by their name in the dataset, or None when the dataset is all of `data_root`."""
    found = dataset_paths.sources(workspace, datasets.require_saved(store, workspace.id, saved_id))
    if len(found) == 1 and found[0].is_whole:
        return None
    return dict(_selected_files(store, files, workspace, found))


def _selected_files(
    store: Store, files: BlobFiles, workspace: Workspace, sources: list[dataset_paths.Source]
) -> Iterator[tuple[str, Path]]:
    """(name in the dataset, file) of each file; names are those that `to_path` gives, without the leading slash.

    One path: relative to its `base`. Several: the datastore, or the web, and the whole path. Raises a 404 when there
    is no file.
    """
    empty = True
    for source in sources:
        for name, file in _files_below(store, files, workspace, source):
            if source.matches(name):
                empty = False
                inside = name.removeprefix(source.base).strip("/") or name.rpartition("/")[2]
                origin = _WEB_ORIGIN if source.address else f"{source.datastore}/"
                yield (inside if len(sources) == 1 else f"{origin}{name}"), file
    if empty:
        raise ApiError(404, "NotFound", f"No file matches {', '.join(source.pattern for source in sources)}.")


def _files_below(
    store: Store, files: BlobFiles, workspace: Workspace, source: dataset_paths.Source
) -> Iterator[tuple[str, Path]]:
    """(path, file) of each file at or below the `base` of a source."""
    container = "" if source.address else foreign_container(store, workspace, source.datastore)
    if container is None:
        root = local_path(store, files, workspace, source.datastore, "")
        yield from ((name, root / name) for name in files.names(root.name, source.base))
        return
    for name in files.web.below("/".join(filter(None, (container, *name_parts(source.base))))):
        yield name.removeprefix(f"{container}/"), files.web.require(name)


def register_output(
    store: Store,
    workspace: Workspace,
    name: str,
    datastore: str,
    relative: str,
    *,
    registration: Document | None = None,
) -> str:
    """Register a step's output folder (`register_on_complete`): a new version when the definition differs.

    registration: {"Description", "Tags", "AdditionalTransformations"}. Returns the id of the definition.
    """
    registration = registration or {}
    read = output_tables.reading([registration.get("AdditionalTransformations")])
    posted = {
        "name": name,
        "description": registration.get("Description"),
        "tags": registration.get("Tags"),
        "datasetType": read.kind,
        "latest": {"dataflow": dataset_paths.folder_dataflow(workspace, datastore, relative, read)},
    }
    return str(datasets.register(store, workspace.id, posted, keep=False)["savedDatasetId"])


def save_output(store: Store, workspace: Workspace, datastore: str, relative: str, wanted: list[str | None]) -> str:
    """Id of a saved dataset of a folder that a step wrote. wanted: its transformations, as the SDK sends them."""
    read = output_tables.reading(wanted)
    dataflow = dataset_paths.folder_dataflow(workspace, datastore, relative, read)
    return str(datasets.save(store, workspace.id, read.kind, dataflow, None)["id"])
