"""Retraining by itself: files in the inbox, schedules that fire, the gate, quarantine, a person's decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.story.conftest import MakeProduct
from tests.story.product import TABLE, Product, Sdk, cut_table, write_problem


def deliver(workspace: Any, dataset: str, name: str, file: str) -> None:
    """Drop a file into the inbox with plain storage code, as azcopy does."""
    container(workspace).upload_blob(f"inbox/{dataset}/{name}", Path(file).read_bytes(), overwrite=True)


def begin(workspace: Any, dataset: str, name: str, file: str) -> str:
    """Upload the blocks of a file and do not commit them yet; returns the name of its blob."""
    content, blob = Path(file).read_bytes(), f"inbox/{dataset}/{name}"
    client = container(workspace).get_blob_client(blob)
    client.stage_block("MQ==", content[: len(content) // 2])
    client.stage_block("Mg==", content[len(content) // 2 :])
    return blob


def commit(workspace: Any, blob: str) -> None:
    """Commit the blocks of a file."""
    from azureml._vendor.azure_storage.blob import BlobBlock

    container(workspace).get_blob_client(blob).commit_block_list([BlobBlock("MQ=="), BlobBlock("Mg==")])


def container(workspace: Any) -> Any:
    """The container of the default datastore."""
    store = workspace.get_default_datastore()
    return store.blob_service.get_container_client(store.container_name)


@pytest.fixture(scope="module")
def product(make_product: MakeProduct, tmp_path_factory: pytest.TempPathFactory) -> Product:
    path = tmp_path_factory.mktemp("retraining") / "retraining.yml"
    return make_product("retraining").with_settings(
        PROBLEM_FILE=write_problem(path, {"series.last_date": None, "series.first_date": None})
    )


def test_a_delivered_file_is_read_when_it_is_whole(product: Product, sdk: Sdk, tmp_path: Path) -> None:
    dataset = product.settings["DATASET_NAME"]
    blob = sdk(begin, dataset, "may.csv", str(cut_table(tmp_path / "may.csv", "2014-04-30")))
    assert product.run("data", "ingest", "--json").document["taken"] == []
    sdk(commit, blob)
    done = product.run("data", "ingest", "--json").document
    assert ([item["version"] for item in done["taken"]], done["created"]) == ([1], [1])
    assert product.run("data", "ingest", "--json").document["taken"] == []


def test_a_file_of_an_unusual_size_waits_for_a_person(product: Product, sdk: Sdk, tmp_path: Path) -> None:
    dataset = product.settings["DATASET_NAME"]
    half, (header, *rows) = tmp_path / "half.csv", TABLE.read_text().splitlines(keepends=True)
    half.write_text("".join([header, *(row for row in rows if "2014-01-31" <= row[:10] <= "2014-05-31")]))
    sdk(deliver, dataset, "half.csv", str(half))
    for said in (product.run("data", "ingest").out, product.run("data", "quarantine").out):
        assert "quarantine half.csv, since 2" in said
        assert "against the last accepted version's" in said
    assert product.run("status", "--json").document["quarantined"][0]["file"] == "half.csv"
    refused = product.run("data", "upload", "--file", half, code=3)
    assert "repeat `data upload` with --reason TEXT" in refused.err
    assert "version 2" in product.run("data", "accept", "half.csv", "--reason", "two shops were closed").out
    assert product.run("data", "quarantine", "--json").document == {"quarantined": []}
