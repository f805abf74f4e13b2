"""Schedules through the real client: they really fire. The session's server runs them 60 times faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]
SHOW_PATH = """
import pathlib, sys
from azureml.core import Run
path = pathlib.Path(sys.argv[1])
Run.get_context().parent.tag("text", path.read_text() if path.is_file() else "folder")
"""


def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of a question that is asked again and again."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
    return answer


@pytest.fixture
def published(project: Any, unique: Unique) -> Any:
    """A published pipeline of one step that says "hello"."""
    return project.pipeline(project.step("hello", "print('hello')")).publish(
        name=unique("p"), description="says hello"
    )


def test_a_recurrence_fires_until_it_is_disabled(ws: Any, project: Any, published: Any, unique: Unique) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    name = unique("minutely")
    every = ScheduleRecurrence(frequency="Minute", interval=1)
    schedule = Schedule.create(
        ws, name, published.id, experiment_name=name, recurrence=every, wait_for_provisioning=True
    )
    until(lambda: len(schedule.get_pipeline_runs()) >= 2)
    schedule.disable(wait_for_provisioning=True)
    runs = schedule.get_pipeline_runs()
    assert schedule.get_last_pipeline_run().id == runs[0].id
    for run in runs:
        project.finished(run)
        assert run.get_properties()["runType"] == "Schedule"
    assert Schedule.get(ws, schedule.id).status == "Disabled"
    assert len(schedule.get_pipeline_runs()) == len(runs)


def test_each_changed_blob_starts_one_run_that_gets_its_path(ws: Any, project: Any, unique: Unique) -> None:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import PipelineParameter, Schedule

    store, name = ws.get_default_datastore(), unique("incoming")
    path = PipelineParameter("changed", default_value=DataPath(store, name))
    binding = (path, DataPathComputeBinding(mode="mount"))
    step = project.step("show", SHOW_PATH, [binding], inputs=[binding])
    pipeline = project.pipeline(step).publish(name=name, description="shows a path")

    def put(*texts: str, below: str = "") -> None:
        files = [project.folder / f"{text}.txt" for text in texts]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        store.upload_files(list(map(str, files)), target_path=f"{name}{below}", overwrite=True, show_progress=False)

    put("before")
    schedule = Schedule.create(
        ws,
        name,
        pipeline.id,
        experiment_name=name,
        datastore=store,
        polling_interval=1,
        data_path_parameter_name="changed",
        path_on_datastore=name,
    )
    assert schedule.get_last_pipeline_run() is None
    put("nobody-sees-this", below="/sub")
    put("one", "two")
    until(lambda: len(schedule.get_pipeline_runs()) == 2)
    put("before")
    until(lambda: len(schedule.get_pipeline_runs()) == 3)
    schedule.disable()
    texts = [project.finished(run).get_tags()["text"] for run in schedule.get_pipeline_runs()]
    assert (texts[0], sorted(texts[1:])) == ("before", ["one", "two"])


def test_an_endpoint_is_asked_for_its_default_when_it_fires(ws: Any, project: Any, unique: Unique) -> None:
    from azureml.pipeline.core import PipelineEndpoint, Schedule, ScheduleRecurrence

    name = unique("endpoint")
    old, new = (project.pipeline(project.step(text, "")).publish(name=text, description=text) for text in ("a", "b"))
    endpoint = PipelineEndpoint.publish(ws, name=name, pipeline=old, description="e")
    every = ScheduleRecurrence(frequency="Minute", interval=1)
    schedule = Schedule.create_for_pipeline_endpoint(ws, name, endpoint.id, experiment_name=name, recurrence=every)
    first = project.finished(until(schedule.get_last_pipeline_run))
    endpoint.add_default(new)
    assert list(project.steps_of(first)) == ["a"]
    until(lambda: list(project.steps_of(schedule.get_last_pipeline_run())) == ["b"])
    assert [s.id for s in Schedule.get_schedules_for_pipeline_endpoint_id(ws, endpoint.id)] == [schedule.id]
    schedule.disable()
    assert Schedule.get_schedules_for_pipeline_endpoint_id(ws, endpoint.id) == []


def test_schedules_are_listed_and_keep_what_they_were_told(ws: Any, published: Any, unique: Unique) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence, TimeZone

    name = unique("weekly")
    weekly = ScheduleRecurrence(
        frequency="Week",
        interval=2,
        start_time="2030-01-01T00:00:00",
        time_zone=TimeZone.PacificStandardTime,
        week_days=["Monday", "Friday"],
        time_of_day="18:30",
    )
    schedule = Schedule.create(ws, name, published.id, experiment_name=name, recurrence=weekly, description="d")
    assert schedule.id in [found.id for found in Schedule.list(ws)]
    assert [found.id for found in Schedule.get_schedules_for_pipeline_id(ws, published.id)] == [schedule.id]
    schedule.update(name="renamed", recurrence=ScheduleRecurrence(frequency="Month", interval=1), status="Disabled")
    assert schedule.id not in [found.id for found in Schedule.list(ws)]
    assert schedule.id in [found.id for found in Schedule.list(ws, active_only=False)]
    found = Schedule.get(ws, schedule.id)
    assert (found.name, found.recurrence.frequency, found.status) == ("renamed", "Month", "Disabled")
    found.update(recurrence=weekly)
    found = Schedule.get(ws, schedule.id).recurrence
    assert (found.interval, found.week_days, found.hours, found.minutes) == (2, ["Monday", "Friday"], [18], [30])
    assert found.time_zone == TimeZone.PacificStandardTime
    schedule.enable()
    assert Schedule.get(ws, schedule.id).status == "Active"
    schedule.disable()


def test_what_could_never_fire_is_refused(ws: Any, published: Any, unique: Unique) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    daily = ScheduleRecurrence(frequency="Day", interval=1000)
    with pytest.raises(Exception, match="1 to 500"):
        Schedule.create(ws, "s", published.id, experiment_name="x", recurrence=daily)
    daily.interval = 1
    with pytest.raises(Exception, match="was not found"):
        Schedule.create(ws, "s", "no-such-pipeline", experiment_name="x", recurrence=daily)
    store = ws.get_default_datastore()
    with pytest.raises(Exception, match="no data path parameter 'typo'"):
        Schedule.create(ws, "s", published.id, experiment_name="x", datastore=store, data_path_parameter_name="typo")


# Restarts, with a clock in the test's hand.
