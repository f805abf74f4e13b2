"""Snapshots, through the real client and over plain HTTP."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.storage.state import ServerInfo

NONE = "00000000-0000-0000-0000-000000000000"
Post = Callable[..., requests.Response]


@pytest.fixture
def client(ws: Any) -> Any:
    """The SDK's client of the content plane."""
    from azureml._restclient.snapshots_client import SnapshotsClient

    return SnapshotsClient(ws.service_context)


@pytest.fixture
def post(ws: Any, server: ServerInfo) -> Post:
    """A request to the content plane: `post("getblob", FileNames=["a"])`."""

    def send(verb: str, **body: Any) -> requests.Response:
        address = f"{server.base_url}/content/v2.0{ws.service_context._get_workspace_scope()}/snapshots/{verb}"
        return requests.post(address, json=body, headers=ws._auth_object.get_authentication_header(), timeout=30)

    return send


def _tree(*names: str) -> dict[str, Any]:
    return {"name": "", "type": "Directory", "children": {name: {"type": "File", "children": {}} for name in names}}


def test_a_directory_is_uploaded_changed_and_restored(client: Any, folder: Path) -> None:
    source = folder / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a b%20é.py").write_text("1")
    (source / "sub" / "gone.py").write_text("2")
    (source / "empty.py").write_text("")
    first = client.create_snapshot(str(source))
    assert client.create_snapshot(str(source)) == first
    (source / "sub" / "gone.py").unlink()
    (source / "empty.py").write_text("3")
    second = client.create_snapshot(str(source))
    for snapshot, names in ((first, ["a b%20é.py", "empty.py", "sub/gone.py"]), (second, ["a b%20é.py", "empty.py"])):
        with zipfile.ZipFile(client.restore_snapshot(snapshot, str(folder))) as archive:
            assert archive.namelist() == names
    with zipfile.ZipFile(folder / f"{second}.zip") as archive:
        assert archive.read("empty.py") == b"3"


@pytest.mark.parametrize("name", ["../x.py", "a/../../x.py", "/etc/passwd", "a\\b", "a//b", "..", "", "a\0b", "a?b"])
def test_names_that_leave_the_directory_are_refused(post: Post, name: str) -> None:
    assert post("getblob", FileNames=[name]).status_code == 400


def test_a_snapshot_needs_its_parent_and_all_of_its_files(post: Post) -> None:
    unknown = post(new_id(), ParentSnapshotId=new_id(), DirTreeNode=_tree())
    assert unknown.status_code == 404
    incomplete = post(new_id(), ParentSnapshotId=NONE, DirTreeNode=_tree("x.py"))
    assert (incomplete.status_code, "x.py" in incomplete.text) == (400, True)
    node = post("getblob", FileNames=["x.py"]).json()["fileNodes"][0]
    file = {"FullName": "x.py", "BlobUri": node["blobUri"], "FileSize": 1}
    absent = post(new_id(), ParentSnapshotId=NONE, DirTreeNode=_tree("x.py"), FileRevisionList={"FileNodes": [file]})
    assert (absent.status_code, "not complete" in absent.text) == (400, True)


def test_a_file_comes_from_the_address_that_was_given_for_it(post: Post) -> None:
    node = post("getblob", FileNames=["x.py"]).json()["fileNodes"][0]
    requests.put(node["blobUri"], data=b"1", timeout=30).raise_for_status()
    for name in ("y.py", "../x.py"):
        file = {"FullName": name, "BlobUri": node["blobUri"], "FileSize": 1}
        answer = post(new_id(), DirTreeNode=_tree(name), FileRevisionList={"FileNodes": [file]})
        assert answer.status_code == 400
    file = {"FullName": "x.py", "BlobUri": node["blobUri"], "FileSize": 1}
    snapshot, body = new_id(), {"DirTreeNode": _tree("x.py"), "FileRevisionList": {"FileNodes": [file]}}
    assert [post(snapshot, **body).status_code for _ in range(2)] == [200, 200]
    assert post(snapshot, DirTreeNode=_tree()).status_code == 409


def test_too_many_files_are_refused(post: Post) -> None:
    answer = post("getblob", FileNames=[f"{n}.py" for n in range(2001)])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "SnapshotTooLarge")


def test_the_zip_of_an_unknown_snapshot(post: Post) -> None:
    assert post(f"{new_id()}/zip").status_code == 404
