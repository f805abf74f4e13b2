"""A real server process and the real SDK in this process; nothing is mocked."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure import lifecycle
from local_azure.client_environment import client_variables
from local_azure.machine_learning.state import ServerInfo, StateFolder

HERE = Path(__file__).parent
OWN_REQUEST = "a-test-itself"
DEAD_PROXY = "http://127.0.0.1:9"  # any stray request to the outside ends here
SCHEDULE_SPEED = "60"  # a minute of a schedule takes a second

WRITE = """
import argparse, os, pathlib
p = argparse.ArgumentParser(); p.add_argument("--out"); p.add_argument("--text", default="x"); a = p.parse_args()
pathlib.Path(a.out).mkdir(parents=True, exist_ok=True)
pathlib.Path(a.out, "text.txt").write_text(a.text)
print("wrote", a.text)
"""
READ = """
import argparse, pathlib
from azureml.core import Run
p = argparse.ArgumentParser(); p.add_argument("--source"); a = p.parse_args()
text = pathlib.Path(a.source, "text.txt").read_text()
run = Run.get_context()
run.log("length", len(text))
run.parent.tag("text", text)
run.parent.add_properties({"outcome": "read"})
"""


class Project:
    """A folder with step scripts and what a pipeline of them needs."""

    WRITE, READ = WRITE, READ

    def __init__(self, workspace: Any, folder: Path) -> None:
        from azureml.core import Environment
        from azureml.core.runconfig import RunConfiguration

        self.workspace = workspace
        self.folder = folder
        self.configuration = RunConfiguration()
        self.configuration.environment = Environment("plain")
        self.configuration.environment.python.user_managed_dependencies = True

    def step(self, name: str, source: str, arguments: list[Any] | None = None, **more: Any) -> Any:
        """A PythonScriptStep with a snapshot of its own."""
        from azureml.pipeline.steps import PythonScriptStep

        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(source)
        return PythonScriptStep(
            f"{name}.py",
            name=name,
            arguments=arguments or [],
            source_directory=str(folder),
            compute_target="cluster",
            runconfig=self.configuration,
            **{"allow_reuse": False, **more},
        )

    def pipeline(self, *steps: Any) -> Any:
        """A pipeline of steps."""
        from azureml.pipeline.core import Pipeline

        return Pipeline(self.workspace, steps=list(steps), description="a test")

    def write_and_read(self, text: Any = "hello", **more: Any) -> Any:
        """Two steps joined by a folder."""
        from azureml.data import OutputFileDatasetConfig

        out = OutputFileDatasetConfig(name="out")
        write = self.step("write", WRITE, ["--out", out, "--text", text], **more)
        read = self.step("read", READ, ["--source", out.as_input("source")])
        return self.pipeline(write, read)

    @staticmethod
    def finished(run: Any) -> Any:
        """The run, after it has ended well."""
        run.wait_for_completion(show_output=False, raise_on_error=False)
        errors = [run.get_details().get("error"), *(step.get_details().get("error") for step in run.get_steps())]
        assert run.get_status() == "Finished", errors
        return run

    @staticmethod
    def steps_of(run: Any) -> dict[str, Any]:
        """Step runs by name."""
        return {step.name: step for step in run.get_steps()}

    @staticmethod
    def failing(run: Any) -> str:
        """The message with which a run failed."""
        with pytest.raises(Exception, match="Pipeline has some failed steps"):
            run.wait_for_completion(show_output=False)
        assert run.get_status() == "Failed"
        return str(run.get_details()["error"]["error"]["message"])


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    """State folder of the session's server."""
    return StateFolder(tmp_path_factory.mktemp("state") / "folder")


@pytest.fixture(scope="session", autouse=True)
def own_requests_are_marked() -> Iterator[None]:
    """Requests that a test makes itself are no evidence of what the SDK does: they name themselves."""
    original = requests.Session.request

    def request(session: requests.Session, *args: Any, **settings: Any) -> requests.Response:
        caller = sys._getframe(1)
        while caller.f_back and caller.f_globals.get("__name__", "").startswith("requests."):
            caller = caller.f_back
        if Path(caller.f_code.co_filename).parent == HERE:
            settings["headers"] = {"User-Agent": OWN_REQUEST, **(settings.get("headers") or {})}
        return original(session, *args, **settings)

    requests.Session.request = request  # type: ignore[method-assign,assignment]
    yield
    requests.Session.request = original  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def route_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's servers note which routes were reached."""
    return tmp_path_factory.mktemp("routes") / "log"


@pytest.fixture(scope="session")
def server(state: StateFolder, route_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInfo]:
    """A running server; this process gets its client variables before azureml is imported."""
    before = dict(os.environ)
    os.environ["LOCAL_AZURE_SCHEDULE_SPEED"] = SCHEDULE_SPEED
    os.environ["LOCAL_AZURE_ROUTE_LOG"] = str(route_log)
    info = lifecycle.start(state)
    os.environ.update(client_variables(state, info))
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        os.environ[name] = DEAD_PROXY
    yield info
    os.environ.clear()
    os.environ.update(before)
    lifecycle.stop(state)


@pytest.fixture(scope="session")
def ws(server: ServerInfo) -> Any:
    """The development workspace, as user code gets it: no authentication object."""
    from azureml.core import Workspace

    return Workspace.get(
        os.environ["AZUREML_WORKSPACE_NAME"],
        subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
    )


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test uses: `unique("model")`."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own; the SDK wants what it uploads below the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(ws: Any, folder: Path) -> Project:
    """An empty project on the workspace, with a compute target named "cluster"."""
    from azureml.core.compute import AmlCompute, ComputeTarget

    if "cluster" not in ws.compute_targets:
        settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
        ComputeTarget.create(ws, "cluster", settings).wait_for_completion()
    return Project(ws, folder)


@pytest.fixture
def experiment(ws: Any, unique: Callable[[str], str]) -> Any:
    """An experiment of the test's own."""
    from azureml.core import Experiment

    return Experiment(ws, unique("pipelines"))


def _is_whole_run(session: pytest.Session) -> bool:
    """Whether this run has every test of the emulator, with nothing selected by hand."""
    there = {path.name for path in HERE.glob("test_*.py")}
    collected = {item.path.name for item in session.items if item.path.parent == HERE}
    options = session.config.option
    chosen = options.keyword or options.markexpr or any("::" in word for word in session.config.args)
    return collected == there and not chosen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test of evidence comes when all others have given theirs."""
    items.sort(key=lambda item: item.path.name == "test_evidence.py")


@pytest.fixture
def evidence(request: pytest.FixtureRequest, server: ServerInfo, route_log: Path) -> set[tuple[str, str]]:
    """(method, path) of each route that the real client has reached in this run."""
    if not _is_whole_run(request.session):
        pytest.skip("only a part of the emulator's tests runs")
    if request.session.testsfailed:
        pytest.skip("a test that failed may have reached no route")
    reached = set()
    for line in route_log.read_text(encoding="utf-8").splitlines():
        method, path, agent = line.split(" ")
        if agent != OWN_REQUEST:
            reached.add((method, path))
    return reached
