"""The workflows of GitHub Actions do what .pipelines does: the same verbs with the same options, stage by stage."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_service.settings.pipeline_problems import with_names
from tests.sample import ROOT

WORKFLOWS, TEMPLATES = ROOT / ".github/workflows", ROOT / ".pipelines/templates"
STAGES = {
    ("problem", "validate"): "validate.yml",
    ("problem", "publish"): "publish.yml",
    ("train", "train"): "train.yml",
    ("problem", "production"): "production.yml",
    ("problem", "verify"): "verify.yml",
    ("rollback", "propose"): "propose.yml",
    ("rollback", "rollback"): "kinds/rollback.yml",
    ("rollback", "verify"): "verify.yml",
}
# What only Azure DevOps has (a person's reason, override or take-over, a redeployment, schedules), by its template.
NOT_THERE = {
    "train.yml": {"--override-by", "--override-reason", "--pending", "--why"},
    "production.yml": {"--take-over-reason", "schedule"},
    "propose.yml": {"--take-over-reason", "--model-version", "--deploy", "smoke", "propose release"},
    "kinds/rollback.yml": {"--take-over-reason"},
}


def workflow(name: str) -> dict[str, Any]:
    document = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def said(text: str) -> set[str]:
    """Verbs and options of every call of ml_service in a text."""
    found = set()
    for call in re.findall(r"python -m ml_service ((?:[^\n]|\n +(?=--))*)", text):
        words = call.split()
        verb = [word for word in words[:2] if word.isalpha()]
        found |= {" ".join(verb[: 2 if verb[0] in ("data", "propose") else 1])}
        found |= {word for word in words if word.startswith("--")}
    return found


@pytest.mark.parametrize("place", STAGES, ids=" ".join)
def test_a_job_calls_the_verbs_of_its_stage(place: tuple[str, str]) -> None:
    name, job = place
    steps = workflow(name)["jobs"][job]["steps"]
    here = said("\n".join(f"{step['run']}\n" for step in steps if "run" in step))
    there = said((TEMPLATES / STAGES[place]).read_text(encoding="utf-8"))
    assert here == there - NOT_THERE.get(STAGES[place], set())


def test_what_deploys_waits_for_the_environment_and_for_others() -> None:
    release, rollback = workflow("problem")["jobs"]["production"], workflow("rollback")["jobs"]["rollback"]
    assert release["environment"] == rollback["environment"] == "production"
    assert release["concurrency"] == {"group": "production-${{ inputs.problem }}", "cancel-in-progress": False}
    assert "concurrency" not in rollback, "a release that comes later would cancel it while it waits"
    jobs = {**workflow("problem")["jobs"], **workflow("rollback")["jobs"]}
    assert {job for job, found in jobs.items() if found.get("environment") == "production"} == {
        "production",
        "rollback",
    }


def test_what_deploys_can_read_who_has_approved_it() -> None:
    for name, job in (("problem", "production"), ("rollback", "rollback")):
        deploying = workflow(name)["jobs"][job]
        steps = [
            step for step in deploying["steps"] if re.search("ml_service (release|rollback)", step.get("run", ""))
        ]
        assert steps
        for step in steps:
            assert step["env"]["SYSTEM_STAGENAME"] == deploying["environment"]
            assert step["env"]["GITHUB_TOKEN"] == "${{ github.token }}"


def test_train_waits_in_jobs_that_sign_in_anew() -> None:
    jobs = workflow("problem")["jobs"]
    waits = [jobs[name]["with"]["until"] for name in ("train", "train_2", "train_3")]
    assert waits == re.findall(r"until: (--\w+ \d+)", (TEMPLATES / "train.yml").read_text(encoding="utf-8"))
    assert workflow("train")["jobs"]["train"]["timeout-minutes"] <= 60, "as long as a token lasts"
    for before, job in (("train", "train_2"), ("train_2", "train_3")):
        assert jobs[job]["uses"] == jobs["train"]["uses"] == "./.github/workflows/train.yml"
        assert f"needs.{before}.outputs.pending == 'true'" in jobs[job]["if"]
        assert before in jobs[job]["needs"]
    for said in (jobs["production"]["if"], str(jobs["production"]["steps"])):
        assert all(f"needs.{name}.outputs." in said for name in ("train", "train_2", "train_3"))


@pytest.mark.parametrize("file", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_has_the_least_rights_and_puts_no_input_into_a_script(file: Path) -> None:
    document = workflow(file.stem)
    rights = {("actions", "read"), ("contents", "read"), ("id-token", "write")}
    assert set(document["permissions"].items()) <= rights
    assert ("actions" in document["permissions"]) == (file.stem not in ("pr", "template")), "to read who has approved"
    assert ("id-token" in document["permissions"]) == (file.stem not in ("pr", "template"))
    for job in document["jobs"].values():
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", ""), "values reach a script by its environment"


def test_the_same_problems_run_on_both() -> None:
    for name in ("release", "retrain"):
        pipeline = (ROOT / f".pipelines/{name}.yml").read_text(encoding="utf-8")
        jobs = workflow(name)["jobs"]
        assert jobs["problem"]["strategy"]["matrix"]["problem"] == "${{ fromJSON(needs.problems.outputs.names) }}"
        assert jobs["problems"]["steps"][-1]["run"] == '.ci/problems >> "$GITHUB_OUTPUT"'
        assert "  default: [all]\n" in pipeline
    schedule = workflow("retrain")["on"]["schedule"]
    assert f"- cron: {schedule[0]['cron']}\n" in (ROOT / ".pipelines/retrain.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [["bakery"], ["bakery", "units_by_type"]])
def test_a_workflow_reads_the_list_of_problems(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/problems", tmp_path / ".ci")
    settings = (ROOT / "variables.yml").read_text(encoding="utf-8")
    (tmp_path / "variables.yml").write_text(with_names(settings, names), encoding="utf-8")
    said = subprocess.run([tmp_path / ".ci/problems"], capture_output=True, text=True, check=True).stdout
    assert json.loads(said.removeprefix("names=")) == names


@pytest.mark.parametrize(("name", "file", "count"), [("pr", "pr", 9), ("template", "templates/template_jobs", 3)])
def test_a_pull_request_runs_the_same_checks(name: str, file: str, count: int) -> None:
    text = (ROOT / f".pipelines/{file}.yml").read_text(encoding="utf-8")
    lines = [step["run"] for job in workflow(name)["jobs"].values() for step in job["steps"] if "run" in step]
    assert len(lines) == count
    assert [line for line in lines if line not in text] == []
