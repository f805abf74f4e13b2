"""The walk over a graph, with jobs that only say when they end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import graphs, modules, nodes, pipeline_runs
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.run_files import artifact_file
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps.arguments import RunIdentity
from local_azure.machine_learning.engines.steps.job import Job
from local_azure.machine_learning.engines.steps.pipeline_run import PipelineRunTask
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

WORKSPACE = Workspace("w", "subscription", "group", "workspace", "2026-01-01T00:00:00.000000+00:00")


class StubJob:
    """Ends when it is told to, or when it is canceled."""

    def __init__(self, identity: RunIdentity, step: Step) -> None:
        self.name = step.name
        self.run_id = identity.run_id
        self.is_canceled = False
        self.started = asyncio.Event()
        self.result: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()

    async def execute(self, inputs: object, outputs: object) -> Failure | None:
        """As a job's own."""
        self.started.set()
        return await self.result

    async def cancel(self) -> None:
        """As a job's own."""
        self.is_canceled = True
        if not self.result.done():
            self.result.set_result(Failure("Canceled", "The run was canceled."))


class Walk:
    """One pipeline run.

    waits_for: its steps, each with the one that it waits for. registered_as: dataset of what each of them writes.
    """

    def __init__(
        self,
        store: Store,
        files: BlobFiles,
        waits_for: dict[str, str | None],
        *,
        registered_as: str | None = None,
        **asked: Any,
    ) -> None:
        self.store = store
        self.files = files
        self.jobs: dict[str, StubJob] = {}
        for name in waits_for:
            module = {
                "Id": name,
                "Name": name,
                "StorageId": "s",
                "StructuredInterface": {"Outputs": [{"Name": "out"}]},
            }
            store.insert(WORKSPACE.id, modules.MODULE, name, module)
        edges = [
            {
                "SourceOutputPort": {"NodeId": first, "PortName": "done"},
                "DestinationInputPort": {"NodeId": name, "PortName": "after"},
            }
            for name, first in waits_for.items()
            if first
        ]
        outputs = [{"Name": "out", "DatasetRegistration": {"Name": registered_as}}]
        steps = [{"Id": name, "ModuleId": name, "ModuleOutputSettings": outputs} for name in waits_for]
        graph = {"ModuleNodes": steps, "Edges": edges}
        graph_id = graphs.save(store, WORKSPACE.id, graph, None)
        self.run = pipeline_runs.new_pipeline_run(store, WORKSPACE.id, graph_id, "demo", asked)
        pipeline_runs.record(store, WORKSPACE.id, self.run)
        self.task = PipelineRunTask(
            store=store,
            files=files,
            addresses=Addresses(1, 2),
            make_job=self._make_job,
            workspace=WORKSPACE,
            run=self.run,
        )

    def _make_job(self, identity: RunIdentity, step: Step) -> Job:
        self.jobs[step.name] = StubJob(identity, step)
        return cast(Job, self.jobs[step.name])

    async def started(self, *names: str) -> None:
        """Wait until these steps run."""
        for name in names:
            while name not in self.jobs:
                await asyncio.sleep(0.01)
            await self.jobs[name].started.wait()

    def end(self, name: str, failure: Failure | None = None) -> None:
        """Let a step end."""
        self.jobs[name].result.set_result(failure)

    def codes(self) -> dict[str, str]:
        """Status code of the run, under "", and of each started step."""
        run = pipeline_runs.require(self.store, WORKSPACE.id, self.run["Id"])
        steps = {node["Name"]: node["StatusCode"] for node in nodes.of_run(self.store, WORKSPACE.id, self.run["Id"])}
        return {"": run["Status"]["StatusCode"], **steps}

    def words(self) -> list[tuple[str, str]]:
        """Name and status of the steps in the run history, in the order of their creation."""
        runs = run_records.children(self.store, WORKSPACE.id, self.run["Id"])
        return [(run["name"], run["status"]) for run in runs]

    def log(self) -> list[str]:
        """What the log of the run says, without the times; it has two empty neighbors."""
        run = run_records.require(self.store, WORKSPACE.id, self.run["Id"])
        folder = artifact_file(self.files, WORKSPACE, run, "logs/azureml/executionlogs.txt").parent
        assert {path.name: path.stat().st_size > 0 for path in folder.iterdir()} == {
            "executionlogs.txt": True,
            "stderrlogs.txt": False,
            "stdoutlogs.txt": False,
        }
        lines = (folder / "executionlogs.txt").read_text().splitlines()
        assert all(re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\] ", line) for line in lines)
        return [line.partition("] ")[2] for line in lines]


