"""What must hold for every pipeline, whatever the parameters: read from the expansions and from the files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.language.tree import to_plain
from ml_service.azure_devops.controls.declared import read_declared
from ml_service.settings.variables import load
from tests.pipelines.golden import CASES, PIPELINES, ROOT, Case

SOURCES = sorted(PIPELINES.rglob("*.yml"))
LONGEST_LABEL = 55
Step = dict[str, Any]
Job = dict[str, Any]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PIPELINES)))
ROOT_FOLDERS_OF_A_RELEASE = {".ci", ".pipelines", "data", "environments", "ml_service", "mlops_code", "requirements"}


@cache
def _stages(name: str) -> list[dict[str, Any]]:
    case = next(case for case in CASES if case.name == name)
    plain = to_plain(case.expanded().tree)
    assert isinstance(plain, dict)
    found = plain["stages"]
    assert isinstance(found, list)
    return found


def stages(case: Case) -> list[dict[str, Any]]:
    """The stages of a case, steps as they were written."""
    return _stages(case.name)


def _connections(case: Case) -> set[str]:
    """The values of the service connections in the expanded pipeline."""
    plain = to_plain(case.expanded().tree)
    assert isinstance(plain, dict)
    return {item["value"] for item in plain["variables"] if item["name"].endswith("_CONNECTION")}


def jobs(case: Case) -> Iterator[Job]:
    """Every job of a case."""
    for stage in stages(case):
        yield from stage["jobs"]


def steps(job: Job) -> list[Step]:
    """Every step of a job, in all hooks of a deployment."""
    found: list[Step] = list(job.get("steps", []))
    hooks = job.get("strategy", {}).get("runOnce", {})
    for hook in (hooks.get("deploy", {}), *hooks.get("on", {}).values()):
        found += hook.get("steps", [])
    return found


def scripts(job: Job) -> list[str]:
    """Every script of a job."""
    return [
        text for step in steps(job) for text in (step.get("bash"), step.get("inputs", {}).get("inlineScript")) if text
    ]


@every_case
def test_images_are_pinned_and_everything_ends_in_time(case: Case) -> None:
    for job in jobs(case):
        assert job["pool"] == {"vmImage": "ubuntu-24.04"}, job
        assert 0 < int(job["timeoutInMinutes"]) <= 180, job
        assert int(job["cancelTimeoutInMinutes"]) > 0, job
        for step in steps(job):
            if step.get("task") == "AzureCLI@2":
                assert 0 < int(step["timeoutInMinutes"]) <= int(job["timeoutInMinutes"]), step


@every_case
def test_every_step_that_signs_in_is_one_line_of_ml_service(case: Case) -> None:
    for job in jobs(case):
        for step in steps(job):
            if step.get("task") != "AzureCLI@2":
                continue
            inputs = step["inputs"]
            assert re.fullmatch(r"python -m ml_service [^\n;&|]+", inputs["inlineScript"]), step
            assert (inputs["scriptType"], inputs["scriptLocation"]) == ("bash", "inlineScript")
            # Known before the run starts, which is when the service asks whether the pipeline may use the connection.
            assert inputs["azureSubscription"] in _connections(case)


@every_case
def test_what_changes_production_is_a_deployment_on_an_environment(case: Case) -> None:
    for stage in stages(case):
        for job in stage["jobs"]:
            changing = [text for text in scripts(job) if re.search(r"ml_service (release|rollback)", text)]
            assert bool(changing) == ("deployment" in job), job
            if not changing:
                continue
            assert job["environment"] == "production"
            assert stage["lockBehavior"] == "sequential"
            assert {"download": "none"} in steps(job)
            assert "refs/heads/main" in stage["condition"]


@every_case
def test_a_deployment_that_fails_is_undone(case: Case) -> None:
    for job in jobs(case):
        if job.get("deployment") == "release":
            failure = job["strategy"]["runOnce"]["on"]["failure"]["steps"]
            assert "ml_service rollback --to before-this-build --reason " in failure[-1]["inputs"]["inlineScript"]


TRAINING, PRODUCTION = (
    "service connection of the training workspace",
    "service connection of the production workspace",
)
READER, TRIAL = "service connection that reads both workspaces", "service connection for trials"
CONNECTIONS = {
    "Validate": {READER},
    "Publish": {TRAINING},
    "Train": {TRAINING},
    "Propose": {TRAINING, READER},
    "Production": {PRODUCTION},
    "Rollback": {PRODUCTION},
    "Verify": {READER},
    "Schedules": {TRAINING},
    "Summary": {READER},
    "Audit": {READER},
    "Try": {TRIAL},
    "Controls": set(),
}
"""What signs in to Azure in each stage: what only reads has a connection that cannot write."""


@every_case
def test_a_stage_signs_in_with_no_more_than_it_needs(case: Case) -> None:
    for stage in stages(case):
        signing = (step for job in stage["jobs"] for step in steps(job) if step.get("task") == "AzureCLI@2")
        used = {step["inputs"]["azureSubscription"].strip("<>") for step in signing}
        assert used <= CONNECTIONS.get(stage["stage"].partition("_")[0], set()), stage["stage"]


@every_case
def test_a_lease_is_asked_for_after_the_check_and_without_a_connection(case: Case) -> None:
    for job in jobs(case):
        found = [text for text in scripts(job) if re.search(r"ml_service (verify|retain|release)", text)]
        if any("ml_service retain" in text for text in found):
            assert [text.split()[3] for text in found] == ["verify", "retain"]
            assert next(step for step in steps(job) if "retain" in str(step.get("bash")))["condition"] == (
                "succeededOrFailed()"
            )


@pytest.mark.parametrize("name", ["release", "retrain", "rollback", "try", "audit"])
def test_what_signs_in_extends_the_required_template_which_takes_no_steps(name: str) -> None:
    document = yaml.load((PIPELINES / f"{name}.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    required = yaml.load((PIPELINES / "templates/governed.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    declared = read_declared()

    assert document["extends"]["template"] == "templates/governed.yml"
    assert document["extends"]["parameters"]["kind"] == name
    assert not {"stages", "jobs", "steps", "variables", "resources"} & set(document)
    assert {parameter["type"] for parameter in required["parameters"]} == {"string", "boolean", "object"}
    assert declared.pipelines[name] == f".pipelines/{name}.yml"
    resources = (*declared.environments.values(), *declared.connections.values())
    templates = {one.checks.required_template.path for one in resources if one.checks.required_template}
    assert templates == {".pipelines/templates/governed.yml"}


def test_a_waiting_approval_blocks_no_later_merge_and_stages_wait_for_a_lock() -> None:
    case = next(case for case in CASES if case.name == "release-by-a-merge")
    plain = to_plain(case.expanded().tree)
    assert isinstance(plain, dict)

    assert "batch" not in plain["trigger"]
    assert plain["lockBehavior"] == "sequential"
    declared = read_declared()
    assert declared.connections["TRAINING_CONNECTION"].checks.exclusive_lock
    assert declared.environments["production"].checks.exclusive_lock


@pytest.mark.parametrize("case", [case for case in CASES if case.pipeline == "rollback"], ids=lambda case: case.name)
def test_a_rollback_deploys_what_the_card_has_shown(case: Case) -> None:
    ((proposed,), (deployed,)) = (stage["jobs"] for stage in stages(case)[:2])
    given = {item["name"]: item["value"] for item in deployed["variables"]}

    assert "environment" not in proposed
    assert given["ROLLBACK_TO"] == "$[ stageDependencies.Propose_paid_amount.propose.outputs['propose.deployment'] ]"
    assert given["REASON"] == case.parameters["reason"]


@every_case
def test_no_script_holds_foreign_text_or_prints_its_environment(case: Case) -> None:
    for job in jobs(case):
        for text in scripts(job):
            assert "$(" not in text, text
            assert not re.search(r"\bprintenv\b|\bset -[a-z]*x|\bexport -p\b|^\s*env\b|\|\| true", text, re.M), text


@every_case
def test_only_who_has_queued_the_run_overrides_the_gate(case: Case) -> None:
    for job in jobs(case):
        values = {item["name"]: item["value"] for item in job.get("variables", [])}
        if "OVERRIDE_REASON" in values:
            given = case.parameters.get("overrideReason", "none")
            by = "none" if given == "none" else "$(Build.RequestedFor)"
            assert (values["OVERRIDE_REASON"], values["OVERRIDE_BY"]) == (given, by)
        else:
            assert not any("--override" in text for text in scripts(job)), job


@pytest.mark.parametrize(("reason", "refused"), [("the new tariff", True), ("none", False)])
def test_a_redeployment_with_an_override_is_refused_before_anything_runs(reason: str, *, refused: bool) -> None:
    queued = Case("both", "release", {"redeploy": "true", "overrideReason": reason})
    said = [str(problem) for problem in check(queued.file, queued.parameters, queued.facts)[1]]
    assert any("overrideReasonWithRedeploy" in fault for fault in said) == refused


@pytest.mark.parametrize("source", sorted(PIPELINES.glob("*.yml")), ids=lambda path: path.stem)
def test_labels_of_parameters_are_short_and_say_one_thing(source: Path) -> None:
    """Azure DevOps shows them above the fields of the dialog that queues a run; details are comments."""
    parameters = yaml.safe_load(source.read_text(encoding="utf-8")).get("parameters", [])
    labels = [item["displayName"] for item in parameters]
    assert [label for label in labels if len(label) > LONGEST_LABEL or ";" in label] == []
    assert len(set(labels)) == len(labels)


@every_case
def test_stages_say_what_they_need_and_conditions_keep_the_default(case: Case) -> None:
    for stage in stages(case):
        assert "dependsOn" in stage, stage["stage"]
        for condition in [
            stage.get("condition"),
            *(step.get("condition") for job in stage["jobs"] for step in steps(job)),
        ]:
            assert condition is None or re.match(r"(and\()?succeeded(OrFailed)?\(\)", condition), condition


@every_case
def test_the_gate_cannot_be_unticked(case: Case) -> None:
    for stage in stages(case):
        if stage["stage"].startswith(("Validate", "Publish", "Train", "Propose", "Verify")):
            assert stage["isSkippable"] == "false", stage["stage"]


@every_case
def test_the_repository_is_checked_out_without_credentials(case: Case) -> None:
    for job in jobs(case):
        for step in steps(job):
            if "checkout" in step:
                assert (step["persistCredentials"], step["clean"]) == ("false", "true")


@every_source
def test_no_secret_and_no_floating_name(source: Any) -> None:
    text = source.read_text(encoding="utf-8")

    assert not re.search(r"latest|:\s*master\b|continueOnError", text)
    assert not re.search(r"(?i)password|secret|client_?key|\bsas\b", text)
    for line in text.splitlines():
        if "AccessToken" in line:
            assert line.strip() == "SYSTEM_ACCESSTOKEN: $(System.AccessToken)"


@every_source
def test_parameters_are_typed(source: Any) -> None:
    document = yaml.load(source.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    for parameter in document.get("parameters", []):
        assert {"name", "type"} <= set(parameter), parameter


@pytest.mark.parametrize("name", ["pr", "release", "retrain", "rollback", "try", "audit"])
def test_settings_come_from_variables_yml(name: str) -> None:
    document = yaml.load((PIPELINES / f"{name}.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    required = yaml.load((PIPELINES / "templates/governed.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)

    assert "variables" not in document
    assert required["variables"] == [{"template": "../../variables.yml"}]
    assert document["trigger"] == "none" or name == "release"


# What a build gets for each shipped problem; the rule is in ml_service/settings/names.py.
NAMES = {
    "paid_amount": ("paid-amount", "paid-amount-transactions", "daily_by_type.csv"),
    "units_by_type": ("units-by-type", "paid-amount-transactions", "daily_by_type.csv"),
    "product_sales": ("product-sales", "product-sales", "daily_sales_by_product.csv"),
}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("release-two-problems", "paid_amount"),
        ("release-two-problems", "units_by_type"),
        ("release-of-another-table", "product_sales"),
    ],
)
def test_every_stage_of_a_problem_gets_its_names_and_its_table(
    name: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(case for case in CASES if case.name == name)
    root = to_plain(case.expanded().tree)
    assert isinstance(root, dict)
    of_problem = [stage for stage in stages(case) if stage["stage"].endswith(f"_{problem}")]
    names = ["Publish", "Train", "Production", "Verify", "Schedules"]
    assert [stage["stage"].partition("_")[0] for stage in of_problem] == names
    stem, dataset, table = NAMES[problem]
    for stage in of_problem:
        assert [item["name"] for item in stage["variables"]] == ["PROBLEM_FILE"]
        for item in (*root["variables"], *stage["variables"]):
            value = "unit" if item["value"].startswith("<") else item["value"]
            monkeypatch.setenv(item["name"], value)
        found = load()
        assert found.problem_file == ROOT / f"mlops_code/problems/{problem}.yml"
        assert (found.dataset_name, found.data_file) == (dataset, ROOT / "data/adventureworks" / table)
        assert (found.model_name, found.experiment_name, found.production_service_name) == (stem, stem, stem)
        assert (found.pipeline_name, found.test_service_name) == (f"{stem}-training", f"{stem}-test")
        assert found.pipeline_endpoint_name == f"{stem}-training-endpoint"
        assert found.data_file.is_file()


LONGEST_WITH_ONE_TOKEN = 30  # minutes; an access token lasts 60, and the step is not the first of its job


@every_case
def test_a_long_step_keeps_its_sign_in(case: Case) -> None:
    for job in jobs(case):
        for step in steps(job):
            if step.get("task") == "AzureCLI@2" and int(step["timeoutInMinutes"]) > LONGEST_WITH_ONE_TOKEN:
                assert step["inputs"].get("keepAzSessionActive") == "true", step


def test_the_audit_publishes_what_it_has_found_also_where_it_found_tampering() -> None:
    compared, exported = jobs(next(case for case in CASES if case.pipeline == "audit"))

    assert "ml_service controls verify" in steps(compared)[-2]["bash"]
    assert "ml_service history" in steps(exported)[-2]["inputs"]["inlineScript"]
    assert {steps(job)[-1]["condition"] for job in (compared, exported)} == {"succeededOrFailed()"}


def test_a_pull_request_signs_in_nowhere() -> None:
    case = next(case for case in CASES if case.pipeline == "pr")

    assert {step.get("task") for job in jobs(case) for step in steps(job)} == {
        None,
        "UsePythonVersion@0",
        "PublishCodeCoverageResults@2",
    }
    assert all("deployment" not in job for job in jobs(case))


def test_retraining_runs_by_schedule_though_no_code_has_changed() -> None:
    plain = to_plain(next(case for case in CASES if case.name == "retrain-by-schedule").expanded().tree)
    assert isinstance(plain, dict)

    (schedule,) = plain["schedules"]
    # `always` overrides `batch`, which would promise what the service does not do.
    assert schedule["always"] == "true"
    assert "batch" not in schedule
    assert schedule["branches"] == {"include": ["main"]}


def test_a_merge_releases_only_if_it_changes_what_a_release_reads() -> None:
    document = yaml.load((PIPELINES / "release.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {path.split("/")[0] for path in listed.splitlines() if "/" in path}

    excluded = {path for path in document["trigger"]["paths"]["exclude"] if (ROOT / path).is_dir()}

    assert excluded == folders - ROOT_FOLDERS_OF_A_RELEASE
