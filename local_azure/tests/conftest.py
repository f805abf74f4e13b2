"""A real server process and the real SDK in this process; nothing is mocked."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.machine_learning.http import route_log
from local_azure.machine_learning.planes.table import ROUTES
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget what AutoML of the SDK sets for processes that it starts: programs of other tests would inherit it."""
    for name in [name for name in os.environ if name.startswith("AUTOML_")]:
        del os.environ[name]


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
    """Requests that a test makes itself are not evidence of what the SDK does: they name themselves."""
    original = requests.Session.request

    def request(session: requests.Session, *args: Any, **settings: Any) -> requests.Response:
        caller = sys._getframe(1)
        while caller.f_back and caller.f_globals.get("__name__", "").startswith("requests."):
            caller = caller.f_back
        if HERE in Path(caller.f_code.co_filename).parents:
            settings["headers"] = {"User-Agent": OWN_REQUEST, **(settings.get("headers") or {})}
        return original(session, *args, **settings)

    requests.Session.request = request  # type: ignore[method-assign,assignment]
    yield
    requests.Session.request = original  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def server(state: StateFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInfo]:
    """A running server; this process gets its client variables before azureml is imported."""
    if "azureml.core" in sys.modules:
        reason = "The SDK reads its list of clouds at import, which came before this server: run these tests alone."
        pytest.exit(reason, pytest.ExitCode.USAGE_ERROR)
    before = dict(os.environ)
    os.environ["LOCAL_AZURE_SCHEDULE_SPEED"] = SCHEDULE_SPEED
    info = lifecycle.start(state)
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        os.environ[name] = DEAD_PROXY
    os.environ.update(client_variables(state, info, os.environ))
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


class EvidencePlugin:
    """Fails a whole run of these tests in which the SDK never reached a route that COVERAGE.md calls driven."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._unproven: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """After the last test of the last process; where one failed, it may have reached too little."""
        if exitstatus == pytest.ExitCode.OK and is_whole_run(session.config):
            reached = route_log.reached(self._log, without=OWN_REQUEST)
            unreached = [route for route in ROUTES if route.key not in reached]
            self._unproven = [f"{one.method} {one.path}" for one in unreached if one.evidence == "driven"]
            if self._unproven:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Names the routes."""
        if self._unproven:
            terminalreporter.section("COVERAGE.md calls these driven; the SDK never reached them")
            terminalreporter.write_line("\n".join(self._unproven))

    def pytest_unconfigure(self) -> None:
        """The log has served."""
        shutil.rmtree(self._log.parent)


def is_whole_run(config: pytest.Config) -> bool:
    """Whether nothing but this whole folder was asked for."""
    asked = config.option
    parts = (
        asked.keyword,
        asked.markexpr,
        asked.ignore,
        asked.ignore_glob,
        asked.deselect,
        asked.lf,
        asked.collectonly,
    )
    return not any(parts) and [Path(word).absolute() for word in config.args] == [HERE]


def pytest_configure(config: pytest.Config) -> None:
    """All servers of this run share one route log, also those of the other processes in which its tests run."""
    if not hasattr(config, "workerinput"):
        log = Path(tempfile.mkdtemp(prefix="local-azure-routes-")) / "log"
        os.environ[route_log.VARIABLE] = str(log)
        config.pluginmanager.register(EvidencePlugin(log))
