"""What can be queued from a form: pipelines that ran and those of the projects that the studio was opened from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pipeline_run_fixtures import Rehearsal  # type: ignore[import-not-found]
from studio_fixtures import ADDRESS, STUDIO_TOKEN, Studio  # type: ignore[import-not-found]

from local_azure.machine_learning.errors import bad_request
from local_azure.studio.access.projects import MOST_PROJECTS, Projects

PIPELINE = "parameters:\n- {name: who, type: string, default: world}\nsteps: [{bash: echo}]\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a pipeline, a template, a file that is no pipeline, and one that nobody can read."""
    made = tmp_path / "the project"
    for name, content in (
        (".git/config", ""), (".pipelines/release.yml", PIPELINE), (".pipelines/other.yaml", "a: b\n"),
        (".pipelines/templates/t.yml", PIPELINE), ("azure-pipelines-nightly.yml", PIPELINE),
    ):  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(content)
    os.mkfifo(made / ".pipelines" / "pipe.yml")
    return made


def opened(studio: Studio, project: object, token: str = STUDIO_TOKEN) -> int:
    """Ask for a one-time address in a project."""
    headers = {"Authorization": f"Bearer {token}"}
    data = {"project": str(project)}
    return int(studio.client.post("/studio/one-time-address", data=data, headers=headers).status_code)


def test_pipelines_of_the_project_can_be_queued_before_they_have_run(studio: Studio, project: Path) -> None:
    assert "No pipeline is known" in studio.get("/studio/queue")
    assert opened(studio, project) == 200
    page = studio.get("/studio/queue")
    assert ">the project/.pipelines/release.yml</a>" in page
    assert ">the project/azure-pipelines-nightly.yml</a>" in page
    assert page.count("none yet") == 2
    form = studio.get(f"/studio/queue?file={project}/.pipelines/release.yml")
    assert 'name="parameter:who" value="world"' in form


def test_only_the_studios_token_adds_a_project(studio: Studio, project: Path) -> None:
    assert opened(studio, project, "x") == 401
    studio.post("/studio/queue", project=str(project), file=f"{project}/.pipelines/release.yml")
    assert "No pipeline is known" in studio.get("/studio/queue")
    for file in ("/etc/passwd", f"{project}/.pipelines/release.yml", "", "x\0"):
        assert studio.post("/studio/queue", file=file).status_code == 404, file


def test_projects_are_folders_and_only_so_many(tmp_path: Path) -> None:
    projects = Projects()
    for folder in ("", "relative", str(tmp_path / "gone"), "/a\0b", "/etc/passwd"):
        projects.add(folder)
    assert projects.all() == []
    made = [tmp_path / str(number) for number in range(MOST_PROJECTS + 1)]
    for path in (*made, made[1]):
        path.mkdir(exist_ok=True)
        projects.add(str(path))
    assert projects.all()[:2] == [made[1], made[-1]] and len(projects.all()) == MOST_PROJECTS


@pytest.mark.parametrize("value", ["a\0b", "x" * 900_000])
def test_values_that_no_process_takes_are_refused(studio: Studio, project: Path, value: str) -> None:
    opened(studio, project)
    form = {"file": f"{project}/.pipelines/release.yml", "parameter:who": value, "csrf": studio.csrf()}
    answer = studio.client.post("/studio/queue", data=form, headers={"Origin": ADDRESS})
    assert answer.status_code == 400 and "cannot be started with these values" in answer.text


def test_the_form_begins_with_the_defaults_and_repeats_no_reason_of_the_last_run(studio: Studio) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    file = run.folder / "release.yml"
    file.write_text(
        "parameters:\n- {name: overrideReason, type: string, default: none}\n"
        "- {name: redeploy, type: boolean, default: false}\n- {name: hosts, type: object, default: [a]}\n"
        "steps: [{bash: echo}]\n"
    )
    given = {"overrideReason": "the campaign week", "redeploy": "true", "hosts": "[b]"}
    run.write("", "progress.jsonl", json.dumps({"plan": {"file": str(file), "parameters": given}}) + "\n")
    form = studio.get(f"/studio/queue?file={file}").split('id="form"')[1]
    assert 'name="parameter:overrideReason" placeholder="none">' in form
    assert "<option selected>false</option>" in form and "<option selected>true" not in form
    assert ">[&#34;a&#34;]</textarea>" in form
    assert "the last run had: the campaign week" in form, "said, not filled in"


def test_the_form_warns_of_a_run_that_waits_and_keeps_labels_short(studio: Studio) -> None:
    run = Rehearsal(studio.state.pipeline_runs)
    file = run.folder / "release.yml"
    file.write_text(
        "parameters:\n- {name: problems, displayName: 'What to release, or all', type: object, default: [all]}\n"
        "steps: [{bash: echo}]\n"
    )
    run.write("", "progress.jsonl", json.dumps({"plan": {"file": str(file)}}) + "\n")
    assert "waits for approval" not in studio.get(f"/studio/queue?file={file}").split('id="form"')[1]
    run.ask()
    form = studio.get(f"/studio/queue?file={file}").split('id="form"')[1]
    assert "A run of this pipeline waits for approval" in form and 'href="/studio/builds/1#approvals"' in form
    assert '<label for="p1">problems</label><span class="soft" id="hint-1">What to release, or all</span>' in form
    assert 'aria-describedby="hint-1" name="parameter:problems"' in form
    assert 'several values as <code>["first", "second"]</code>' in form


def test_a_text_that_is_left_empty_keeps_its_default(
    studio: Studio, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".pipelines/release.yml").write_text(PIPELINE.replace("world", "none"))
    opened(studio, project)
    commands: list[list[str]] = []

    def refuse(words: list[str], *_: object) -> None:
        commands.append(words)
        raise bad_request("not today")

    monkeypatch.setattr("local_azure.studio.pages.queueing._start", refuse)
    for value in ("", "them"):
        studio.post("/studio/queue", file=f"{project}/.pipelines/release.yml", **{"parameter:who": value})
    assert [[word for word in words if word.startswith("--parameter")] for words in commands] == [
        [], ["--parameter=who=them"],
    ]  # fmt: skip


def test_the_list_says_what_each_pipeline_is_for(studio: Studio, project: Path) -> None:
    file = project / ".pipelines/release.yml"
    file.write_text(f"# Release: on a merge,\n# publish. Then more.\n#\n# Else.\n{PIPELINE}")
    opened(studio, project)
    page = studio.get(f"/studio/queue?file={file}")
    assert '<td data-label="what for">Release: on a merge, publish.</td>' in page and "Then more" not in page
    assert page.count('<tr class="chosen">') == 1 and page.count(">Queue…</a>") == 2
