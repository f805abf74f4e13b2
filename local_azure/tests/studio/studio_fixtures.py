"""A studio over a store of the test's own: no server process, no SDK; a client that has signed in."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx

from local_azure.machine_learning.domain.data.artifacts import run_artifact
from local_azure.machine_learning.domain.runs import metrics, run_records
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.engines.schedules.scheduler import Scheduler
from local_azure.machine_learning.engines.services.folder import ServiceFolder
from local_azure.machine_learning.server import Parts
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder
from local_azure.machine_learning.storage.store import Store
from local_azure.studio.application import StudioApplication, make_studio

PORT = 18080
ADDRESS = f"http://127.0.0.1:{PORT}"
START_TOKEN = "the-token-of-this-start"
STUDIO_TOKEN = "the-token-of-this-studio"
COOKIE = f"local_azure_studio_{PORT}"


class Browser:
    """Asks the application in this process; keeps cookies and follows no redirect, as a test wants to see it."""

    def __init__(self, application: Any, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=ADDRESS)
        self.cookies = self._client.cookies

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request and read all of the answer."""
        return self._runner.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask for a page."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """Send a form."""
        return self.request("POST", path, **more)


@dataclass
class FakeExecutor:
    """Remembers what it is asked for."""

    submitted: list[str] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)

    def submit(self, _: Workspace, run_id: str) -> None:
        self.submitted.append(run_id)

    def cancel(self, run_id: str) -> None:
        self.canceled.append(run_id)


@dataclass
class FakeHost:
    """Knows the folders of services."""

    root: Path

    def folder(self, workspace: Workspace, name: str) -> ServiceFolder:
        return ServiceFolder(self.root / workspace.id / name)


class Studio:
    """The application, a client of it, and what tests put into its store."""

    def __init__(self, root: Path, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.state = StateFolder(root / "state")
        self.state.create()
        self.store = Store(self.state.database)
        self.files = BlobFiles(self.state.blobs)
        self.workspaces = Workspaces(self.store)
        self.workspace = self.workspaces.ensure("sub", "group", "local-development")
        self.executor = FakeExecutor()
        self.scheduler = runner.run(self._scheduler())
        redactor = Redactor(self.store, self.workspaces, START_TOKEN, STUDIO_TOKEN)
        info = ServerInfo(2, 1, 1, START_TOKEN, 0, PORT, STUDIO_TOKEN)
        self.parts = Parts(
            info, self.state, self.store, self.files, self.workspaces, redactor,
            cast(Any, self.executor), self.scheduler, cast(Any, FakeHost(self.state.services)),
        )  # fmt: skip
        self.application: StudioApplication = make_studio(self.parts)
        self.client = self.new_client()

    async def _scheduler(self) -> Scheduler:  # it belongs to a loop
        return Scheduler(self.store, self.files, self.workspaces, self.executor.submit)

    def new_client(self) -> Browser:
        """A browser that has not signed in."""
        return self.client_of(self.application)

    def client_of(self, application: StudioApplication) -> Browser:
        """A browser of another studio."""
        return Browser(application, self._runner)

    def one_time_address(self) -> str:
        """What the command line would print."""
        answer = self.client.post("/studio/one-time-address", headers={"Authorization": f"Bearer {STUDIO_TOKEN}"})
        assert answer.status_code == 200
        return answer.text

    def sign_in(self) -> None:
        """Sign the client in."""
        assert self.client.get(self.one_time_address()).status_code == 200

    def get(self, path: str) -> str:
        """A page that must be there."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text[:3000]
        return answer.text

    def csrf(self) -> str:
        """The token of the session, as forms of its pages have it."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/studio/"))
        assert found
        return found[1]

    def post(self, path: str, **fields: str) -> Any:
        """Send a form as a browser does from a page of the studio."""
        form = {"csrf": self.csrf(), **fields}
        return self.client.post(path, data=form, headers={"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"})

    def answer(self, approval_id: str, **fields: str) -> Any:
        """Answer an approval of pipeline run 1 on its page as it is now."""
        path = f"/studio/builds/1/approvals/{approval_id}"
        return self.post(path, evidence=self.shown_evidence(approval_id), **fields)

    def shown_evidence(self, approval_id: str) -> str:
        """The hash of the evidence that the page of pipeline run 1 shows with an approval; empty without its form."""
        form = rf'/approvals/{approval_id}".*?name="evidence" value="(\w+)"'
        found = re.search(form, self.get("/studio/builds/1"), re.DOTALL)
        return found[1] if found else ""

    def run(self, run_id: str, experiment: str = "training", **given: Any) -> dict[str, Any]:
        """A run in the history."""
        return run_records.create_named(self.store, self.workspace.id, run_id, experiment, given)

    def log_metric(self, run_id: str, name: str, values: list[float], column: str = "value") -> None:
        """Values of a metric."""
        kind = {"uxMetricType": "azureml.v1.scalar"}
        rows = [{"metricId": f"{name}-{n}", "data": {column: value}} for n, value in enumerate(values)]
        document = {"name": name, "columns": {column: "double"}, "properties": kind, "value": rows}
        metrics.append(self.store, self.workspace.id, run_id, document)

    def write(self, run: dict[str, Any], name: str, content: str | bytes) -> Path:
        """A file among the artifacts of a run."""
        path = run_artifact(run, name).file(self.files, self.workspace)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path
