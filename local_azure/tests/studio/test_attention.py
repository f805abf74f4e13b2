"""What needs attention comes first on the overview, each with a link; nothing of it is one sentence."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from pipeline_run_fixtures import Rehearsal  # type: ignore[import-not-found]
from studio_fixtures import Studio  # type: ignore[import-not-found]
from test_origins import deploy  # type: ignore[import-not-found]

from local_azure.machine_learning.clock import timestamp, utc_now
from local_azure.machine_learning.domain.pipelines import schedules
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.serving import services
from local_azure.pipelines.run.builds.record import Decision
from local_azure.pipelines.run.results import Result
from local_azure.studio.reading.attention import FAILED_RUNS, MOST_RUNS, MOST_SHOWN

W = "/studio/w/local-development"
QUIET = "Nothing needs attention"


def _strip(studio: Studio) -> str:
    """The strip of the overview."""
    page: str = studio.get("/studio/")
    assert QUIET not in page
    return page.split('id="attention"')[1].split("</section>", maxsplit=1)[0]


def _fail(studio: Studio, run_id: str, **given: str) -> None:
    studio.run(run_id, **given)
    run_records.set_status(studio.store, studio.workspace.id, run_id, RunStatus.FAILED)


def test_nothing_is_one_quiet_sentence(studio: Studio) -> None:
    studio.run("good")
    run_records.set_status(studio.store, studio.workspace.id, "good", RunStatus.COMPLETED)
    deploy(studio, studio.workspace, "healthy", "m:1")
    Rehearsal(studio.state.pipeline_runs).record.end(Result.SUCCEEDED)
    page = studio.get("/studio/")
    assert page.count(QUIET) == 1 and "Needs attention" not in page


def test_an_open_question_leads_to_its_form(studio: Studio) -> None:
    Rehearsal(studio.state.pipeline_runs).ask()
    strip = _strip(studio)
    assert "Waiting for approval" in strip and 'href="/studio/builds/1#approvals"' in strip
    assert "release 20261130.1" in strip, "which run"


def test_failed_runs_of_both_kinds_lead_to_their_pages(studio: Studio) -> None:
    _fail(studio, "top", displayName="a training")
    _fail(studio, "step", parentRunId="top")
    build = Rehearsal(studio.state.pipeline_runs)
    build.record.stage_began("Train")
    build.record.stage_ended("Train", Result.FAILED)
    build.record.end(Result.FAILED)
    strip = _strip(studio)
    assert f'href="{W}/runs/top"><strong>a training</strong>' in strip
    assert f"{W}/runs/step" not in strip, "its run stands for it"
    assert re.search(r'href="/studio/builds/1"><strong>release 20261130.1</strong></a> \(in Train it\), <time', strip)
    assert "in Train it" in studio.get("/studio/builds"), "the list says it, too"


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_rejection_is_an_answer_and_no_failure(studio: Studio, has_failed: bool) -> None:
    build = Rehearsal(studio.state.pipeline_runs)
    build.record.decide(build.ask(), Decision(False, "Grace", "not on a Friday"))
    build.record.stage_ended("Production", Result.FAILED)
    if has_failed:
        build.record.stage_ended("Train", Result.FAILED)
    build.record.end(Result.FAILED)
    assert ("by Grace: not on a Friday" in studio.get("/studio/builds")) is not has_failed
    page = studio.get("/studio/")
    if has_failed:
        assert "(in Train it)" in page, "what failed besides comes first"
    else:
        assert QUIET in page and '<span class="badge warn"><span aria-hidden="true">✕</span> Rejected</span>' in page


def test_a_run_that_was_canceled_while_it_asked_says_so(studio: Studio) -> None:
    build = Rehearsal(studio.state.pipeline_runs)
    build.record.decide(build.ask(), None)
    build.record.end(Result.CANCELED)
    page = studio.get("/studio/")
    assert QUIET in page and "before production was answered" in page


def test_failures_of_earlier_days_are_history(studio: Studio) -> None:
    old = timestamp(utc_now() - dt.timedelta(hours=25))
    _fail(studio, "old")
    studio.store.update(studio.workspace.id, "run", "old", lambda run: run.update(endTimeUtc=old))
    build = Rehearsal(studio.state.pipeline_runs)
    build.record.end(Result.FAILED)
    path = build.folder / "azure_devops.json"
    path.write_text(re.sub(r'"finishTime": "20[^"]+"', f'"finishTime": "{old}"', path.read_text()))
    assert QUIET in studio.get("/studio/")


def test_at_most_five_failures_are_listed_with_links_to_all(studio: Studio) -> None:
    for number in range(MOST_SHOWN + 2):
        _fail(studio, f"run-{number}", displayName=f"training {number}")
    strip = _strip(studio)
    assert re.findall(r"<strong>training (\d)", strip) == ["6", "5", "4", "3", "2"], "the newest"
    assert f'href="{W}/runs?status=Failed"' in strip


def test_only_the_newest_runs_are_looked_at(studio: Studio) -> None:
    """A workspace of any age costs the same: the query reads the end of an index."""
    with studio.store.transaction():
        _fail(studio, "first")
        for number in range(MOST_RUNS):
            studio.run(f"later-{number}")
    assert QUIET in studio.get("/studio/")
    plan = studio.store.rows(f"EXPLAIN QUERY PLAN {FAILED_RUNS}", (studio.workspace.id, 5, "Failed", "2026", 5))
    steps = [row["detail"] for row in plan if "entity" in row["detail"]]
    assert steps == ["SEARCH entity USING INDEX entity_parent (workspace=? AND kind=? AND parent=?)"]


def test_a_service_that_is_down_says_why(studio: Studio) -> None:
    deploy(studio, studio.workspace, "sales", "m:1")
    services.fail(studio.store, studio.workspace, "sales", None, message="the script broke", log="")
    strip = _strip(studio)
    assert f'href="{W}/services/sales"' in strip and "the script broke" in strip and "Failed" in strip


def test_a_late_schedule_says_since_when_and_why(studio: Studio) -> None:
    schedule = {
        "Id": "s", "Name": "weekly retraining", "EntityStatus": "0", "PipelineId": "gone", "PipelineEndpointId": None,
        "ScheduleType": "0", "Recurrence": {"Frequency": "Hour", "Interval": 1}, "DataStoreTriggerInfo": None,
        "PipelineSubmissionInfo": {"ExperimentName": "e"}, "CreatedDate": timestamp(),
    }  # fmt: skip
    studio.store.insert(studio.workspace.id, schedules.KIND, "s", schedule)
    studio.scheduler.begin(studio.workspace, schedule, created=True)
    assert QUIET in studio.get("/studio/"), "not yet"
    studio.scheduler.fire_due(studio.scheduler.now())
    strip = _strip(studio)
    assert f'href="{W}/schedules"' in strip and "weekly retraining" in strip and "gone" in strip
    assert "Late" in studio.get(f"{W}/schedules")


def test_what_others_have_written_stays_text(studio: Studio) -> None:
    _fail(studio, "odd", displayName="<script>alert(1)</script>")
    assert "<script>alert" not in _strip(studio)


def test_a_failure_says_its_error_in_one_line(studio: Studio) -> None:
    studio.run("top")
    studio.run("step", parentRunId="top")
    broken = Failure("UserError", "\n  ValueError: no rows\nand much more")
    run_records.set_status(studio.store, studio.workspace.id, "step", RunStatus.FAILED, broken)
    summary = Failure("UserError", "some steps failed")
    run_records.set_status(studio.store, studio.workspace.id, "top", RunStatus.FAILED, summary)
    build = Rehearsal(studio.state.pipeline_runs)
    build.record.end(Result.FAILED)
    issues = [["warning", "Train", "old"], ["error", "Train", "no such file\nat line 3"]]
    build.write("", "result.json", json.dumps({"issues": issues}))
    strip = _strip(studio)
    assert ": ValueError: no rows</span>" in strip and ": no such file</span>" in strip
    for odd in ('{"issues": 1}', '{"issues": [1, ["error"], null]}', "[]"):
        build.write("", "result.json", odd)
        assert "no such file" not in _strip(studio)
