"""Processes that die: the server, the steps' parent, a step; and steps that do not end as they should."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from local_azure.machine_learning.domain.pipelines import pipeline_runs, published
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE_NAME
from local_azure.machine_learning.domain.workspace.workspaces import Workspaces
from local_azure.machine_learning.storage.store import Store
from tests.faults.fault_server import Machine, await_true, children, command_line, gone, number_in

LOST = "The server was stopped while this run was in progress."
FINAL = ("Completed", "Failed", "Canceled")


def queue_without_server(machine: Machine, pipeline: str, **assigned: str) -> str:
    """What is in the store when a server is killed right after it has acknowledged a submission."""
    store = Store(machine.state.database)
    workspace = Workspaces(store).ensure(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE_NAME)
    found = next(one for one in published.newest_first(store, workspace.id) if one["Name"] == pipeline)
    body = {"ExperimentName": "faults", "ParameterAssignments": assigned}
    run = published.new_run(store, workspace.id, found["Id"], body)
    pipeline_runs.record(store, workspace.id, run)
    store.close()
    return str(run["Id"])


def parent_of_steps(machine: Machine) -> int:
    """The process that steps are forked from."""
    return next(child for child in children(machine.info.pid) if "azureml.pipeline" in command_line(child))


def test_a_killed_server_takes_its_steps_with_it_and_says_so_after_a_restart(
    machine: Machine, tmp_path: Path
) -> None:
    cut_off = machine.submit("plain", first="sleep", folder=str(tmp_path))
    step, grandchild = number_in(tmp_path / "step"), number_in(tmp_path / "grandchild")
    machine.kill()
    assert gone(step)
    assert gone(grandchild)
    queued = queue_without_server(machine, "plain", folder=str(tmp_path))
    machine.start()
    assert machine.pipeline_state(cut_off) == "failed"
    assert LOST in machine.run(cut_off)["error"]["error"]["message"]
    assert [run["status"] for run in machine.steps(cut_off)] == ["Failed"], "the second step was never begun"
    assert LOST in machine.step_error(cut_off)
    assert machine.ended(queued) == "finished"
    assert machine.ended(machine.submit("plain", folder=str(tmp_path))) == "finished"
    assert list(machine.state.work.iterdir()) == [], "nothing of the cut off step is left"


@pytest.mark.campaign
@pytest.mark.slow
def test_a_server_that_is_killed_at_any_moment_leaves_no_run_open(machine: Machine, tmp_path: Path) -> None:
    moments = random.Random(7)  # noqa: S311 - not for secrets
    submitted = []
    for _ in range(2):  # `make campaign` has many more moments
        submitted += [machine.submit("plain", folder=str(tmp_path)) for _ in range(2)]
        time.sleep(moments.uniform(0, 1))
        machine.kill()
        machine.start()
    for run_id in submitted:
        assert machine.ended(run_id) in ("finished", "failed")
        statuses = [run["status"] for run in machine.steps(run_id)]
        assert all(status in FINAL for status in statuses), (run_id, statuses)
    assert list(machine.state.work.iterdir()) == []


@pytest.mark.campaign
def test_a_step_run_that_had_no_node_yet_is_ended_too(machine: Machine, tmp_path: Path) -> None:
    cut_off = machine.submit("plain", first="sleep", folder=str(tmp_path))
    number_in(tmp_path / "step")
    machine.create_run("orphan", parentRunId=machine.steps(cut_off)[0]["runId"], status="Running")
    machine.kill()
    machine.start()
    assert machine.run("orphan")["status"] == "Failed"
    assert LOST in machine.run("orphan")["error"]["error"]["message"]


@pytest.mark.campaign
def test_a_killed_parent_of_steps_takes_all_with_it_and_is_replaced(machine: Machine, tmp_path: Path) -> None:
    for behaviours in (
        ("sleep", "detached"),
        ("detached",),
    ):  # the second time a parent that has replaced a killed one
        folders = [tmp_path / f"{behaviour}{len(behaviours)}" for behaviour in behaviours]
        run_ids, numbers = [], []
        for behaviour, folder in zip(behaviours, folders, strict=True):
            folder.mkdir()
            run_ids.append(machine.submit("plain", first=behaviour, folder=str(folder)))
        for folder in folders:
            numbers += [number_in(folder / "step"), number_in(folder / "grandchild")]
        os.kill(parent_of_steps(machine), signal.SIGKILL)
        for run_id in run_ids:
            assert machine.ended(run_id) == "failed"
            assert "process that runs steps was lost" in machine.step_error(run_id)
        assert all(gone(number) for number in numbers), "a session of its own does not save what a step had started"
    assert machine.ended(machine.submit("plain", folder=str(tmp_path))) == "finished"


def test_a_killed_step_fails_with_its_signal(shared: Machine, tmp_path: Path) -> None:
    run_id = shared.submit("plain", first="sleep", folder=str(tmp_path))
    step, grandchild = number_in(tmp_path / "step"), number_in(tmp_path / "grandchild")
    os.kill(step, signal.SIGKILL)
    assert shared.ended(run_id) == "failed"
    assert "killed by signal 9" in shared.step_error(run_id)
    assert gone(grandchild)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("exit3", "exit code 3"),
        ("exit124", "exit code 124"),
        ("exit125", "exit code 125"),
        ("exit255", "exit code 255"),
        ("signal11", "killed by signal 11"),
        ("signal15", "killed by signal 15"),
    ],
)
def test_the_way_a_step_ended_is_told(shared: Machine, tmp_path: Path, behaviour: str, said: str) -> None:
    run_id = shared.submit("plain", first=behaviour, folder=str(tmp_path))
    assert shared.ended(run_id) == "failed"
    assert said in shared.step_error(run_id)
    assert f"behaviour {behaviour}" in shared.step_error(run_id), "the end of its log"
    assert len(shared.steps(run_id)) == 1, "the second step is not run"


def test_a_hanging_step_is_ended_with_all_that_it_started(shared: Machine, tmp_path: Path) -> None:
    run_id = shared.submit("limited", first="stubborn", folder=str(tmp_path))
    step, grandchild = number_in(tmp_path / "step"), number_in(tmp_path / "grandchild")
    assert shared.ended(run_id) == "failed"
    assert "timed out after 1 s" in shared.step_error(run_id)
    assert gone(step)
    assert gone(grandchild)


@pytest.mark.parametrize("behaviour", ["leave", "daemon"])
def test_what_a_step_leaves_running_is_ended_after_it(shared: Machine, tmp_path: Path, behaviour: str) -> None:
    run_id = shared.submit("plain", first=behaviour, folder=str(tmp_path))
    assert shared.ended(run_id) == "finished"
    assert gone(number_in(tmp_path / "grandchild"))


def test_of_a_long_log_the_error_holds_the_last_lines(shared: Machine, tmp_path: Path) -> None:
    run_id = shared.submit("plain", first="chatter", folder=str(tmp_path))
    assert shared.ended(run_id) == "failed"
    message = shared.step_error(run_id)
    assert "line 199999 " in message
    assert len(message.splitlines()) == 51
    assert "line 199999 " in shared.step_log(run_id)


def test_links_in_what_a_step_leaves_are_not_followed(shared: Machine, tmp_path: Path) -> None:
    run_id = shared.submit("plain", first="links", folder=str(tmp_path))
    assert shared.ended(run_id) == "finished"
    assert (tmp_path / "precious" / "file.txt").read_text() == "mine", (
        "a link named outputs is not a folder of outputs"
    )
    step = shared.steps(run_id)[0]["runId"]
    files = await_true(lambda: sorted(shared.state.blobs.rglob(f"*dcid.{step}/**/*")), "files of the run")
    assert [path.name for path in files if path.is_file()] == ["70_driver_log.txt", "std_log.txt"]
    assert not any(path.is_symlink() for path in files)
