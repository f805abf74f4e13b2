"""The report of a decision reaches the person who approves, and stays beside the model that it speaks of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.story.conftest import Rehearsed
from tests.story.product import ROOT, Sdk, registered_versions, served


def downloaded(workspace: Any, name: str, version: int, folder: str) -> dict[str, str]:
    """Every file of a registered model version as text."""
    from azureml.core import Model

    Model(workspace, name=name, version=version).download(target_dir=folder, exist_ok=True)
    return {path.name: path.read_text() for path in Path(folder).rglob("*") if path.is_file()}


def tags(workspace: Any) -> dict[str, str]:
    """The workspace's tags."""
    return dict(workspace.tags)


def test_the_report_comes_with_the_evidence_and_says_where_it_was_made(
    rehearsed: Rehearsed, sdk: Sdk, tmp_path: Path
) -> None:
    rehearsed.product.run("run", "--evidence", tmp_path)
    decision, page = (tmp_path / "decision.json").read_text(), (tmp_path / "report.html").read_text()
    context = json.loads(decision)["context"]
    Draft202012Validator(json.loads((ROOT / "docs/decision.schema.json").read_text())).validate(json.loads(decision))
    assert '<header class="verdict kept">' in page
    known = sdk(tags)
    assert known, "a rehearsal's workspace says so by a tag"
    assert context["workspace"]["tags"] == known
    for key, value in known.items():
        assert f"{key}={value}" in page
    assert context["run_id"] in page


def test_the_report_is_registered_beside_its_model(rehearsed: Rehearsed, sdk: Sdk, tmp_path: Path) -> None:
    files = sdk(downloaded, rehearsed.product.settings["MODEL_NAME"], 1, str(tmp_path))
    assert sorted(files) == ["decision.json", "manifest.json", "model.json", "report.html"]
    assert '<header class="verdict accepted">' in files["report.html"]
    assert json.loads(files["manifest.json"])["model_sha256"] in files["report.html"]


@pytest.mark.campaign
def test_a_recipe_is_tried_against_the_champion_and_nothing_changes(
    rehearsed: Rehearsed, sdk: Sdk, tmp_path: Path
) -> None:
    product = rehearsed.product
    name, service = product.settings["MODEL_NAME"], product.settings["TEST_SERVICE_NAME"]
    before = (sdk(registered_versions, name), sdk(served, service), product.run("status", "--json").document["runs"])

    tried = product.run("try", "--evidence", tmp_path, "--json")

    assert [step["name"] for step in tried.document["steps"]] == ["prepare", "train", "evaluate"]
    assert (tried.document["outcome"], tried.document["model"]) == ("kept", None)
    assert "tried: the gate says kept; nothing was registered or deployed" in tried.err
    assert json.loads((tmp_path / "decision.json").read_text())["context"]["champion"]["version"] == "1"
    assert (tmp_path / "report.html").is_file()
    after = (sdk(registered_versions, name), sdk(served, service), product.run("status", "--json").document["runs"])
    assert after == before
