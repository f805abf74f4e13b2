"""The server of a kill campaign: started by the command line, found by its state folder, counted by its starts."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from local_azure.cli.client_environment import client_environment, ensure_config_file
from tests.campaign.figures import Figures
from tests.campaign.processes import Started, children, descendants, kill, still_there, words_of
from tests.faults.fault_server import Machine, scope

START_SECONDS = 60
GONE_SECONDS = 10.0
ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
COMMAND = [PYTHON, "-m", "local_azure"]


class BrokenOffError(Exception):
    """A guarantee is violated without which the campaign cannot go on."""


class CampaignServer:
    """One state folder and whatever server runs on it."""

    def __init__(self, folder: Path, started: Started, figures: Figures) -> None:
        self.folder = folder
        self.machine = Machine(folder / "state")
        self.starts: list[float] = []
        self.cut_starts = 0
        self.left: list[str] = []
        self._burials: list[threading.Thread] = []
        self.last_harm = time.monotonic()
        self._is_up = threading.Event()
        self._started = started
        self._figures = figures
        self._command = [*COMMAND, "--state", str(self.machine.state.root)]
        ensure_config_file(folder)

    def up(self) -> None:
        """Start the server; whatever happened to the one before, this must succeed."""
        begun = time.monotonic()
        log = (self.folder / "up.log").open("a+", encoding="utf-8")
        with log, self._started([*self._command, "up"], stdout=log, stderr=log) as process:
            code = process.wait(2 * START_SECONDS)
        self.starts.append(time.monotonic() - begun)
        if code != 0:
            raise BrokenOffError(f"start {len(self.starts)} ended with {code}: {self._last_words()}")
        info = self.machine.state.running_server()
        if info is None:
            raise BrokenOffError(f"start {len(self.starts)} succeeded, and no server runs")
        self.machine.info = info
        self.machine.sign_in()
        self._is_up.set()
        self.last_harm = time.monotonic()

    def _last_words(self) -> str:
        return (self.folder / "up.log").read_text(encoding="utf-8")[-1500:]

    def start_to_be_killed(self, seconds: float) -> None:
        """Kill a server while it starts."""
        with self._started([*self._command, "up"], stdout=-3, stderr=-3) as process:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.005)
            servers = [pid for pid in children(process.pid) if "local_azure" in words_of(pid)]
            running = self.machine.state.running_server()
            for pid in servers or ([running.pid] if running else []):
                self._kill_with_all(pid)
            with suppress(ProcessLookupError):
                process.kill()
        self.cut_starts += 1

    def kill(self) -> None:
        """kill -9 of the server alone; what it had started must end by itself."""
        self._is_up.clear()
        self._kill_with_all(self.machine.info.pid)

    def _kill_with_all(self, pid: int) -> None:
        dying = [pid, *descendants(pid)]
        kill(pid)
        self.last_harm = time.monotonic()
        burial = threading.Thread(target=self._bury, args=(dying,), daemon=True)
        burial.start()
        self._burials.append(burial)
        still_there([pid], GONE_SECONDS)

    def _bury(self, dying: list[int]) -> None:
        """What a killed server had started must end by itself, while the next server starts already."""
        for left in still_there(dying, GONE_SECONDS):
            self.left.append(f"{left} {words_of(left)}")

    def down(self) -> None:
        """Stop it as a person would, and see off what killed servers had started."""
        for burial in self._burials:
            burial.join()
        with self._started([*self._command, "down"], stdout=-3) as process:
            code = process.wait(START_SECONDS)
        if code != 0:
            self._figures.broke(f"down ended with {code}")

    def environment(self) -> dict[str, str]:
        """Variables of a client of the server of this moment, or of the next one."""
        self._is_up.wait(START_SECONDS)
        inherited = {**os.environ, "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        return client_environment(inherited, self.machine.state, self.machine.info)

    def child_with(self, is_its: Callable[[int], bool]) -> int | None:
        """The child of the server below which there is a certain kind of process."""
        for child in children(self.machine.info.pid):
            if any(is_its(pid) for pid in descendants(child)):
                return child
        return None

    def services(self, workspace: str) -> list[dict[str, Any]]:
        """Documents of the web services of a workspace, with their keys."""
        base = f"/modelmanagement/v1.0{scope(workspace)}/services"
        found = self.machine.get(base)["value"]
        return [{**service, **self.machine.post(f"{base}/{service['name']}/listkeys")} for service in found]
