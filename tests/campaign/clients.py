"""The clients of a kill campaign: processes that write and submit until they are told to stop."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired
from typing import Any

from tests.campaign.journal import END
from tests.campaign.processes import Started
from tests.campaign.server import PYTHON, ROOT, CampaignServer

REST_WRITERS = 2
REST_NAME = "rest"
STOP_SECONDS = 90
PREPARE_SECONDS = 180
STEP_FOLDER = Path(__file__).parent / "step"


def prepared(server: CampaignServer, started: Started, names: list[str]) -> dict[str, Any]:
    """Publish a pipeline and deploy services; ids, addresses and keys."""
    words = [PYTHON, str(ROOT / "tests/campaign/prepare_services.py"), str(STEP_FOLDER), *names]
    with started(words, cwd=server.folder, env=server.environment(), stdout=PIPE, stderr=STDOUT) as process:
        printed, _ = process.communicate(timeout=PREPARE_SECONDS)
    if "RESULT" not in printed:
        raise SystemExit(f"the campaign could not be prepared:\n{printed}")
    return dict(json.loads(printed.partition("RESULT")[2]))


class Clients:
    """Writers by REST and by the SDK, and one that submits pipeline runs."""

    def __init__(self, server: CampaignServer, started: Started, pipeline: str, seed: int) -> None:
        self.journals = server.folder / "journals"
        self.journals.mkdir()
        self._server = server
        self._started = started
        self._stop = server.folder / "stop"
        self.sdk_lives = 0
        state, stop = str(server.machine.state.root), str(self._stop)
        names = [f"{REST_NAME}{number}" for number in range(REST_WRITERS)]
        commands = [["rest_client", state, stop, self._journal(name)] for name in names]
        commands.append(["submitter", state, stop, self._journal("submitter"), pipeline, str(seed)])
        self._log = (server.folder / "clients.log").open("w", encoding="utf-8")
        self._processes = [
            started([PYTHON, "-m", f"tests.campaign.{name}", *words], cwd=ROOT, stdout=self._log, stderr=self._log)
            for name, *words in commands
        ]
        self._sdk = threading.Thread(target=self._write_by_sdk, daemon=True)
        self._sdk.start()

    def _journal(self, name: str) -> str:
        return str(self.journals / f"{name}{END}")

    def _write_by_sdk(self) -> None:
        """A process of the SDK lives as long as the server that it has met."""
        words = ["write", str(self._stop), self._journal("sdk"), str(STEP_FOLDER)]
        command = [PYTHON, "-m", "tests.campaign.sdk_client", *words]
        while not self._stop.exists():
            self.sdk_lives += 1
            environment = self._server.environment()
            with self._started(command, cwd=self._server.folder, env=environment, stdout=DEVNULL, stderr=self._log):
                pass
            time.sleep(0.2)

    def stop(self) -> list[str]:
        """Tell all to stop and wait for them; names what did not or ended badly."""
        self._stop.touch()
        faults = []
        for process in self._processes:
            try:
                if process.wait(STOP_SECONDS) != 0:
                    faults.append(f"a client ended with {process.returncode}: {self.last_words()}")
            except TimeoutExpired:
                faults.append(f"a client did not stop within {STOP_SECONDS} s")
        self._sdk.join(STOP_SECONDS)
        if self._sdk.is_alive():
            faults.append(f"the client of the SDK did not stop within {STOP_SECONDS} s")
        self._log.close()
        return faults

    def last_words(self) -> str:
        """The end of what clients said about themselves."""
        return (self._server.folder / "clients.log").read_text(encoding="utf-8")[-1000:]
