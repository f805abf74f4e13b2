"""Where the settings say so, the agent deploys an accepted model to the test service, and no step of the pipeline."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from azure_ml.models.versions import ModelVersion
from azure_ml.pipelines.runs import StepState
from ml_service.errors import CheckFailedError
from ml_service.output.console import Terminal
from ml_service.training import ownership
from ml_service.training.runs import run as module
from ml_service.training.runs.ending import ending
from ml_service.training.runs.follow import Followed
from ml_service.training.runs.outcome import Outcome
from ml_service.training.runs.result import RunResult
from tests.unit.ml_service.conftest import MakeSettings

Case = tuple[dict[str, str], str, int, list[str], list[int]]
"""Settings, last step of the run, version; what is deployed and what becomes champion."""


@dataclass
class Service:
    """What a run does with the test service, in memory."""

    deployed: list[str] = field(default_factory=list)
    champions: list[int] = field(default_factory=list)
    trouble: Exception | None = None
    newest: int = 7

    def deploy(self, _: object, settings: object, problem: str, version: str, **more: object) -> None:
        """Note a deployment, or fail."""
        if self.trouble:
            raise self.trouble
        self.deployed.append(version)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    versions = [ModelVersion(None, "unit", service.newest, tags={}, properties={})]
    ours = SimpleNamespace(problem="unit")
    monkeypatch.setattr(module, "deploy_for_test", service.deploy)
    monkeypatch.setattr(module, "find_versions", lambda *_: versions)
    monkeypatch.setattr(ownership, "demand_ours", lambda *_: ours)
    monkeypatch.setattr(module, "make_champion", lambda _, __, version, *___: service.champions.append(version))
    return service


def _accepted(step: str, version: int = 7) -> RunResult:
    model = ModelVersion(None, "unit", version, tags={}, properties={})
    steps = (StepState(step, "Finished", 1.25, False, "step-1"),)
    return RunResult(
        "run-1", "unit", "http://p", Followed("Finished", steps, 2.0), Outcome("accepted", "", None, model), None, ()
    )


@pytest.mark.parametrize(
    "case",
    [
        ({}, "register", 7, ["7"], [7]),
        ({"AZUREML_PRODUCTION_WORKSPACE_NAME": "prod"}, "register", 7, ["7"], []),
        ({}, "deploy", 7, [], []),
        ({"TEST_DEPLOYMENT": "step"}, "register", 7, [], []),
        ({}, "register", 6, [], []),
    ],
    ids=["agent", "agent, production", "the step did", "the step does", "an older run that is followed"],
)
def test_the_agent_deploys_for_test_what_no_step_does(
    case: Case, service: Service, make_settings: MakeSettings
) -> None:
    settings, step, version, deployed, champions = case
    told = Terminal(out=io.StringIO())

    result = module._deployed_for_test(None, make_settings(settings), told, _accepted(step, version))  # type: ignore[arg-type]

    assert (service.deployed, service.champions) == (deployed, champions)
    assert result.is_deployed == (bool(deployed) or step == "deploy")
    assert result.exit_code == 0


def test_a_deployment_for_test_that_fails_makes_the_run_red(service: Service, make_settings: MakeSettings) -> None:
    service.trouble = CheckFailedError("service unit-test answers otherwise", todo="correct the scoring script")

    result = module._deployed_for_test(None, make_settings({}), Terminal(out=io.StringIO()), _accepted("register"))  # type: ignore[arg-type]

    closing = ending(result, make_settings({}))
    assert (result.exit_code, result.is_deployed, service.champions) == (3, False, [])
    assert "registered, but not deployed to the test service" in closing.happened
    assert closing.todo == "correct the scoring script"
