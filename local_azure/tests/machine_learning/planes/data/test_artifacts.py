"""Artifacts, through the real client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

ORIGIN = "ExperimentRun"


@pytest.fixture
def client(ws: Any) -> Any:
    """The SDK's client of the artifact plane."""
    from azureml._restclient.artifacts_client import ArtifactsClient

    return ArtifactsClient(ws.service_context)


@pytest.fixture
def container(unique: Callable[[str], str]) -> str:
    """A container of this test's own."""
    return unique("dcid.test")


def _upload(client: Any, container: str, files: dict[str, Path]) -> None:
    list(client.upload_files([str(path) for path in files.values()], ORIGIN, container, list(files)))


def test_files_are_uploaded_listed_and_downloaded(client: Any, container: str, folder: Path) -> None:
    (folder / "x").write_text("content")
    names = ["outputs/a b%20+é.txt", "outputs/sub/y.txt", "outputsOther.txt"]
    _upload(client, container, {names[0]: folder / "x"})
    (folder / "y").write_text("other")
    _upload(client, container, {names[1]: folder / "y"})
    _upload(client, container, {names[2]: folder / "y"})
    assert list(client.get_file_paths(ORIGIN, container)) == names
    client.download_artifact(ORIGIN, container, names[1], str(folder / "got"))
    assert (folder / "got").read_text() == "other"
    client.download_artifacts_from_prefix(ORIGIN, container, "outputs", str(folder / "all"))
    found = sorted(path.relative_to(folder / "all").as_posix() for path in (folder / "all").rglob("*.txt"))
    assert found == names[:2]


def test_an_artifact_is_not_replaced(client: Any, container: str, folder: Path) -> None:
    (folder / "x").write_text("first")
    _upload(client, container, {"outputs/x": folder / "x"})
    (folder / "x").write_text("second")
    with pytest.raises(Exception, match=r"Resource Conflict.*outputs/x already exists"):
        _upload(client, container, {"outputs/x": folder / "x"})
    assert client.download_artifact_contents_to_string(ORIGIN, container, "outputs/x") == "first"


def test_a_missing_artifact_is_answered_with_those_that_exist(client: Any, container: str, folder: Path) -> None:
    (folder / "x").write_text("content")
    _upload(client, container, {"outputs/x": folder / "x"})
    with pytest.raises(Exception, match="available files include: outputs/x"):
        client.download_artifact(ORIGIN, container, "outputs/none", str(folder / "got"))


def test_content_can_be_appended(ws: Any, server: ServerInfo, client: Any, container: str) -> None:
    scope = ws.service_context._get_workspace_scope()
    address = f"{server.base_url}/artifact/v2.0{scope}/artifacts/content/{ORIGIN}/{container}/logs/l.txt"
    header = ws._auth_object.get_authentication_header()
    for line in (b"one\n", b"two\n"):
        answer = requests.post(f"{address}?append=true", data=line, headers=header, timeout=30)
        assert answer.json()["path"] == "logs/l.txt"
    assert client.download_artifact_contents_to_string(ORIGIN, container, "logs/l.txt") == "one\ntwo\n"
    assert requests.get(address, headers=header, timeout=30).text == "one\ntwo\n"
    assert requests.post(f"{address}?index=3", data=b"x", headers=header, timeout=30).status_code == 400


@pytest.mark.parametrize("path", ["../x", "a/../../../x", "/x", "a?b", "a#b"])
def test_paths_that_leave_the_container_are_refused(client: Any, container: str, path: str) -> None:
    with pytest.raises(Exception, match="InvalidResourceName"):
        client.create_empty_artifacts(ORIGIN, container, [path])


def test_a_runs_files_under_both_addresses(ws: Any, folder: Path, unique: Callable[[str], str]) -> None:
    from azureml._restclient.run_artifacts_client import RunArtifactsClient
    from azureml.core import Experiment

    (folder / "m.txt").write_text("model")
    run = Experiment(ws, unique("artifacts")).start_logging(snapshot_directory=None)
    run.upload_file("outputs/m.txt", str(folder / "m.txt"))
    run.complete()
    assert "outputs/m.txt" in run.get_file_names()
    run.download_file("outputs/m.txt", str(folder / "got.txt"))
    assert (folder / "got.txt").read_text() == "model"
    older = RunArtifactsClient(ws.service_context, run.experiment.name)
    try:
        assert list(older.get_file_paths(run.id)) == ["outputs/m.txt"]
        older.download_artifact(run.id, "outputs/m.txt", str(folder / "older.txt"))
        assert (folder / "older.txt").read_text() == "model"
    finally:
        older.session.close()
