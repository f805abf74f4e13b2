"""The section `schedule` of a problem file, and what the service is asked for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from azure_ml.pipelines.schedules import StoredSchedule
from forecasting.errors import UsageError
from forecasting.problem.problem_file import Problem
from forecasting.problem.schedule import MAX_POLL_MINUTES, Recurrence
from ml_service.retraining.schedules import Scheduled, _wanted, firing_of, name_of, todo_after_delivery


def problem_of(folder: Path, schedule: dict[str, Any]) -> Problem:
    path = folder / "problem.yml"
    path.write_text(yaml.safe_dump({"schedule": schedule}))
    return Problem(path)


@pytest.mark.parametrize(
    "schedule",
    [
        {"on_data": True},
        {"on_data": True, "poll_minutes": MAX_POLL_MINUTES},
        {"recurrence": {"every": "week", "days": ["Monday", "Friday"], "at": "05:00"}},
        {"recurrence": {"every": "hour", "interval": 500}},
    ],
)
def test_a_schedule_is_read(tmp_path: Path, schedule: dict[str, Any]) -> None:
    assert problem_of(tmp_path, schedule).schedule is not None


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"on_data": True, "poll_minutes": 7}, "wait for the training that its marker starts within 7 minutes"),
        ({"recurrence": {"every": "day"}}, "train on it: python -m ml_service run"),
        (None, "train on it: python -m ml_service run"),
    ],
)
def test_nobody_is_told_to_train_on_what_a_schedule_watches_for(
    tmp_path: Path, schedule: dict[str, Any] | None, said: str
) -> None:
    """As docs/runbooks/quarantined-data.md says; a training by hand would end as another-run."""
    path = tmp_path / "problem.yml"
    path.write_text(yaml.safe_dump({"schedule": schedule} if schedule else {"series": {}}))
    settings: Any = SimpleNamespace(problem_file=path)

    told = todo_after_delivery(settings, "train on it: python -m ml_service run")

    assert told.startswith(said)
    assert "python -m ml_service run" in told


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({}, "nothing starts a training"),
        ({"on_data": True, "poll_minutes": 0}, "poll_minutes"),
        ({"on_data": True, "poll_minutes": MAX_POLL_MINUTES + 1}, "poll_minutes"),
        ({"recurrence": {"every": "fortnight"}}, "recurrence.every"),
        ({"recurrence": {"every": "hour", "interval": 501}}, "recurrence.interval"),
        ({"recurrence": {"every": "day", "days": ["Monday"]}}, "days needs every: week"),
        ({"recurrence": {"every": "month", "at": "05:00"}}, "at needs every: day or every: week"),
        ({"recurrence": {"every": "day", "at": "5 o'clock"}}, "recurrence.at"),
        ({"recurrence": {"every": "day"}, "cron": "* * * * *"}, "cron: unknown"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused(tmp_path: Path, schedule: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="section schedule") as caught:
        _ = problem_of(tmp_path, schedule).schedule
    assert said in str(caught.value)


def test_a_recurrence_never_fires_when_it_is_created() -> None:
    """The service fires one without a start at once."""
    firing = firing_of(Recurrence(every="week", days=("Monday",), at="05:30"))
    assert (firing.frequency, firing.week_days, firing.hours, firing.minutes) == ("Week", ("Monday",), (5,), (30,))
    assert firing.start == "2024-01-01T00:00:00"
    assert firing_of(Recurrence(every="hour")).hours == ()


def test_other_settings_give_another_name_and_the_name_tells_the_kind() -> None:
    one, other = (asdict(firing_of(Recurrence(every="day", at=at))) for at in ("05:00", "06:00"))
    names = {name_of("sales-endpoint", "recurrence", settings) for settings in (one, other, one)}
    assert len(names) == 2
    for name in names:
        assert Scheduled.of(StoredSchedule(None, "1", name, is_active=False)).kind == "recurrence"


def test_another_experiment_gives_other_schedules(make_settings: Any, tmp_path: Path) -> None:
    """The service cannot be asked which experiment a schedule names."""
    path = problem_of(tmp_path, {"on_data": True, "recurrence": {"every": "day"}}).path
    path.write_text(path.read_text() + "series: {name: sales, measure: Units, aggregation: sum}\n")
    endpoint: Any = SimpleNamespace(name="sales-endpoint")
    names = [
        {wanted.name for wanted in _wanted(endpoint, make_settings(chosen), endpoint)}
        for chosen in (
            {"PROBLEM_FILE": str(path), "EXPERIMENT_NAME": experiment} for experiment in ("one", "other", "one")
        )
    ]
    assert names[0] == names[2]
    assert (len(names[0]), names[0] & names[1]) == (2, set())