Make = Callable[..., Walk]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a walk over an empty state."""
    store = Store(tmp_path / "store.sqlite")
    yield lambda waits_for, **asked: Walk(store, BlobFiles(tmp_path / "blobs"), waits_for, **asked)
    store.close()


def walked(walk: Walk, play: Callable[[asyncio.Task[None]], Awaitable[None]]) -> None:
    """Run a walk to its end while `play` happens to it."""

    async def main() -> None:
        task = asyncio.create_task(walk.task.run())
        await play(task)
        await task

    asyncio.run(asyncio.wait_for(main(), 30))


def test_steps_enter_the_history_in_the_order_of_the_graph(make: Make) -> None:
    names = [f"step{number}" for number in range(8)]
    walk = make({**dict.fromkeys(names), "last": "step0"})

    async def play(_: object) -> None:
        await walk.started(*names)
        for name in reversed(names):
            walk.end(name)
        await walk.started("last")
        walk.end("last")

    walked(walk, play)
    assert [name for name, _ in walk.words()] == [*names, "last"]
    assert walk.codes() == {"": "3", **dict.fromkeys([*names, "last"], "4")}


@pytest.mark.parametrize("goes_on", [False, True])
def test_after_a_failure_its_dependents_get_no_run(make: Make, goes_on: bool) -> None:
    steps = {"bad": None, "good": None, "after_bad": "bad", "after_good": "good"}
    walk = make(steps, ContinueRunOnStepFailure=goes_on)

    async def play(_: object) -> None:
        await walk.started("bad", "good")
        walk.end("bad", Failure("UserError", "exit code 3"))
        while ("bad", "Failed") not in walk.words():
            await asyncio.sleep(0.01)
        walk.end("good")
        if goes_on:
            await walk.started("after_good")
            walk.end("after_good")

    walked(walk, play)
    assert walk.codes() == {"": "2", "bad": "3", "good": "4", **({"after_good": "4"} if goes_on else {})}


def test_a_cancel_while_steps_are_being_created_reaches_them(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = make({"one": None, "two": None, "after": "one"})
    start, created = nodes.start, asyncio.Event()

    async def play(_: object) -> None:
        loop = asyncio.get_running_loop()

        def slowly(*arguments: Any, **more: Any) -> Any:
            asyncio.run_coroutine_threadsafe(walk.task.cancel(), loop).result()
            loop.call_soon_threadsafe(created.set)
            return start(*arguments, **more)

        monkeypatch.setattr(nodes, "start", slowly)
        await created.wait()

    walked(walk, play)
    canceled, submitted = sorted(walk.log(), key=lambda line: "Submitting" in line)
    assert canceled == "Execution of experiment cancelled, update experiment status and cancel submitted nodes"
    ids = [run["runId"] for run in run_records.children(walk.store, WORKSPACE.id, walk.run["Id"])]
    assert submitted == f"Submitting 2 runs, first five are: one:{ids[0]},two:{ids[1]}"
    assert walk.codes() == {"": "4", "one": "5", "two": "5"}
    assert walk.words() == [("one", "Canceled"), ("two", "Canceled")]


def test_a_fault_of_the_walk_ends_the_steps_that_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = make({"long": None, "short": None, "next": "short"})

    def full(*_: object, **__: object) -> Any:
        raise ApiError(507, "InsufficientStorage", "There is no room.")

    async def play(_: object) -> None:
        await walk.started("long", "short")
        monkeypatch.setattr(nodes, "start", full)
        walk.end("short")

    walked(walk, play)
    assert walk.codes() == {"": "2", "long": "5", "short": "4"}
    assert pipeline_runs.require(walk.store, WORKSPACE.id, walk.run["Id"])["Status"]["StatusDetail"] == (
        "There is no room."
    )


def test_the_end_of_a_run_waits_for_room(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = make({"one": None})
    finish, tries = pipeline_runs.finish, list[int]()

    def full_at_first(*arguments: Any) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ApiError(507, "InsufficientStorage", "There is no room.")
        finish(*arguments)

    monkeypatch.setattr(storage_faults, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(pipeline_runs, "finish", full_at_first)

    async def play(_: object) -> None:
        await walk.started("one")
        walk.end("one")

    walked(walk, play)
    assert len(tries) == 3
    assert walk.codes() == {"": "3", "one": "4"}


def test_a_step_whose_outputs_cannot_be_registered_has_failed(make: Make) -> None:
    walk = make({"one": None, "after": "one"}, registered_as="not/a/name")

    async def play(_: object) -> None:
        await walk.started("one")
        walk.end("one")

    walked(walk, play)
    assert walk.codes() == {"": "2", "one": "3"}
    (run,) = run_records.children(walk.store, WORKSPACE.id, walk.run["Id"])
    assert "'not/a/name' is not a dataset name" in run["error"]["error"]["message"]
