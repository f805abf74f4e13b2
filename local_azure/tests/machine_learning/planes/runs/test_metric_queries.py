"""Metrics of many runs in one query, as azureml-widgets asks for them through the SDK's own client."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]


@pytest.fixture
def asked(ws: Any, unique: Unique) -> tuple[Any, Any, list[Any]]:
    """(client, experiment, two finished runs)."""
    from azureml._restclient.experiment_client import ExperimentClient
    from azureml.core import Experiment

    experiment = Experiment(ws, unique("queried"))
    runs = []
    for loss in (0.5, math.nan):
        run = experiment.start_logging(snapshot_directory=None)
        run.log("loss", loss)
        run.log("loss", 0.25)
        run.log_table("table", {"x": [1, 2], "y": [0.1, 0.2]})
        run.complete()
        runs.append(run)
    return ExperimentClient(ws.service_context, experiment.name), experiment, runs


def test_metrics_of_many_runs_come_as_the_client_reads_them(asked: tuple[Any, Any, list[Any]]) -> None:
    from azureml._restclient.metrics_client import MetricsClient

    client, _, runs = asked
    found = list(client.get_metrics_by_run_ids([run.id for run in runs], page_size=2))
    for run in runs:
        own = [metric for metric in found if metric.run_id == run.id]
        values = MetricsClient.dto_to_metrics_dict(own)
        expected = run.get_metrics()
        assert values["table"] == expected["table"]
        assert str(values["loss"]) == str(expected["loss"])


def test_metrics_are_selected_by_name_kind_and_time(asked: tuple[Any, Any, list[Any]]) -> None:
    client, _, runs = asked
    ids = [run.id for run in runs]
    named = list(client.get_metrics_by_run_ids(ids[:1], name="loss"))
    assert [(metric.name, metric.run_id) for metric in named] == [("loss", ids[0])] * 2
    tables = list(client.get_metrics_by_run_ids(ids[:1], metric_types=["azureml.v1.table"]))
    assert {(metric.name, metric.run_id) for metric in tables} == {("table", ids[0])}
    after = max(metric.created_utc for metric in named)
    assert not list(client.get_metrics_by_run_ids(ids[:1], after_timestamp=after.replace(year=9998), name="loss"))


def test_an_order_that_is_none_is_refused(asked: tuple[Any, Any, list[Any]]) -> None:
    client, _, runs = asked
    with pytest.raises(Exception, match="the field 'Colour' in a query of metrics"):
        list(client.get_metrics_by_run_ids([runs[0].id], order_by=("Colour", "asc")))
