"""A release trains on the table that it has uploaded; and no problem takes over the names of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.story.conftest import MakeProduct, Rehearsed
from tests.story.own_data import write_sales
from tests.story.product import Product, Sdk, copy_tree, cut_table, registered_versions, served

COLUMNS = ("--date", "Day", "--measure", "Units", "--key", "Shop", "--key", "Item")


def endpoint_default(workspace: Any, name: str) -> tuple[str, str]:
    """Id of the pipeline that an endpoint runs, and the endpoint's description."""
    from azureml.pipeline.core import PipelineEndpoint

    found = PipelineEndpoint.get(workspace, name=name)
    return found.get_pipeline().id, found.description


def newest_data(workspace: Any, name: str) -> tuple[int, dict[str, str]]:
    """Newest version of a data set and its tags."""
    from azureml.core import Dataset

    found = Dataset.get_by_name(workspace, name)
    return int(found.version), dict(found.tags)


@pytest.fixture(scope="module")
def older_table(make_product: MakeProduct, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """DATA_FILE is version 1; a shorter table has become version 2 since."""
    product = make_product("table")
    product.run("data", "upload")
    product.run("data", "upload", "--file", cut_table(tmp_path_factory.mktemp("cut") / "cut.csv", "2014-05-31"))
    return product


@pytest.mark.campaign
def test_upload_tells_the_agent_its_version_and_publish_takes_it(older_table: Product, sdk: Sdk) -> None:
    told = older_table.run("data", "upload", "--pipeline-variables").out
    assert "##vso[task.setvariable variable=dataVersion;isOutput=true]1" in told
    published = older_table.run("publish", "--data-version", 1, "--json").document
    assert (published["data_version"], published["other_table"]) == (1, "")
    assert sdk(newest_data, older_table.settings["DATASET_NAME"])[0] == 2
    assert "has no version 9" in older_table.run("publish", "--data-version", 9, code=2).err


@pytest.mark.campaign
def test_publish_alone_takes_the_newest_and_says_so(older_table: Product) -> None:
    said = older_table.with_settings(BUILD_BUILDID="newest").run("publish").out
    name = older_table.settings["DATASET_NAME"]
    assert f"default data {name} version 2" in said
    assert "note: DATA_FILE daily_by_type.csv is version 1, not this one" in said
    assert "publish --data-version 1" in said


@pytest.mark.campaign
def test_rehearse_trains_on_what_it_uploads_or_on_the_version_that_is_asked_for(older_table: Product) -> None:
    ended = older_table.run("rehearse")
    assert f"submitting on data {older_table.settings['DATASET_NAME']} version 1" in ended.err
    assert ended.found(r"default data \S+ version (\d)") == "1"
    again = older_table.run("rehearse", "--data-version", 2)
    assert "version 2, as requested; nothing was uploaded" in again.out
    assert f"submitting on data {older_table.settings['DATASET_NAME']} version 2" in again.err


# Two problems, one set of names.


@pytest.mark.campaign
def test_another_problem_does_not_take_over_names(rehearsed: Rehearsed, sdk: Sdk, tmp_path: Path) -> None:
    tree, table = copy_tree(tmp_path / "tree"), write_sales(tmp_path / "sales.csv")
    sample = rehearsed.product.from_tree(tree)
    name = sample.settings["MODEL_NAME"]
    before = _state(sdk, sample)
    written = sample.run("problems", "new", "energy", *COLUMNS, "--data", table)
    energy = sample.with_settings(PROBLEM_FILE="mlops_code/problems/energy.yml", DATA_FILE=table)
    for words in ("check", "data upload", "publish", "rehearse", "run", "run --unpublished"):
        said = energy.run(*words.split(), code=4).err
        assert "the problem energy would replace objects of the problem paid_amount; nothing was changed" in said
        assert f"model {name} (MODEL_NAME) belongs to the problem paid_amount" in said
        assert f"pipeline endpoint {name}-endpoint (PIPELINE_ENDPOINT_NAME)" in said
        assert f"service {name} (TEST_SERVICE_NAME)" in said
        assert "MODEL_NAME: energy" in said
    for words in ("smoke", f"history --out {tmp_path / 'history'}"):
        said = energy.run(*words.split(), code=4).err
        assert "the settings name the problem energy, and objects of the problem paid_amount" in said
        assert f"model {name} (MODEL_NAME) belongs to the problem paid_amount" in said
    assert not (tmp_path / "history").exists()
    shown = energy.run("status").out
    assert "problem    energy" in shown
    assert f"not its own: model {name} (MODEL_NAME) belongs to the problem paid_amount" in shown
    production = energy.with_settings(
        AZUREML_PRODUCTION_WORKSPACE_NAME="local-production", PRODUCTION_SERVICE_NAME=name
    )
    assert "belongs to the problem paid_amount" in production.run("release", "--model-version", 1, code=4).err
    # Each name by itself is refused too.
    free = dict.fromkeys(("MODEL_NAME", "PIPELINE_ENDPOINT_NAME", "TEST_SERVICE_NAME"), f"{name}-e")
    said = energy.with_settings(**free).run("data", "upload", code=4).err
    assert (
        f"data set {name}, whose table has other columns, (DATASET_NAME) belongs to the problem paid_amount" in said
    )
    free["DATASET_NAME"] = f"{name}-e"
    energy.with_settings(**free).run("data", "upload")
    said = energy.with_settings(**free).run("publish", code=4).err
    assert f"published pipeline {name} (PIPELINE_NAME) belongs to the problem paid_amount" in said
    assert _state(sdk, sample) == before, "nothing was changed"
    block = dict(
        line.strip().split(": ") for line in written.out.splitlines() if line.startswith("  ") and ": " in line
    )
    assert (block["PROBLEM_FILE"], block["DATA_FILE"]) == ("mlops_code/problems/energy.yml", str(table))
    for key in ("MODEL_NAME", "DATASET_NAME", "PIPELINE_NAME", "PIPELINE_ENDPOINT_NAME", "EXPERIMENT_NAME"):
        assert block[key].startswith("energy")
    assert (block["TEST_SERVICE_NAME"], block["PRODUCTION_SERVICE_NAME"]) == ("energy-test", "energy")


def _state(sdk: Sdk, product: Product) -> tuple[Any, ...]:
    settings = product.settings
    return (
        sdk(registered_versions, settings["MODEL_NAME"]),
        sdk(endpoint_default, settings["PIPELINE_ENDPOINT_NAME"]),
        sdk(newest_data, settings["DATASET_NAME"]),
        sdk(served, settings["TEST_SERVICE_NAME"]),
    )


def test_two_problems_may_share_one_table(make_product: MakeProduct) -> None:
    sample = make_product("shared")
    sample.run("data", "upload")
    units = make_product("units").with_settings(
        PROBLEM_FILE="mlops_code/problems/units_by_type.yml", DATASET_NAME=sample.settings["DATASET_NAME"]
    )
    assert "already registered as" in units.run("data", "upload").out
    units.run("check")
