"""Branches, conditions and approvals of the real YAML: the verbs are scripted, so nothing is trained or deployed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.pipelines.run.builds.record import local_person
from tests.pipelines import scripted_verbs
from tests.pipelines.house import House, Ran, copy_repository
from tests.story.product import clean_environment

STAGES = (
    "Validate",
    *(f"{stage}_paid_amount" for stage in ("Publish", "Train", "Production", "Verify", "Schedules")),
)
OK, SKIPPED, FAILED = "Succeeded", "Skipped", "Failed"
BECAUSE = ("-p", "reason=forecasts doubled")
BACK = ("rollback", "-p", "problem=paid_amount", *BECAUSE)
ACCEPTED = {"variables": {"outcome": "accepted", "modelVersion": "7", "decision": "d7"}}
PUBLISHED = {
    "data": {"variables": {"dataVersion": "4"}},
    "publish": {"variables": {"pipelineId": "the-pipeline"}},
}


@dataclass(frozen=True)
class Scripted:
    """A repository whose verbs do as they are told."""

    house: House

    def run(self, pipeline: str, *words: str, **verbs: dict[str, Any]) -> tuple[Ran, list[dict[str, Any]]]:
        """Run a pipeline with verbs that end well unless they are told otherwise; the run and the calls."""
        calls = self.house.tree.with_name("calls.jsonl")
        calls.write_text("")
        (self.house.tree / "script.json").write_text(
            json.dumps({"calls": str(calls), "verbs": {**PUBLISHED, **verbs}})
        )
        ran = self.house.run(pipeline, *words)
        return ran, [json.loads(line) for line in calls.read_text().splitlines()]


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """The repository, and a server that only gives its steps a cloud to sign in to."""
    folder = tmp_path_factory.mktemp("scripted")
    tree, state = copy_repository(folder / "repository"), StateFolder(folder / "state")
    shutil.rmtree(tree / "ml_service")
    (tree / "ml_service").mkdir()
    shutil.copy(Path(scripted_verbs.__file__), tree / "ml_service/__main__.py")
    lifecycle.start(state)
    # The scripted verbs import only the standard library: preloading the SDK would take longer than they do.
    yield Scripted(House(tree, state, clean_environment(tmp_path_factory.mktemp("home")), warm=False))
    lifecycle.stop(state)


def verbs(calls: list[dict[str, Any]]) -> list[str]:
    """Names of the verbs that were called, in their order."""
    return [call["verb"] for call in calls]


def option(calls: list[dict[str, Any]], verb: str, name: str) -> str:
    """What the one call of a verb was given for an option."""
    (words,) = (call["words"] for call in calls if call["verb"] == verb)
    return str(words[words.index(name) + 1])


@pytest.mark.parametrize(
    "queued",
    [
        ("--branch", "topic"),
        pytest.param(("--reason", "PullRequest", "--branch", "topic"), marks=pytest.mark.campaign),
    ],
)
def test_another_branch_and_a_pull_request_deploy_nothing(scripted: Scripted, queued: tuple[str, ...]) -> None:
    ran, calls = scripted.run("release", "--approve", "production", *queued)

    assert (ran.code, ran.stages) == (0, dict(zip(STAGES, [OK, *[SKIPPED] * 5], strict=True)))
    assert verbs(calls) == ["check"]


def test_what_a_stage_found_is_what_the_next_one_takes(scripted: Scripted) -> None:
    ran, calls = scripted.run("release", *BECAUSE, "--approve", "production", run=ACCEPTED)

    assert (ran.code, set(ran.stages.values())) == (0, {OK})
    assert verbs(calls) == ["check", "data", "publish", "run", "release", "verify", "retain", "schedule"]
    assert option(calls, "run", "--why") == option(calls, "release", "--reason") == "forecasts doubled"
    assert option(calls, "publish", "--data-version") == option(calls, "run", "--data-version") == "4"
    assert option(calls, "run", "--pipeline-id") == "the-pipeline"
    assert (option(calls, "release", "--model-version"), option(calls, "release", "--decision")) == ("7", "d7")
    assert option(calls, "release", "--take-over-reason") == "none"


def test_a_run_that_goes_on_is_picked_up_by_the_next_job(scripted: Scripted) -> None:
    going_on = {"variables": {"pending": "true"}}
    ended = {"variables": {"pending": "false", **ACCEPTED["variables"]}}
    ran, calls = scripted.run("release", "--approve", "production", run={"each": [going_on, ended]})

    assert (ran.code, set(ran.stages.values())) == (0, {OK})
    trained = [call["words"] for call in calls if call["verb"] == "run"]
    assert len(trained) == 2
    assert trained[0][:-1] == trained[1][:-1], "the same command, which submits nothing the second time"
    assert ran.jobs["Train_paid_amount.train_3"] == SKIPPED
    assert (option(calls, "release", "--model-version"), option(calls, "release", "--decision")) == ("7", "d7")


def test_a_run_that_never_ends_is_ended_and_red(scripted: Scripted) -> None:
    going_on = {"variables": {"pending": "true"}}
    ran, calls = scripted.run("release", "--approve", "production", run={"each": [going_on, going_on, {"code": 124}]})

    assert (ran.code, ran.stages["Train_paid_amount"], ran.stages["Production_paid_amount"]) == (1, FAILED, SKIPPED)
    last = calls[-1]["words"]
    assert last[last.index("--timeout") + 1] == "40"
    assert "--wait" not in last


def test_a_lease_that_is_refused_hides_no_release(scripted: Scripted) -> None:
    ran, calls = scripted.run("release", "--approve", "production", run=ACCEPTED, retain={"code": 1})

    assert ran.stages["Production_paid_amount"] == OK
    assert (ran.stages["Verify_paid_amount"], verbs(calls)[-2:]) == (FAILED, ["verify", "retain"])


@pytest.mark.campaign
def test_a_release_whose_token_ends_is_undone_and_the_run_is_red(scripted: Scripted) -> None:
    ran, calls = scripted.run("release", "--approve", "production", run=ACCEPTED, release={"code": 1})

    assert (ran.code, ran.stages["Production_paid_amount"]) == (1, FAILED)
    assert verbs(calls)[-2:] == ["release", "rollback"]
    assert option(calls, "rollback", "--to") == "before-this-build"


def test_a_champion_that_is_kept_is_green_and_ends_before_production(scripted: Scripted) -> None:
    kept = {"variables": {"outcome": "kept", "modelVersion": ""}}
    ran, calls = scripted.run("release", "--approve", "production", run=kept)

    assert (ran.code, ran.document["result"]) == (0, OK)
    assert [ran.stages[name] for name in STAGES] == [OK, OK, OK, *[SKIPPED] * 3]
    assert verbs(calls)[-1] == "run"


def test_a_gate_that_fails_is_red_asks_nobody_and_keeps_the_evidence(scripted: Scripted) -> None:
    refused = {"variables": {"outcome": "failed"}, "code": 3}
    ran, calls = scripted.run("release", "--approve", "production", run=refused)

    assert (ran.code, [ran.stages[name] for name in STAGES]) == (1, [OK, OK, FAILED, *[SKIPPED] * 3])
    assert (ran.artifact("evidence-paid_amount-1") / "decision.json").is_file()
    assert verbs(calls)[-1] == "run"


def test_the_verb_learns_who_overrides_and_why_the_run_was_queued(scripted: Scripted) -> None:
    words = ("-p", "overrideReason=the new tariff", "--approve", "production", "--reason", "Schedule")
    ran, calls = scripted.run("retrain", *words, run={"code": 3})

    assert (ran.code, ran.stages["Train_paid_amount"]) == (1, FAILED)
    assert verbs(calls) == ["check", "data", "run"], "what was delivered is taken first"
    assert option(calls, "run", "--pipeline-id") == "default", "a retraining publishes nothing"
    assert option(calls, "run", "--override-by") == local_person()
    assert option(calls, "run", "--override-reason") == "the new tariff"
    assert calls[-1]["BUILD_REASON"] == "Schedule", "by which it refuses"


def test_the_summary_of_several_problems_learns_how_each_training_ended(scripted: Scripted) -> None:
    """Also where a stage broke before it trained; nobody is asked in a dry run."""
    kept = {"variables": {"outcome": "kept", "ended": "kept margin run-1"}}
    words = ("-p", "problems=[paid_amount, units_by_type]", "-p", "dryRun=true")
    ran, calls = scripted.run("retrain", *words, run={"each": [kept, {"code": 1}]}, outcome={"code": 3})

    assert (ran.code, ran.stages["Summary"]) == (1, FAILED)
    told = calls[-1]
    assert (told["verb"], option(calls, "outcome", "--problem")) == ("outcome", "paid_amount,units_by_type")
    names = ("TRAINED_PAID_AMOUNT", "TRAINED_UNITS_BY_TYPE")
    assert {told[name] for name in names} == {"kept margin run-1", ""}


PROPOSED = {"variables": {"deployment": "d1", "modelVersion": "7", "decision": "d7"}}
TAKEN_OVER = ("-p", "takeOverReason=a hotfix on Friday")


def test_a_rollback_that_is_refused_asks_nobody(scripted: Scripted) -> None:
    ran, calls = scripted.run(*BACK, "-p", "to=99", "--reject", "production", propose={"code": 3})

    assert (ran.code, ran.document["rejected"]) == (1, [])
    assert list(ran.stages.values()) == [FAILED, SKIPPED, SKIPPED]
    assert (verbs(calls), option(calls, "propose", "--to")) == (["propose"], "99")


def test_a_rollback_goes_to_the_deployment_on_the_card_with_the_reason(scripted: Scripted) -> None:
    ran, calls = scripted.run(*BACK, *TAKEN_OVER, "--approve", "production", propose=PROPOSED)

    assert (ran.code, verbs(calls)) == (0, ["propose", "rollback", "verify", "retain"])
    assert option(calls, "rollback", "--to") == "d1"
    assert option(calls, "propose", "--reason") == option(calls, "rollback", "--reason") == "forecasts doubled"
    for verb in ("propose", "rollback"):
        assert option(calls, verb, "--take-over-reason") == "a hotfix on Friday", "both reasons are recorded"
    assert (ran.artifact("evidence-paid_amount-1") / "decision.json").is_file()


def test_a_rollback_without_a_reason_is_not_queued(scripted: Scripted) -> None:
    with pytest.raises(AssertionError, match=r"'reason' of .* needs a value"):
        scripted.run("rollback", "-p", "problem=paid_amount", "--approve", "production")


def test_a_redeployment_passes_the_test_service_before_anybody_is_asked(scripted: Scripted) -> None:
    words = ("release", "-p", "redeploy=true", "--approve", "production")
    ran, calls = scripted.run(*words, *BECAUSE, *TAKEN_OVER, propose=PROPOSED)

    assert (ran.code, verbs(calls)) == (0, ["check", "smoke", "propose", "release", "verify", "retain", "schedule"])
    assert option(calls, "propose", "--reason") == option(calls, "release", "--reason") == "forecasts doubled"
    for verb in ("propose", "release"):
        assert option(calls, verb, "--take-over-reason") == "a hotfix on Friday", "both reasons are recorded"
    assert option(calls, "smoke", "--deploy") == option(calls, "propose", "--model-version") == "champion"
    assert (option(calls, "release", "--model-version"), option(calls, "release", "--decision")) == ("7", "d7")

    ran, calls = scripted.run(*words, smoke={"code": 3})
    assert (ran.code, verbs(calls)) == (1, ["check", "smoke"])
    assert ran.stages["Production_paid_amount"] == SKIPPED


def test_a_release_that_fails_in_production_is_undone_by_its_hook(scripted: Scripted) -> None:
    ran, calls = scripted.run("release", "--approve", "production", run=ACCEPTED, release={"code": 3})

    assert (ran.code, ran.stages["Verify_paid_amount"]) == (1, SKIPPED)
    assert verbs(calls)[-2:] == ["release", "rollback"]
    assert option(calls, "rollback", "--to") == "before-this-build"
    assert option(calls, "rollback", "--reason") == "the release of this build has failed"


def test_a_recipe_is_tried_on_a_branch_and_nobody_is_asked(scripted: Scripted) -> None:
    words = ("--branch", "topic", "-p", "dataVersion=3")
    said = {"variables": {"outcome": "accepted", "modelVersion": ""}}
    ran, calls = scripted.run("try", *words, **{"try": said})

    assert (ran.code, ran.stages) == (0, {"Try_paid_amount": OK})
    assert verbs(calls) == ["try"]
    assert option(calls, "try", "--data-version") == "3"
    assert (ran.artifact("try-paid_amount-1") / "decision.json").is_file()


def test_an_audit_exports_the_history_though_the_controls_differ(scripted: Scripted) -> None:
    ran, calls = scripted.run("audit", controls={"code": 3})

    assert (ran.code, ran.stages["Controls"]) == (1, FAILED)
    assert {"controls", "audit", "history"} == set(verbs(calls))
