"""The product's verbs, one after another, each begun again until it has come to its end."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

from tests.campaign.figures import Figures
from tests.campaign.processes import Started, kill
from tests.campaign.server import PYTHON, ROOT, CampaignServer
from tests.story.product import TABLE, clean_environment, cut_table

VERB_SECONDS = 120
HARM_SECONDS = 15.0  # a fault so shortly after harm to the server or its processes may come from it
PAUSE_SECONDS = 1.0
MOST_ATTEMPTS = 40
CONFLICT = 4
SETTINGS = {
    "PIPELINE_NAME": "campaign",
    "PIPELINE_ENDPOINT_NAME": "campaign-of-the-product",
    "EXPERIMENT_NAME": "campaign-of-the-product",
    "MODEL_NAME": "campaign",
    "DATASET_NAME": "campaign",
    "TEST_SERVICE_NAME": "campaign-test",
    "AZUREML_PRODUCTION_WORKSPACE_NAME": "local-production",
    "PRODUCTION_SERVICE_NAME": "campaign",
}
OVERRIDE = ["--override-by", "a campaign", "--override-reason", "every model is wanted"]


@dataclass
class Counts:
    """How the verbs fared."""

    ended: int = 0
    killed: int = 0
    again: int = 0


class Verbs:
    """Data, publication, training, release and rollback, over and over, in a thread."""

    def __init__(self, server: CampaignServer, started: Started, folder: Path) -> None:
        self.counts = Counts()
        self.broken: list[str] = []
        self._server = server
        self._started = started
        self._tables = [TABLE, cut_table(folder / "other.csv", "2014-05-31")]
        self._base = clean_environment(folder)
        self._current: Popen[str] | None = None
        self._is_over = False
        self.has_released = False
        self._last_kill = -HARM_SECONDS
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Go on in the background."""
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Let the verb that runs come to its end, undisturbed."""
        self._is_over = True
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.broken.append(f"a verb did not come to its end within {seconds} s after the last kill")

    def kill(self) -> bool:
        """kill -9 of the verb that runs; False when none does."""
        process = self._current
        if process is None or process.poll() is not None or not kill(process.pid):
            return False
        self.counts.killed += 1
        self._last_kill = time.monotonic()
        return True

    def _run(self) -> None:
        build = 0
        while not self._is_over:
            build += 1
            self._cycle(build)

    def _cycle(self, build: int) -> None:
        """Everything once. Always trained on the same data: the gate prefers the champion then, and is overridden."""
        table = self._tables[build % len(self._tables)]
        self.ended(build, "data", "upload", "--file", str(table))
        self.ended(build, "publish")
        run = self.ended(build, "run", "--data-version", "1", *(OVERRIDE if self.has_released else []), "--json")
        if not run:
            return
        released = self.ended(build, "release", "--run", str(run["run_id"]), "--json")
        before = str(released.get("before", "none")).rpartition(":")[2]
        self.has_released = self.has_released or bool(released)
        if before != "none" and build % 2:
            self.ended(build, "rollback", "--to", before, "--reason", "worse", "--json")

    def ended(self, build: int, *words: str) -> dict[str, Any]:
        """Run a verb until it ends with 0; returns the document it printed, or nothing when it never did.

        Once the campaign is over, no further verb begins.
        """
        if self._is_over:
            return {}
        for _ in range(MOST_ATTEMPTS):
            begun = time.monotonic()
            code, out, err = self._attempt(build, words)
            if code == 0:
                self.counts.ended += 1
                return dict(json.loads(out)) if "--json" in words else {}
            self.counts.again += 1
            is_harmed = max(self._last_kill, self._server.last_harm) > begun - HARM_SECONDS
            if not is_harmed and code != CONFLICT:
                self.broken.append(f"{' '.join(words)} ended with {code} undisturbed: {err[-800:]}")
                return {}
            time.sleep(PAUSE_SECONDS)
        self.broken.append(f"{' '.join(words)} did not come to its end in {MOST_ATTEMPTS} attempts: {err[-800:]}")
        return {}

    def _attempt(self, build: int, words: tuple[str, ...]) -> tuple[int, str, str]:
        environment = {**self._base, **self._server.environment(), **SETTINGS, "BUILD_BUILDID": str(build)}
        environment.pop("PYTHONPATH", None)
        command = [PYTHON, "-m", "ml_service", *words]
        with self._started(command, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE) as process:
            self._current = process
            try:
                out, err = process.communicate(timeout=VERB_SECONDS)
            except TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                err += f"\nkilled after {VERB_SECONDS} s"
            self._current = None
        return process.returncode, out, err

    def verify(self) -> str:
        """What `verify` says about production after all; nothing when it finds no fault."""
        code, out, err = self._attempt(0, ("verify", "--horizon", "1"))
        return "" if code == 0 else f"verify ended with {code}: {out[-400:]}{err[-400:]}"

    def report(self, figures: Figures) -> None:
        """How many ended, and which guarantees were violated."""
        counts = self.counts
        figures.add("verbs ended", f"{counts.ended}, killed {counts.killed}, begun again {counts.again}")
        for broken in self.broken:
            figures.broke(broken)
