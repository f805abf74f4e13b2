"""The files of data versions in the default datastore."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path

from azure_ml.datasets import SHA256_TAG, DatasetVersion, find_by_hash, version_of
from azure_ml.digests import file_sha256
from azure_ml.errors import AzureMlError
from azure_ml.storage.blobs import Blobs, open_blobs
from azure_ml.workspace import Workspace

_MOST_FILES = 10


def path_of(name: str, sha256: str) -> str:
    """Folder of the default datastore that holds a version: the service reuses steps by a path, not by its bytes."""
    return f"datasets/{name}/{sha256}"


def find_stored(
    workspace: Workspace,
    blobs: Blobs,
    newest: DatasetVersion | None,
    sha256: str,
    seen: MutableMapping[int, DatasetVersion] | None = None,
) -> DatasetVersion | None:
    """The version that `register_file` has made of these bytes, however old it is; None when there is none.

    newest, seen: as `find_by_hash` takes them. One listing tells that bytes are new; versions are searched only where
    a file lies at the path of the bytes.
    """
    if newest is None or newest.sha256 == sha256:
        return newest
    if not blobs.listed(path_of(newest.name, sha256) + "/", _MOST_FILES):
        return None
    return find_by_hash(workspace, newest, sha256, seen)


def register_file(
    workspace: Workspace, name: str, file: Path, sha256: str, *, tags: Mapping[str, str], description: str
) -> DatasetVersion:
    """Upload a file of this hash to the default datastore and register it as a new version.

    A path that a broken attempt left behind is written again.
    """
    from azureml.core import Dataset

    datastore, path = workspace.sdk.get_default_datastore(), path_of(name, sha256)
    datastore.upload_files([str(file)], target_path=path, overwrite=True, show_progress=False)
    # validate=False: validation would read the blob back through the native data engine.
    dataset = Dataset.File.from_files(path=(datastore, path), validate=False)
    registered = dataset.register(
        workspace.sdk,
        name=name,
        description=description,
        tags={SHA256_TAG: sha256, **tags},
        create_new_version=True,
    )
    return version_of(registered)


def hash_files(workspace: Workspace, name: str, sha256: str, folder: Path) -> tuple[str, ...]:
    """Hashes of the files that lie where `register_file` puts a version of this hash: its own one, unless changed.

    folder: for one of them at a time. Raises: AzureMlError for more files than a version can have.
    """
    blobs = open_blobs(workspace)
    found, target = list[str](), folder / "file"
    for blob in blobs.listed(path_of(name, sha256) + "/", _MOST_FILES):
        if blobs.download(blob.name, str(blob.etag), target):
            found.append(file_sha256(target))
            target.unlink()
    return tuple(found)


def fetch_version(workspace: Workspace, version: DatasetVersion, folder: Path) -> Path:
    """Download the file of a version that `register_file` has registered, and check its hash.

    The SDK's own download needs its native data engine. Raises: AzureMlError for a version that lies elsewhere.
    """
    blobs, prefix = open_blobs(workspace), path_of(version.name, version.sha256) + "/"
    found = blobs.listed(prefix, _MOST_FILES) if version.sha256 else []
    if len(found) == 1:
        target = folder / str(found[0].name).removeprefix(prefix)
        if blobs.download(found[0].name, str(found[0].etag), target) and file_sha256(target) == version.sha256:
            return target
    raise AzureMlError(
        f"version {version.version} of the data set {version.name} cannot be fetched",
        found=f"{len(found)} files below {prefix}" if found else "no tag sha256, or nothing at its path",
        expected="one file of that hash",
        todo="register it with `python -m ml_service data upload`",
    )
