"""What the product promises, and what local_azure assumes of the service, asked of the workspace in the settings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.story.product import STEPS, Ended, Product, champions, registered_versions, served

pytestmark = pytest.mark.timeout(4 * 3600)


@pytest.fixture
def run(workspace: Any, product: Product, rehearsed: Ended) -> Any:
    """The pipeline run of the rehearsal."""
    from azureml.core import Experiment
    from azureml.pipeline.core import PipelineRun

    run_id = rehearsed.found(r"^run +(\S+) Finished")
    return PipelineRun(Experiment(workspace, product.settings["EXPERIMENT_NAME"]), run_id)


def test_the_whole_way(workspace: Any, product: Product, rehearsed: Ended) -> None:
    name = product.settings["MODEL_NAME"]
    assert rehearsed.found(rf"^endpoint +{name}-endpoint (.*)$") == "[Active] version 0"
    assert rehearsed.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    assert list(registered_versions(workspace, name)) == champions(workspace, name) == [1]
    assert served(workspace, name) == ("Healthy", [1])


def test_the_agent_deploys_for_test_too(workspace: Any, product: Product, rehearsed: Ended) -> None:
    """F6: the whole way has deployed with the token of a step; this is what `TEST_DEPLOYMENT: agent` does."""
    product.run("smoke", "--deploy", "1")

    assert served(workspace, product.settings["MODEL_NAME"]) == ("Healthy", [1])


def test_the_published_run_has_finished_with_all_steps(run: Any) -> None:
    assert run.get_status() == "Finished"
    assert {step.name: step.get_status() for step in run.get_steps()} == dict.fromkeys(STEPS, "Finished")


def test_an_unchanged_run_reuses_training_and_keeps_the_champion(product: Product, rehearsed: Ended) -> None:
    again = product.run("run", "--json").document
    assert [step["name"] for step in again["steps"] if step["reused"]] == ["prepare", "train"]
    assert (again["outcome"], again["reason"]) == ("kept", "no-new-data")


def test_exactly_three_steps(product: Product, rehearsed: Ended) -> None:
    three = product.with_settings(BUILD_BUILDID="three")
    three.run("publish", "--steps", "train,register,deploy")
    ended = three.run("run", "--json").document
    assert sorted(step["name"] for step in ended["steps"]) == ["deploy", "register", "train"]


def test_a_property_of_a_run_is_written_once(run: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)propert"):
        run.add_properties({"outcome": "another"})
    assert run.get_properties()["outcome"] == "accepted"


def test_a_finished_run_takes_a_new_property(run: Any) -> None:
    run.add_properties({"proof": "later"})
    assert run.get_properties()["proof"] == "later"


def test_a_model_in_service_is_not_deleted(workspace: Any, product: Product, rehearsed: Ended) -> None:
    from azureml.core import Model

    with pytest.raises(Exception, match=r"(?i)service|deploy|conflict"):
        Model(workspace, product.settings["MODEL_NAME"], version=1).delete()
    assert list(registered_versions(workspace, product.settings["MODEL_NAME"])) == [1]
