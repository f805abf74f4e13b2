"""Where snapshots, datastores and datasets lie on this machine: what the executor asks the domain for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.domain.data import datasets as dataset_records
from local_azure.machine_learning.domain.data import datastores, snapshots, step_datasets
from local_azure.machine_learning.domain.data.dataset_paths import (
    MAX_DEFINITION_PARTS,
    Source,
    folder_dataflow,
    sources,
)
from local_azure.machine_learning.domain.data.datastores import local_path
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store
from local_azure.machine_learning.storage.web_files import WebFiles

BLOBSTORE = "workspaceblobstore"


@pytest.fixture
def files(tmp_path: Path) -> BlobFiles:
    """Its blobs."""
    return BlobFiles(tmp_path / "blobs")


@pytest.fixture
def workspace(store: Store) -> Workspace:
    """Its one workspace."""
    return Workspaces(store).ensure("subscription", "group", "workspace")


def _write(files: BlobFiles, container: str, blobs: dict[str, str]) -> None:
    for name, content in blobs.items():
        with files.writing(files.path(container, name)) as stream:
            stream.write(content.encode())


def _saved(store: Store, workspace: Workspace, *patterns: str, extra: str = "", datastore: str = BLOBSTORE) -> str:
    """Id of a saved file dataset of these patterns on a datastore."""
    base = folder_dataflow(workspace, datastore, "x").split("/paths/", maxsplit=1)[0].rpartition("azureml://")[2]
    paths = "".join(f'  - pattern: \\"azureml://{base}/paths/{pattern}\\"\\n' for pattern in patterns)
    dataflow = f'{{"blocks": [], "meta": {{"RsDataflow": "---\\ntype: mltable\\npaths:\\n{paths}{extra}"}}}}'
    return str(dataset_records.save(store, workspace.id, "file", dataflow, None)["id"])


@pytest.mark.parametrize(
    "dataflow",
    [
        '{"meta": {"RsDataflow": "a"}, "meta": {"RsDataflow": "b"}}',
        '{"meta": {"RsDataflow": "a", "RsDataflow": "b"}}',
    ],
)
def test_a_definition_with_a_key_twice_is_refused(store: Store, workspace: Workspace, dataflow: str) -> None:
    with pytest.raises(ApiError, match="occurs twice"):
        dataset_records.save(store, workspace.id, "file", dataflow, None)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("paths: []\\n", "the key 'paths' is in line 3 and again in line 5"),
        ("x: {y: 1, y: 2}\\n", "the key 'y' is in line 5 and again in line 5"),
        ("x: &x {a: 1}\\ny: [*x, *x, {a: 1, a: 2}]\\n", "the key 'a' is in line 6 and again in line 6"),
        ("x: [" + "1, " * MAX_DEFINITION_PARTS + "]\\n", f"more than {MAX_DEFINITION_PARTS}"),
    ],
)
def test_a_definition_that_is_ambiguous_or_too_large_is_refused(
    store: Store, workspace: Workspace, extra: str, message: str
) -> None:
    saved = dataset_records.require_saved(store, workspace.id, _saved(store, workspace, "a.csv"))
    assert len(sources(workspace, saved)) == 1
    with pytest.raises(ApiError, match=message):
        _saved(store, workspace, "a.csv", extra=extra)


def test_a_path_of_a_datastore_is_the_file_of_the_blob(store: Store, files: BlobFiles, workspace: Workspace) -> None:
    root = files.root / workspace.blobstore_container
    assert local_path(store, files, workspace, "WorkspaceBlobStore", "/a/b/") == root / "a" / "b"
    assert local_path(store, files, workspace, BLOBSTORE, "") == root
    assert not root.exists()


def test_a_datastore_elsewhere_is_refused_by_name(store: Store, files: BlobFiles, workspace: Workspace) -> None:
    section = {"accountName": "elsewhere", "containerName": "data"}
    document = {"name": "far", "dataStoreType": "AzureBlob", "azureStorageSection": section}
    store.put(workspace.id, "datastore", "far", document)
    for name, path, code in (
        ("far", "a", "NotImplemented"),
        ("none", "a", "NotFound"),
        (BLOBSTORE, "../x", "InvalidResourceName"),
    ):
        with pytest.raises(ApiError) as raised:
            local_path(store, files, workspace, name, path)
        assert raised.value.code == code


def _snapshot(
    store: Store, files: BlobFiles, workspace: Workspace, snapshot_id: str, contents: dict[str, str]
) -> None:
    blobs = {f"Snapshots/{snapshot_id}/{name}": content for name, content in contents.items()}
    _write(files, workspace.artifact_container, blobs)
    facts = {
        name: {
            "blob": f"Snapshots/{snapshot_id}/{name}",
            "size": len(content),
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
        }
        for name, content in contents.items()
    }
    store.put(workspace.id, "snapshot", snapshot_id, {"files": facts})


def test_equal_directories_have_equal_hashes(
    store: Store, files: BlobFiles, workspace: Workspace, tmp_path: Path
) -> None:
    _snapshot(store, files, workspace, "a", {"x.py": "1", "sub/y.py": "2"})
    _snapshot(store, files, workspace, "b", {"sub/y.py": "2", "x.py": "1"})
    _snapshot(store, files, workspace, "c", {"x.py": "1", "sub/z.py": "2"})
    hashes = [snapshots.content_hash(store, workspace, name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    snapshots.extract(store, files, workspace, "a", tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "y.py").read_text() == "2"
    with pytest.raises(ApiError, match="nothing"):
        snapshots.extract(store, files, workspace, "nothing", tmp_path / "none")


@pytest.mark.parametrize(
    ("pattern", "base", "whole", "chosen"),
    [
        ("t", "t", True, ["t/a.csv", "t/b.txt", "t/sub/c.csv"]),
        ("t/", "t", True, ["t/a.csv", "t/b.txt", "t/sub/c.csv"]),
        ("t/**", "t", True, ["t/a.csv", "t/b.txt", "t/sub/c.csv"]),
        ("t/*.csv", "t", False, ["t/a.csv"]),
        ("t/**/*.csv", "t", False, ["t/a.csv", "t/sub/c.csv"]),
        ("t/?.txt", "t", False, ["t/b.txt"]),
        ("t/a.csv", "t/a.csv", True, ["t/a.csv"]),
        ("**", "", True, ["t/a.csv", "t/b.txt", "t/sub/c.csv", "tt/d.csv"]),
    ],
)
def test_patterns_select_the_files_that_they_name(pattern: str, base: str, whole: bool, chosen: list[str]) -> None:
    source = Source(BLOBSTORE, pattern)
    names = ["t/a.csv", "t/b.txt", "t/sub/c.csv", "tt/d.csv"]
    assert (source.base, source.is_whole) == (base, whole)
    assert [name for name in names if source.matches(name)] == chosen


def test_the_files_of_a_dataset(store: Store, files: BlobFiles, workspace: Workspace) -> None:
    blobs = {"t x/a.csv": "1", "t x/b.txt": "2", "u/a.csv": "3"}
    _write(files, workspace.blobstore_container, blobs)
    whole = _saved(store, workspace, "t%20x/**")
    expected = (f"{BLOBSTORE}/t x", files.root / workspace.blobstore_container / "t x")
    assert step_datasets.data_root(store, files, workspace, whole) == expected
    assert step_datasets.data_files(store, files, workspace, whole) is None
    some = _saved(store, workspace, "t%20x/*.csv")
    root = files.root / workspace.blobstore_container
    assert step_datasets.data_files(store, files, workspace, some) == {"a.csv": root / "t x" / "a.csv"}
    several = _saved(store, workspace, "t%20x/b.txt", "u/**")
    assert sorted(step_datasets.data_files(store, files, workspace, several) or {}) == [
        f"{BLOBSTORE}/t x/b.txt",
        f"{BLOBSTORE}/u/a.csv",
    ]


def test_data_that_a_step_cannot_get_is_refused_by_name(store: Store, files: BlobFiles, workspace: Workspace) -> None:
    with pytest.raises(ApiError, match=r"No file matches none/\*\.csv"):
        step_datasets.data_files(store, files, workspace, _saved(store, workspace, "none/*.csv"))
    taken = _saved(store, workspace, "t/**", extra="transformations:\\n  - take: 1\\n")
    with pytest.raises(ApiError, match="transformations"):
        step_datasets.data_root(store, files, workspace, taken)
    with pytest.raises(ApiError, match="2 paths"):
        step_datasets.data_root(store, files, workspace, _saved(store, workspace, "t/**", "u/**"))


def _saved_of_web(store: Store, workspace: Workspace, *entries: str) -> str:
    paths = "".join(f'  - {entry.replace(" ", f" {chr(92)}{chr(34)}", 1)}{chr(92)}"{chr(92)}n' for entry in entries)
    dataflow = f'{{"blocks": [], "meta": {{"RsDataflow": "---\\ntype: mltable\\npaths:\\n{paths}"}}}}'
    return str(dataset_records.save(store, workspace.id, "file", dataflow, None)["id"])


def test_data_at_web_addresses_is_local_files(store: Store, tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "web"
    for name in ("example.org/get?id=1", "a.blob.core.windows.net/c/x/1.csv", "a.blob.core.windows.net/c/x/2.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    files = BlobFiles(tmp_path / "blobs", WebFiles(lambda: folder))
    address, blob = "file: https://example.org/get?id=1", "pattern: wasbs://c@a.blob.core.windows.net/x"
    one = _saved_of_web(store, workspace, address)
    assert step_datasets.data_files(store, files, workspace, one) is None
    shown, path = step_datasets.data_root(store, files, workspace, one)
    assert (shown, path) == ("https://example.org/get?id=1", folder / "example.org" / "get?id=1")
    some = _saved_of_web(store, workspace, f"{blob}/*.csv")
    root = folder / "a.blob.core.windows.net" / "c" / "x"
    assert step_datasets.data_files(store, files, workspace, some) == {"1.csv": root / "1.csv"}
    several = _saved_of_web(store, workspace, address, f"{blob}/2.txt")
    assert sorted(step_datasets.data_files(store, files, workspace, several) or {}) == [
        "https%3A/%2Fa.blob.core.windows.net/c/x/2.txt",
        "https%3A/%2Fexample.org/get?id=1",
    ]


def test_a_blob_container_of_another_account_is_read_from_web_data(
    store: Store, tmp_path: Path, workspace: Workspace
) -> None:
    folder = tmp_path / "web" / "other.blob.core.windows.net" / "samples" / "t"
    folder.mkdir(parents=True)
    (folder / "a.csv").touch()
    files = BlobFiles(tmp_path / "blobs", WebFiles(lambda: tmp_path / "web"))
    section = {"accountName": "other", "containerName": "samples"}
    datastores.register(store, workspace, {"name": "s", "dataStoreType": "AzureBlob", "azureStorageSection": section})
    assert datastores.require(store, workspace, "s")["azureStorageSection"]["endpoint"] == "core.windows.net"
    whole = _saved(store, workspace, "t/**", datastore="s")
    assert step_datasets.data_root(store, files, workspace, whole) == ("s/t", folder)
    some = _saved(store, workspace, "t/*.csv", datastore="s")
    assert step_datasets.data_files(store, files, workspace, some) == {"a.csv": folder / "a.csv"}
    with pytest.raises(ApiError, match=r"as .*/other.blob.core.windows.net/samples/none, or upload"):
        step_datasets.data_root(store, files, workspace, _saved(store, workspace, "none", datastore="s"))
    with pytest.raises(ApiError, match="cannot stand for a local file"):
        datastores.readable_path(store, files, workspace, "s", "../../secret")
    with pytest.raises(ApiError, match="outside of this workspace"):  # written to, by an output
        local_path(store, files, workspace, "s", "t")


def test_data_at_a_web_address_is_refused_with_its_local_form(
    store: Store, files: BlobFiles, workspace: Workspace
) -> None:
    absent = _saved_of_web(store, workspace, "file: https://example.org/x.csv")
    with pytest.raises(ApiError, match=r"--web-data FOLDER and save .* FOLDER/example.org/x.csv, or upload it to a"):
        step_datasets.data_root(store, files, workspace, absent)
    other = _saved_of_web(store, workspace, "pattern: abfss://c@a.dfs.core.windows.net/x")
    with pytest.raises(ApiError, match="does not implement data outside of a datastore"):
        step_datasets.data_root(store, files, workspace, other)


def test_references_of_a_graph_resolve_to_a_definition(store: Store, files: BlobFiles, workspace: Workspace) -> None:
    def resolve(reference: dict[str, Any]) -> str:
        saved_id = step_datasets.resolve_saved_id(store, workspace, reference)
        return step_datasets.data_root(store, files, workspace, saved_id)[0]

    for path in ("first", "first", "second"):
        step_datasets.register_output(store, workspace, "out", BLOBSTORE, f"/{path}/")
    versions = store.find(workspace.id, "dataset_version", parent="out")
    assert [version["versionId"] for version in versions] == ["1", "2"]
    dataset_id = versions[0]["datasetId"]
    assert resolve({"DataSetReference": {"Id": dataset_id, "Version": "1"}}) == f"{BLOBSTORE}/first"
    assert resolve({"DataSetReference": {"Id": dataset_id, "Version": None}}) == f"{BLOBSTORE}/second"
    assert resolve({"SavedDataSetReference": {"Id": versions[0]["savedDatasetId"]}}) == f"{BLOBSTORE}/first"
    absent: list[dict[str, Any]] = [{"DataSetReference": {"Id": dataset_id, "Version": "3"}}, {"LiteralValue": {}}]
    for reference in absent:
        with pytest.raises(ApiError):
            resolve(reference)
