"""Registered models and their files, through the real client."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

Unique = Callable[[str], str]


def _register(ws: Any, folder: Path, name: str, content: str = "10", **more: Any) -> Any:
    from azureml.core import Model

    (folder / "weights.txt").write_text(content, encoding="utf-8")
    return Model.register(ws, "weights.txt", name, **more)


def _again(ws: Any, model: Any, **more: Any) -> Any:
    """Another version of the same files, without a second upload."""
    from azureml.core import Model

    return Model._register_with_asset(ws, model.name, model.url.rpartition("/")[2], **more)


def _patch(ws: Any, server: ServerInfo, model_id: str, operation: dict[str, Any]) -> requests.Response:
    scope = ws.service_context._get_workspace_scope()
    return requests.patch(
        f"{server.base_url}/modelmanagement/v1.0{scope}/models/{model_id}",
        json=[operation],
        headers=ws._auth_object.get_authentication_header(),
        timeout=10,
    )


def test_versions_count_from_one_and_are_found_in_every_way(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model

    name = unique("model")
    first = _register(ws, folder, name, "10", tags={"stage": "a"}, properties={"sha256": "f00"})
    second = _register(ws, folder, name, "20", tags={"stage": "b"}, description="the second one")
    assert (first.version, second.version) == (1, 2)
    assert Model(ws, name).version == 2
    assert Model(ws, name, version=1).properties == {"sha256": "f00"}
    assert Model(ws, id=f"{name}:2").description == "the second one"
    assert Model(ws, name, tags=[["stage", "a"]]).version == 1
    assert name in ws.models


def test_a_missing_model_is_not_found(ws: Any, unique: Unique) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(ws, unique("nothing"))
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(ws, unique("nothing"), version=3)


def test_a_file_comes_back_as_it_was(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model

    name = unique("model")
    _register(ws, folder, name, "first")
    _register(ws, folder, name, "second")
    old = Model(ws, name, version=1).download("old")
    assert Path(old).read_text(encoding="utf-8") == "first"
    assert Path(Model(ws, name).download("new")).name == "weights.txt"


def test_a_folder_comes_back_as_it_was(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model

    (folder / "forecast" / "deep").mkdir(parents=True)
    (folder / "forecast" / "model.json").write_text("{}", encoding="utf-8")
    (folder / "forecast" / "deep" / "a b.txt").write_text("spaced", encoding="utf-8")
    model = Model.register(ws, "forecast", unique("model"))
    got = Path(model.download("got"))
    assert got.name == "forecast"
    assert sorted(path.relative_to(got).as_posix() for path in got.rglob("*")) == [
        "deep",
        "deep/a b.txt",
        "model.json",
    ]


def test_a_run_registers_what_it_uploaded(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Experiment, Model

    name = unique("model")
    (folder / "weights.txt").write_text("of a run", encoding="utf-8")
    run = Experiment(ws, unique("experiment")).start_logging(snapshot_directory=None)
    run.upload_file("outputs/weights.txt", "weights.txt")
    model = run.register_model(name, model_path="outputs/weights.txt", tags={"by": "run"})
    run.complete()
    assert model.run_id == run.id
    assert [one.id for one in Model.list(ws, run_id=run.id)] == [f"{name}:1"]
    assert Path(model.download("got")).read_text(encoding="utf-8") == "of a run"


def test_list_filters(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model

    name, tag = unique("model"), unique("tag")
    first = _register(ws, folder, name, tags={tag: "x", "n": "1"}, properties={"p": "1"})
    _again(ws, first, tags={tag: "x"}, properties={"p": "2"}, model_framework="ScikitLearn")
    _again(ws, first, tags={tag: "y"})

    def versions(**filters: Any) -> list[int]:
        return [model.version for model in Model.list(ws, name=name, **filters)]

    assert versions() == [3, 2, 1]
    assert versions(tags=[tag]) == [3, 2, 1]
    assert versions(tags=[[tag, "x"]]) == [2, 1]
    assert versions(tags=[[tag, "x"], "n"]) == [1]
    assert versions(properties=[["p", "2"]]) == [2]
    assert versions(model_framework="ScikitLearn") == [2]
    assert versions(latest=True) == [3]
    assert versions(latest=True, tags=[[tag, "x"]]) == [2], "latest is taken after the other filters"
    assert [model.id for model in Model.list(ws, tags=[[tag, "y"]])] == [f"{name}:3"]


def test_long_lists_come_in_pages(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model

    first = _register(ws, folder, unique("model"))
    for _ in range(44):
        _again(ws, first)
    found = Model.list(ws, name=first.name, page_count=20)
    assert [model.version for model in found] == list(range(45, 0, -1))


def test_concurrent_registrations_get_different_versions(ws: Any, folder: Path, unique: Unique) -> None:
    first = _register(ws, folder, unique("model"))
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda _: _again(ws, first).version, range(16)))
    assert sorted(versions) == list(range(2, 18))


def test_tags_are_replaced_and_properties_only_added(
    ws: Any, folder: Path, unique: Unique, server: ServerInfo
) -> None:
    from azureml.core import Model

    model = _register(ws, folder, unique("model"), tags={"a": "1"}, properties={"sha256": "f00"})
    model.add_tags({"b": "2"})
    model.remove_tags(["a"])
    model.add_properties({"build": "7"})
    model.update(description="new text")
    found = Model(ws, id=model.id)
    assert (found.tags, found.description) == ({"b": "2"}, "new text")
    assert found.properties == {"sha256": "f00", "build": "7"}
    refused = _patch(ws, server, model.id, {"op": "add", "path": "/properties", "value": {"sha256": "bad"}})
    assert refused.status_code == 400
    assert "sha256" in refused.text
    assert "f00" in refused.text


def test_what_cannot_be_changed_is_refused_by_name(ws: Any, folder: Path, unique: Unique, server: ServerInfo) -> None:
    model = _register(ws, folder, unique("model"))
    refused = _patch(ws, server, model.id, {"op": "replace", "path": "/version", "value": 9})
    assert refused.status_code == 400
    assert "/version" in refused.text


def test_a_long_description_is_refused(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    name = unique("model")
    first = _register(ws, folder, name, description="d" * 148)
    with pytest.raises(WebserviceException, match="Response Code: 400"):
        _again(ws, first, description="d" * 223)
    with pytest.raises(WebserviceException, match="Response Code: 400"):
        first.update(description="d" * 223)
    assert [model.version for model in Model.list(ws, name=name)] == [1]


def test_data_sets_of_a_model_are_kept(ws: Any, folder: Path, unique: Unique, server: ServerInfo) -> None:
    from azureml.core import Model

    model = _register(ws, folder, unique("model"))
    reference = {"name": "training data", "id": unique("saved")}
    assert _patch(ws, server, model.id, {"op": "add", "path": "/datasets", "value": [reference]}).status_code == 200
    assert [one.id for one in Model.list(ws, dataset_id=reference["id"], expand=False)] == [model.id]


def test_a_deleted_version_is_gone_and_deleting_it_twice_is_no_error(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    model = _register(ws, folder, unique("model"))
    model.delete()
    model.delete()
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(ws, id=model.id)
