"""Experiments, through the real client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from history_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures

Unique = Callable[[str], str]


def names(experiments: list[Any]) -> set[str]:
    return {experiment.name for experiment in experiments}


def test_an_experiment_is_made_once(ws: Any, unique: Unique) -> None:
    from azureml.core import Experiment

    name = unique("twice")
    first, second = Experiment(ws, name), Experiment(ws, name)
    assert first.id == second.id
    assert name in names(Experiment.list(ws))
    assert names(Experiment.list(ws, experiment_name=name)) == {name}


def test_experiment_tags(ws: Any, experiment: Any) -> None:
    from azureml.core import Experiment

    experiment.set_tags({"a": "1", "b": "2"})
    experiment.tag("a", "3")
    experiment.remove_tags(["b"])
    experiment.refresh()
    assert experiment.tags == {"a": "3"}
    assert experiment.name in names(Experiment.list(ws, tags={"a": "3"}))
    assert experiment.name not in names(Experiment.list(ws, tags={"a": "1"}))


def test_an_archived_experiment_is_hidden_and_frees_its_name(ws: Any, experiment: Any) -> None:
    from azureml.core import Experiment
    from azureml.core.experiment import ViewType

    experiment.archive()
    assert experiment.name not in names(Experiment.list(ws))
    assert experiment.name in names(Experiment.list(ws, view_type=ViewType.ArchivedOnly))
    successor = Experiment(ws, experiment.name)
    assert successor.id != experiment.id
    with pytest.raises(Exception, match="another active experiment"):
        experiment.reactivate()
    Experiment.delete(ws, successor.id)
    experiment.reactivate()
    assert Experiment(ws, experiment.name).id == experiment.id


def test_only_an_empty_experiment_is_deleted(ws: Any, experiment: Any, run: Any) -> None:
    from azureml.core import Experiment

    with pytest.raises(Exception, match="has runs and cannot be deleted"):
        Experiment.delete(ws, experiment.id)
