"""Retraining by itself: files in the inbox, schedules that fire, the gate, quarantine, a person's decision."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def drop_markers(workspace: Any, dataset: str, names: list[str]) -> None:
    """Say that a delivery is complete, several times at the same moment."""
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: container(workspace).upload_blob(f"ready/{dataset}/{name}", b"ok"), names))


def ended_runs(workspace: Any, experiment: str, count: int) -> list[dict[str, str]]:
    """The properties of the runs of an experiment when so many have ended, the oldest first."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        found = list(workspace.experiments[experiment].get_runs()) if experiment in workspace.experiments else []
        if len([run for run in found if run.status in ("Completed", "Finished", "Failed", "Canceled")]) >= count:
            return [{"status": run.status, **run.properties} for run in reversed(found)]
        time.sleep(0.5)
    raise AssertionError(f"{len(found)} runs began, and fewer than {count} have ended")


@pytest.fixture(scope="module")
def product(make_product: MakeProduct, tmp_path_factory: pytest.TempPathFactory) -> Product:
    path = tmp_path_factory.mktemp("retraining") / "retraining.yml"
    write_problem(path, {"series.last_date": None, "series.first_date": None})
    schedule = {
        "recurrence": {"every": "week", "days": ["Monday"], "at": "05:00"},
        "on_data": True,
        "poll_minutes": 1,
    }
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "schedule": schedule}))
    return make_product("retraining").with_settings(PROBLEM_FILE=path)


def test_a_delivered_file_is_read_when_it_is_whole(product: Product, sdk: Sdk, tmp_path: Path) -> None:
    dataset = product.settings["DATASET_NAME"]
    blob = sdk(begin, dataset, "may.csv", str(cut_table(tmp_path / "may.csv", "2014-04-30")))
    assert product.run("data", "ingest", "--json").document["taken"] == []
    sdk(commit, blob)
    done = product.run("data", "ingest", "--json").document
    assert ([item["version"] for item in done["taken"]], done["created"]) == ([1], [1])
    assert product.run("data", "ingest", "--json").document["taken"] == []


def test_schedules_are_applied_once(product: Product) -> None:
    kinds = [("data", "active", "created"), ("recurrence", "active", "created")]
    for _ in range(2):
        found = product.run("schedule", "apply", "--json").document["schedules"]
        assert [(item["kind"], item["state"], item["did"]) for item in found] == kinds
        kinds = [(kind, state, "unchanged") for kind, state, _ in kinds]


def test_two_markers_in_the_same_second_start_one_training(product: Product, sdk: Sdk) -> None:
    sdk(drop_markers, product.settings["DATASET_NAME"], ["may-1", "may-2"])
    runs = sdk(ended_runs, product.settings["EXPERIMENT_NAME"], 2)
    assert sorted(run["reason"] for run in runs) == ["another-run", "first-model"]
    assert {run["status"] for run in runs} <= {"Completed", "Finished"}
    assert [run["data_version"] for run in runs] == ["1", "1"]


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
