"""Datasets, through the real client and its native data engine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Unique = Callable[[str], str]
FILES = {"a.csv": "x,y\n1,a\n2,b\n", "b é.csv": "x,y\n3,c\n", "sub dir/c.csv": "x,y\n4,d\n", "n.txt": "1"}


@pytest.fixture(scope="module")
def data(ws: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """(default datastore, folder on it that holds FILES)."""
    source = tmp_path_factory.mktemp("data")
    for name, content in FILES.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(content, encoding="utf-8")
    store = ws.get_default_datastore()
    store.upload(str(source), source.name, show_progress=False)
    return store, source.name


def _files(data: tuple[Any, str], pattern: str = "**") -> Any:
    from azureml.core import Dataset

    return Dataset.File.from_files((data[0], f"{data[1]}/{pattern}"), validate=False)


def test_a_file_dataset_is_registered_read_and_downloaded(
    ws: Any, data: tuple[Any, str], folder: Path, unique: Unique
) -> None:
    from azureml.core import Dataset

    name = unique("files")
    registered = _files(data).register(ws, name, description="hello", tags={"a": "b"})
    found = Dataset.get_by_name(ws, name)
    assert (found.version, found.description, found.tags) == (1, "hello", {"a": "b"})
    assert found.id == registered.id == Dataset.get_by_id(ws, registered.id).id
    assert found.to_path() == ["/a.csv", "/b é.csv", "/n.txt", "/sub dir/c.csv"]
    found.download(str(folder / "down"))
    assert {file: (folder / "down" / file).read_text(encoding="utf-8") for file in FILES} == FILES


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["/a.csv", "/b é.csv"]),
        ("**/*.csv", ["/a.csv", "/b é.csv", "/sub dir/c.csv"]),
        ("sub dir/c.csv", ["/c.csv"]),
    ],
)
def test_a_pattern_selects_the_files_that_it_names(data: tuple[Any, str], pattern: str, expected: list[str]) -> None:
    assert _files(data, pattern).to_path() == expected


def test_versions_follow_the_definition(ws: Any, data: tuple[Any, str], unique: Unique) -> None:
    from azureml.core import Dataset

    name = unique("versions")
    first = _files(data).register(ws, name, tags={"v": "1"})
    with pytest.raises(Exception, match="already a dataset registered"):
        _files(data, "*.csv").register(ws, name)
    assert _files(data).register(ws, name, create_new_version=True).version == 1
    second = _files(data, "*.csv").register(ws, name, tags={"v": "2"}, create_new_version=True)
    assert (second.version, Dataset.get_by_name(ws, name).version) == (2, 2)
    older = Dataset.get_by_name(ws, name, version=1)
    assert (older.id, older.tags, len(older.to_path())) == (first.id, {"v": "1"}, 4)
    with pytest.raises(Exception, match="version: 3"):
        Dataset.get_by_name(ws, name, version=3)


def test_a_registered_dataset_gets_no_second_name(ws: Any, data: tuple[Any, str], unique: Unique) -> None:
    name = unique("first-name")
    registered = _files(data, "**/*.txt").register(ws, name)
    with pytest.raises(Exception, match=f"has been registered as {name}:1"):
        registered.register(ws, unique("second-name"))


def test_tags_and_description_belong_to_a_version(ws: Any, data: tuple[Any, str], unique: Unique) -> None:
    from azureml.core import Dataset

    name = unique("tags")
    _files(data).register(ws, name, tags={"keep": "1"})
    second = _files(data, "*.csv").register(ws, name, create_new_version=True)
    second.add_tags({"a": "1", "b": "2"})
    second.remove_tags(["a"])
    second.update(description="new")
    found = Dataset.get_by_name(ws, name)
    assert (found.tags, found.description) == ({"b": "2"}, "new")
    assert Dataset.get_by_name(ws, name, version=1).tags == {"keep": "1"}


def test_the_same_definition_is_the_same_saved_dataset(ws: Any, data: tuple[Any, str]) -> None:
    from azureml.core import Dataset

    saved = _files(data, "a.csv")._ensure_saved(ws)
    assert _files(data, "a.csv")._ensure_saved(ws) == saved
    assert _files(data, "n.txt")._ensure_saved(ws) != saved
    assert Dataset.get_by_id(ws, saved).to_path() == ["/a.csv"]
    with pytest.raises(Exception, match="Cannot find dataset with id"):
        Dataset.get_by_id(ws, "none")


def test_datasets_are_listed_and_unregistered(ws: Any, data: tuple[Any, str], unique: Unique) -> None:
    from azureml.core import Dataset

    kept, gone = unique("kept"), unique("gone")
    for name in (kept, gone):
        _files(data, "n.txt").register(ws, name)
    assert {kept, gone} <= set(Dataset.get_all(ws).keys())
    Dataset.get_by_name(ws, gone).unregister_all_versions()
    assert {kept, gone} & set(Dataset.get_all(ws).keys()) == {kept}
    with pytest.raises(Exception, match="Cannot find dataset registered"):
        Dataset.get_by_name(ws, gone)


def test_tables(ws: Any, data: tuple[Any, str], unique: Unique) -> None:
    import pandas as pd
    from azureml.core import Dataset

    name = unique("table")
    Dataset.Tabular.from_delimited_files((data[0], f"{data[1]}/*.csv")).register(ws, name)
    table = Dataset.get_by_name(ws, name).to_pandas_dataframe()
    assert table.to_dict("list") == {"x": [1, 2, 3], "y": ["a", "b", "c"]}
    frame = pd.DataFrame({"k": [1, 2]})
    kept = Dataset.Tabular.register_pandas_dataframe(frame, (data[0], name), unique("frame"), show_progress=False)
    assert kept.to_pandas_dataframe()["k"].tolist() == [1, 2]


def test_the_native_engine_uploads_a_large_file(ws: Any, folder: Path, unique: Unique) -> None:
    from azureml.core import Dataset

    content = os.urandom(1024 * 1024) * 20
    (folder / "up" / "empty").mkdir(parents=True)
    (folder / "up" / "large x.bin").write_bytes(content)
    target = (ws.get_default_datastore(), unique("engine"))
    uploaded = Dataset.File.upload_directory(str(folder / "up"), target, show_progress=False)
    assert uploaded.to_path() == ["/large x.bin"]
    received = Path(uploaded.download(str(folder / "down"))[0]).read_bytes()
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()


def test_a_definition_of_another_age_is_refused(ws: Any) -> None:
    from azureml._restclient.models.saved_dataset_dto import SavedDatasetDto
    from azureml.data._dataset_rest_helper import _restclient

    scope = (ws.subscription_id, ws.resource_group, ws.name)
    for kind, dataflow in (("file", '{"blocks": []}'), ("File", '{"meta": {"RsDataflow": "paths: []"}}')):
        with pytest.raises(Exception, match="Bad Request"):
            _restclient(ws).dataset.ensure_saved(
                *scope, dataset=SavedDatasetDto(dataset_type=kind, dataflow_json=dataflow)
            )
