"""Code that somebody deployed over the service of production by hand is noticed, not replaced, and taken over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_service.training.snapshots import assemble_scoring
from tests.story.product import Product, Sdk
from tests.story.production import (
    PRODUCTION,
    SCORING,
    Shop,
    agreed,
    edited,
    in_production,
    serving,
)

pytestmark = [pytest.mark.slow, pytest.mark.campaign]


def deploy_by_hand(workspace: Any, name: str, scoring: str, environment: str) -> None:
    """Deploy another scoring folder over the production service, with its model, tags and properties."""
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice, Webservice

    production = in_production(workspace)
    found = Webservice(production, name)
    settings = AciWebservice.deploy_configuration(
        cpu_cores=0.5, memory_gb=1, auth_enabled=True, tags=found.tags, properties=found.properties
    )
    conda = Environment.from_conda_specification("forecast-scoring", environment)
    inference = InferenceConfig(entry_script="score.py", source_directory=scoring, environment=conda)
    Model.deploy(production, name, found.models, inference, settings, overwrite=True).wait_for_deployment()


def remove_tags(workspace: Any, name: str) -> None:
    """Let the production service say nothing of who made it."""
    from azureml.core.webservice import Webservice

    Webservice(in_production(workspace), name).update(tags={})


TAKE_OVER = ("--take-over", "--reason", "a hotfix on Friday")


def change_by_hand(name: str, sdk: Sdk, folder: Path) -> None:
    """Deploy code whose answers are right for 28 days only, with all that the service said of itself before."""
    tree = edited(
        folder / "tree", SCORING, '"value": value}', '"value": value * (1 if question.horizon == 28 else 3)}'
    )
    scoring = assemble_scoring(folder / "scoring", tree / "mlops_code")
    before = sdk(serving, name)
    sdk(deploy_by_hand, name, str(scoring.folder), str(scoring.environment))
    now = sdk(serving, name)
    assert (now["labels"], now["versions"]) == (before["labels"], before["versions"])


def refuses_what_was_changed_by_hand(product: Product, name: str, words: str) -> None:
    """Run a verb that must not touch the service."""
    refused = product.run(*words.split(), code=4).err
    assert f"service {name} in workspace {PRODUCTION} was changed by hand" in refused, words


def test_code_that_is_deployed_by_hand_is_noticed_and_taken_over(
    shop: Shop, name: str, sdk: Sdk, tmp_path: Path
) -> None:
    product = shop.product
    change_by_hand(name, sdk, tmp_path)
    labels = sdk(serving, name)["labels"]
    assert "service_updated" in product.run("verify", "--horizon", 28, code=3).err
    assert "DIFFERS: service" in product.run("status", code=3).out
    found = product.run("audit", "verify", "--json", code=3).document["findings"]
    assert [finding["code"] for finding in found] == ["service-changed"]
    asked = datetime.now(UTC).isoformat(timespec="seconds")
    (answer,) = product.run("audit", "at", "--date", asked, "--json", code=3).document["answers"]
    assert (answer["status"], "changed by hand" in answer["why"]) == ("unknown", True)
    refuses_what_was_changed_by_hand(product, name, "rollback --to previous --reason worse")
    assert sdk(serving, name)["labels"] == labels, "nothing was changed"
    taken = product.run("release", "--model-version", "champion", *TAKE_OVER)
    assert "taking over service" in taken.err
    agreed(product, sdk, tmp_path / "after")
    last = json.loads((tmp_path / "after/releases.json").read_text())["releases"][0]
    assert (last["take_over"], last["intact"]) == ("a hotfix on Friday", True)
    (answer,) = product.run("audit", "at", "--date", asked, "--json", code=3).document["answers"]
    assert "replaced it" in answer["why"], "the record of the take-over tells since when"


def test_every_verb_refuses_code_that_was_deployed_by_hand_and_each_can_take_it_over(
    shop: Shop, name: str, sdk: Sdk, tmp_path: Path
) -> None:
    product = shop.product
    change_by_hand(name, sdk, tmp_path)
    labels = sdk(serving, name)["labels"]
    for words in (
        "rollback --to 2 --reason worse",
        "release --model-version 2",
        "release --model-version champion",
    ):
        refuses_what_was_changed_by_hand(product, name, words)
    assert sdk(serving, name)["labels"] == labels, "nothing was changed"
    sdk(remove_tags, name)
    assert "was not deployed by a release" in product.run("rollback", "--to", 2, "--reason", "worse", code=4).err
    product.run("rollback", "--to", 2, *TAKE_OVER)
    agreed(product, sdk, tmp_path / "tagged")
