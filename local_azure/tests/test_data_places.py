"""Where snapshots, datastores and datasets lie on this machine: what the executor asks the planes for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.domain.data import datasets as dataset_records
from local_azure.machine_learning.domain.data import snapshots, step_datasets
from local_azure.machine_learning.domain.data.dataset_paths import Source, folder_dataflow
from local_azure.machine_learning.domain.data.datastores import local_path
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.emulator import Emulator
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

BLOBSTORE = "workspaceblobstore"


async def _emulator(state: StateFolder) -> Emulator:
    return Emulator(state, ServerInfo(0, 1, 2, "token"))


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator of this process's own, which serves nobody."""
    state = StateFolder(tmp_path / "state")
    state.create()
    made = asyncio.run(_emulator(state))
    yield made
    made.store.close()


@pytest.fixture
def workspace(emulator: Emulator) -> Workspace:
    """Its one workspace."""
    return emulator.workspaces.all()[0]


def _write(emulator: Emulator, container: str, blobs: dict[str, str]) -> None:
    for name, content in blobs.items():
        with emulator.files.writing(emulator.files.path(container, name)) as stream:
            stream.write(content.encode())


def _saved(emulator: Emulator, workspace: Workspace, *patterns: str, extra: str = "") -> str:
    """Id of a saved file dataset of these patterns on the default datastore."""
    base = folder_dataflow(workspace, BLOBSTORE, "x").split("/paths/", maxsplit=1)[0].rpartition("azureml://")[2]
    paths = "".join(f'  - pattern: \\"azureml://{base}/paths/{pattern}\\"\\n' for pattern in patterns)
    dataflow = f'{{"blocks": [], "meta": {{"RsDataflow": "---\\ntype: mltable\\npaths:\\n{paths}{extra}"}}}}'
    return str(dataset_records.save(emulator.store, workspace.id, "file", dataflow, None)["id"])


def test_a_path_of_a_datastore_is_the_file_of_the_blob(emulator: Emulator, workspace: Workspace) -> None:
    root = emulator.files.root / workspace.blobstore_container
    assert local_path(emulator.store, emulator.files, workspace, "WorkspaceBlobStore", "/a/b/") == root / "a" / "b"
    assert local_path(emulator.store, emulator.files, workspace, BLOBSTORE, "") == root
    assert not root.exists()


def test_a_datastore_elsewhere_is_refused_by_name(emulator: Emulator, workspace: Workspace) -> None:
    section = {"accountName": "elsewhere", "containerName": "data"}
    document = {"name": "far", "dataStoreType": "AzureBlob", "azureStorageSection": section}
    emulator.store.put(workspace.id, "datastore", "far", document)
    for name, path, code in (
        ("far", "a", "NotImplemented"),
        ("none", "a", "NotFound"),
        (BLOBSTORE, "../x", "InvalidResourceName"),
    ):
        with pytest.raises(ApiError) as raised:
            local_path(emulator.store, emulator.files, workspace, name, path)
        assert raised.value.code == code


def _snapshot(emulator: Emulator, workspace: Workspace, snapshot_id: str, files: dict[str, str]) -> None:
    blobs = {f"Snapshots/{snapshot_id}/{name}": content for name, content in files.items()}
    _write(emulator, workspace.artifact_container, blobs)
    facts = {
        name: {
            "blob": f"Snapshots/{snapshot_id}/{name}",
            "size": len(content),
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
        }
        for name, content in files.items()
    }
    emulator.store.put(workspace.id, "snapshot", snapshot_id, {"files": facts})


def test_equal_directories_have_equal_hashes(emulator: Emulator, workspace: Workspace, tmp_path: Path) -> None:
    _snapshot(emulator, workspace, "a", {"x.py": "1", "sub/y.py": "2"})
    _snapshot(emulator, workspace, "b", {"sub/y.py": "2", "x.py": "1"})
    _snapshot(emulator, workspace, "c", {"x.py": "1", "sub/z.py": "2"})
    hashes = [snapshots.content_hash(emulator.store, workspace, name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    snapshots.extract(emulator.store, emulator.files, workspace, "a", tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "y.py").read_text() == "2"
    with pytest.raises(ApiError, match="nothing"):
        snapshots.extract(emulator.store, emulator.files, workspace, "nothing", tmp_path / "none")


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


def test_the_files_of_a_dataset(emulator: Emulator, workspace: Workspace) -> None:
    blobs = {"t x/a.csv": "1", "t x/b.txt": "2", "u/a.csv": "3"}
    _write(emulator, workspace.blobstore_container, blobs)
    whole = _saved(emulator, workspace, "t%20x/**")
    assert step_datasets.data_location(emulator.store, workspace, whole) == (BLOBSTORE, "t x")
    assert step_datasets.data_files(emulator.store, emulator.files, workspace, whole) is None
    some = _saved(emulator, workspace, "t%20x/*.csv")
    root = emulator.files.root / workspace.blobstore_container
    assert step_datasets.data_files(emulator.store, emulator.files, workspace, some) == {
        "a.csv": root / "t x" / "a.csv"
    }
    several = _saved(emulator, workspace, "t%20x/b.txt", "u/**")
    assert sorted(step_datasets.data_files(emulator.store, emulator.files, workspace, several) or {}) == [
        f"{BLOBSTORE}/t x/b.txt",
        f"{BLOBSTORE}/u/a.csv",
    ]


def test_data_that_a_step_cannot_get_is_refused_by_name(emulator: Emulator, workspace: Workspace) -> None:
    with pytest.raises(ApiError, match=r"No file matches none/\*\.csv"):
        step_datasets.data_files(emulator.store, emulator.files, workspace, _saved(emulator, workspace, "none/*.csv"))
    taken = _saved(emulator, workspace, "t/**", extra="transformations:\\n  - take: 1\\n")
    with pytest.raises(ApiError, match="transformations"):
        step_datasets.data_location(emulator.store, workspace, taken)
    with pytest.raises(ApiError, match="2 paths"):
        step_datasets.data_location(emulator.store, workspace, _saved(emulator, workspace, "t/**", "u/**"))


def test_references_of_a_graph_resolve_to_a_definition(emulator: Emulator, workspace: Workspace) -> None:
    def resolve(reference: dict[str, Any]) -> tuple[str, str]:
        saved_id = step_datasets.resolve_saved_id(emulator.store, workspace, reference)
        return step_datasets.data_location(emulator.store, workspace, saved_id)

    for path in ("first", "first", "second"):
        step_datasets.register_output(emulator.store, workspace, "out", BLOBSTORE, f"/{path}/")
    versions = emulator.store.find(workspace.id, "dataset_version", parent="out")
    assert [version["versionId"] for version in versions] == ["1", "2"]
    dataset_id = versions[0]["datasetId"]
    assert resolve({"DataSetReference": {"Id": dataset_id, "Version": "1"}}) == (BLOBSTORE, "first")
    assert resolve({"DataSetReference": {"Id": dataset_id, "Version": None}}) == (BLOBSTORE, "second")
    assert resolve({"SavedDataSetReference": {"Id": versions[0]["savedDatasetId"]}}) == (BLOBSTORE, "first")
    absent: list[dict[str, Any]] = [{"DataSetReference": {"Id": dataset_id, "Version": "3"}}, {"LiteralValue": {}}]
    for reference in absent:
        with pytest.raises(ApiError):
            resolve(reference)
