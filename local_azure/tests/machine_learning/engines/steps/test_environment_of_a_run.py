"""A run names the environment that it ran with, by content: what no one has registered is kept as a version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]


def environment(name: str, value: str) -> Any:
    """An environment with a variable."""
    from azureml.core import Environment

    made = Environment(name)
    made.python.user_managed_dependencies = True
    made.environment_variables = {"V": value}
    return made


def ran_with(project: Any, experiment: Any, made: Any, **more: Any) -> Any:
    """The run of a step, or of a script, with an environment."""
    project.configuration.environment = made
    step = project.step("show", "import os; print('ran with', os.environ['V'])", **more)
    run = project.finished(experiment.submit(project.pipeline(step)))
    return project.steps_of(run)["show"]


def test_of_two_definitions_with_one_name_the_run_names_the_one_that_ran(
    project: Any, experiment: Any, ws: Any, unique: Unique
) -> None:
    from azureml.core import Environment

    name = unique("twice")
    environment(name, "1").register(ws)
    found = ran_with(project, experiment, environment(name, "2")).get_environment()
    assert found.environment_variables == {"V": "2"}
    assert found.version.startswith("Autosave_")
    assert Environment.get(ws, name).version == "1", "the latest is what somebody has registered"
    assert ws.environments[name].version == "1"
    again = ran_with(project, experiment, environment(name, "2")).get_environment()
    assert again.version == found.version, "the same content is the same version"
    registered = environment(name, "2").register(ws)
    assert registered.version == "2"
    assert ran_with(project, experiment, environment(name, "2")).get_environment().version == "2"
    assert Environment.get(ws, name, found.version).environment_variables == {"V": "2"}


def test_a_registered_environment_is_named_by_its_number(
    project: Any, experiment: Any, ws: Any, unique: Unique
) -> None:
    from azureml.core import Environment

    name = unique("once")
    environment(name, "1").register(ws)
    environment(name, "2").register(ws)
    old = Environment.get(ws, name, "1")
    assert ran_with(project, experiment, old).get_environment().version == "1"
    assert ran_with(project, experiment, Environment.get(ws, name)).get_environment().version == "2"
    old.environment_variables = {"V": "changed"}  # it still says version 1
    changed = ran_with(project, experiment, old).get_environment()
    assert changed.environment_variables == {"V": "changed"}
    assert changed.version not in ("1", "2")


def test_an_environment_that_was_never_registered_is_found_through_the_run(
    project: Any, experiment: Any, ws: Any, unique: Unique
) -> None:
    name = unique("never")
    found = ran_with(project, experiment, environment(name, "x")).get_environment()
    assert (found.name, found.environment_variables) == (name, {"V": "x"})
    assert name not in ws.environments, "no one has registered it"
    assert environment(name, "x").register(ws).version == "1"


def test_a_script_run_and_a_reused_step_name_theirs_too(
    project: Any, experiment: Any, ws: Any, unique: Unique
) -> None:
    from azureml.core import ScriptRunConfig

    name = unique("script")
    environment(name, "1").register(ws)
    folder = project.folder / "alone"
    folder.mkdir()
    (folder / "show.py").write_text("import os; print(os.environ['V'])")
    script = ScriptRunConfig(str(folder), "show.py", compute_target="cluster", environment=environment(name, "2"))
    run = experiment.submit(script)
    run.wait_for_completion()
    assert run.get_environment().environment_variables == {"V": "2"}
    first = ran_with(project, experiment, environment(name, "3"), allow_reuse=True)
    second = ran_with(project, experiment, environment(name, "3"), allow_reuse=True)
    assert second.get_properties()["azureml.isreused"] == "true"
    assert second.get_environment().version == first.get_environment().version


@pytest.mark.parametrize(("smallest", "largest"), [(0, 1), (1, 4), (3, 3)])
def test_a_cluster_has_its_minimum_of_nodes_at_once(ws: Any, unique: Unique, smallest: int, largest: int) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget

    settings = AmlCompute.provisioning_configuration("STANDARD_DS2_V2", min_nodes=smallest, max_nodes=largest)
    target = ComputeTarget.create(ws, unique("min").replace("-", ""), settings)
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=1)
    status = target.get_status()
    assert (status.current_node_count, status.target_node_count) == (smallest, smallest)
    assert status.node_state_counts.idle_node_count == smallest
    assert len(target.list_nodes()) == smallest
    target.update(min_nodes=1, max_nodes=5)
    target.refresh_state()
    assert target.get_status().current_node_count == 1
    target.delete()
