"""Datastores, through the real client, what is registered for storage elsewhere included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _register(ws: Any, name: str, **more: Any) -> Any:
    from azureml.core import Datastore

    given = {"container_name": "data", "account_name": "elsewhere", "account_key": "a2V5", **more}
    return Datastore.register_azure_blob_container(ws, name, **given)


def test_a_workspace_has_its_datastores_from_the_start_newest_first(ws: Any) -> None:
    system = ["workspaceworkingdirectory", "workspaceartifactstore", "workspacefilestore", "workspaceblobstore"]
    assert list(ws.datastores)[-4:] == system
    default = ws.get_default_datastore()
    assert default.name == "workspaceblobstore"
    assert default.container_name == f"azureml-blobstore-{ws._workspace_id_internal}"


def test_a_datastore_is_registered_overwritten_made_default_and_forgotten(ws: Any) -> None:
    from azureml.core import Datastore

    _register(ws, "Elsewhere_1")
    assert Datastore.get(ws, "ELSEWHERE_1").account_key == "a2V5"
    with pytest.raises(Exception, match="Another datastore with the same name already exists"):
        _register(ws, "elsewhere_1")
    _register(ws, "elsewhere_1", container_name="other", account_key=None, sas_token="sig=x", overwrite=True)
    found = Datastore.get(ws, "elsewhere_1")
    assert (found.container_name, found.sas_token, found.account_key) == ("other", "sig=x", None)
    found.set_as_default()
    try:
        assert ws.get_default_datastore().name == "elsewhere_1"
        with pytest.raises(Exception, match="default datastore"):
            found.unregister()
    finally:
        Datastore.get(ws, "workspaceblobstore").set_as_default()
    found.unregister()
    with pytest.raises(Exception, match="elsewhere_1"):
        Datastore.get(ws, "elsewhere_1")


def test_the_workspaces_container_under_a_second_name_can_be_used(
    ws: Any, folder: Path, unique: Callable[[str], str]
) -> None:
    default = ws.get_default_datastore()
    second = _register(
        ws, unique("second").replace("-", "_"), container_name=default.container_name, account_name="localstore"
    )
    (folder / "x.txt").write_text("same bytes")
    second.upload_files([str(folder / "x.txt")], target_path=second.name, show_progress=False)
    assert default.download(str(folder / "down"), second.name, show_progress=False) == 1
    second.unregister()


@pytest.mark.parametrize("name", ["workspaceblobstore", "with-hyphen"])
def test_names_that_cannot_be_registered(ws: Any, name: str) -> None:
    with pytest.raises(Exception, match=name):
        _register(ws, name)


def test_another_container_of_the_own_account_holds_data(ws: Any, unique: Callable[[str], str], folder: Path) -> None:
    from azureml.core import Dataset, Datastore

    name = unique("predictions").replace("-", "_")
    made = Datastore.register_azure_blob_container(
        ws,
        name,
        container_name="predictions",
        account_name=ws.get_default_datastore().account_name,
        account_key="a2V5",
        create_if_not_exists=True,
    )
    (folder / "a.txt").write_text("kept")
    made.upload_files([str(folder / "a.txt")], target_path=name, show_progress=False)
    found = Dataset.File.from_files((Datastore.get(ws, name), f"{name}/**"), validate=False).download(
        str(folder / "down")
    )
    assert [Path(path).read_text() for path in found] == ["kept"]
    made.unregister()
