"""Another table has become the newest data version: a release trains on its own commit's all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import StateFolder
from tests.pipelines.house import House, copy_repository
from tests.story.product import clean_environment, cut_table

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A repository with the files of this one, and a server of its own."""
    state = StateFolder(tmp_path / "state")
    lifecycle.start(state)
    (tmp_path / "home").mkdir()
    yield House(copy_repository(tmp_path / "repository"), state, clean_environment(tmp_path / "home"))
    lifecycle.stop(state)


def test_a_release_trains_on_the_table_of_its_commit_and_a_retraining_on_the_newest(
    house: House, tmp_path: Path
) -> None:
    upload = ("data", "upload", "--json")
    own = house.product.run(*upload).document
    other = house.product.run(*upload, "--file", cut_table(tmp_path / "other.csv", "2014-05-31")).document
    assert (own["version"], other["version"]) == (1, 2)

    released = house.run("release", "--reject", "production")
    assert "default data paid-amount-transactions version 1" in released.log("Publish_paid_amount.publish")
    decision = json.loads((released.artifact("evidence-paid_amount-1") / "decision.json").read_text())
    assert decision["evidence"]["data"]["data_sha256"] == own["sha256"]

    retrained = house.run("retrain", "--reject", "production", "--reason", "Schedule")
    decision = json.loads((retrained.artifact("evidence-paid_amount-1") / "decision.json").read_text())
    assert decision["evidence"]["data"]["data_sha256"] == other["sha256"]
