"""A copy of the repository in which the real pipelines run, and what a run left behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.cli.warm import VARIABLE
from local_azure.machine_learning.storage.state import StateFolder
from tests.preloading import ENABLED, preloaded
from tests.story.product import ROOT, Product, clean_environment

TREE = (".pipelines", ".ci", "data", "environments", "ml_service", "mlops_code", "requirements", "variables.yml")
Found = TypeVar("Found")
SECONDS = 600
"""That a run, or what is waited for in one, may take."""
PRODUCTION = "AZUREML_PRODUCTION_WORKSPACE_NAME=local-production"


@dataclass(frozen=True)
class Ran:
    """A run that has ended: exit code and the runner's document."""

    code: int
    document: dict[str, Any]

    @property
    def stages(self) -> dict[str, str]:
        """Result of each stage."""
        return {name: result for name, result in self.document["results"].items() if "." not in name}

    @property
    def jobs(self) -> dict[str, str]:
        """Result of each job, by stage and job."""
        return {name: result for name, result in self.document["results"].items() if "." in name}

    def log(self, job: str) -> str:
        """What a job wrote."""
        return Path(self.document["folder"], "logs", f"{job}.log").read_text(encoding="utf-8")

    def artifact(self, name: str) -> Path:
        """The folder of an artifact."""
        assert name in self.document["artifacts"]
        return Path(self.document["folder"], "artifacts", name)


@dataclass
class Going:
    """A run in progress. The process is the runner, which is the agent of its jobs too."""

    process: subprocess.Popen[str]
    folder: Path

    def until(self, found: Callable[[], Found | None]) -> Found:
        """What is found, once it is; the run must not end before."""
        deadline = time.monotonic() + SECONDS
        while True:
            has_ended = self.process.poll() is not None
            if (what := found()) is not None:
                return what
            assert not has_ended, f"the run has ended\n{self.process.communicate()}"
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def until_logged(self, job: str, pattern: str) -> str:
        """The first group of a pattern, once a job has logged it."""
        log = self.folder / "logs" / f"{job}.log"

        def found() -> str | None:
            match = re.search(pattern, log.read_text(encoding="utf-8")) if log.is_file() else None
            return match.group(1) if match else None

        return self.until(found)

    def ended(self) -> Ran:
        """The run, once it has ended."""
        written, _ = self.process.communicate(timeout=SECONDS)
        return Ran(self.process.returncode, json.loads(written))


@dataclass(frozen=True)
class House:
    """A copy of the repository and a server."""

    tree: Path
    state: StateFolder
    environment: Mapping[str, str]
    seconds: int = SECONDS
    """How long a run of a pipeline may take."""
    warm: bool = ENABLED
    """Whether the programs of a run start preloaded."""

    def run(self, pipeline: str, *words: str, production: str = PRODUCTION) -> Ran:
        """Run a pipeline of the copy."""
        done = subprocess.run(
            self._command(pipeline, *words, production=production),
            cwd=self.tree,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.seconds,
        )
        assert done.stdout.strip(), done.stderr
        return Ran(done.returncode, json.loads(done.stdout))

    @contextmanager
    def begun(self, pipeline: str, *words: str) -> Iterator[Going]:
        """A run that has begun; killed at the end of the block, should it last that long."""
        with subprocess.Popen(
            self._command(pipeline, *words),
            cwd=self.tree,
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                _, _, folder = process.stderr.readline().rstrip().partition("kept in ")
                yield Going(process, Path(folder))
            finally:
                process.kill()

    def _command(self, pipeline: str, *words: str, production: str = PRODUCTION) -> list[str]:
        file = str(self.tree / ".pipelines" / f"{pipeline}.yml")
        runner = [sys.executable, "-m", "local_azure", "--state", str(self.state.root), "pipelines", "run", file]
        return [*runner, "--json", "--azure", production, *words]

    @property
    def _variables(self) -> dict[str, str]:
        return {**self.environment, VARIABLE: "1" if self.warm else ""}

    @property
    def product(self) -> Product:
        """The command line of the copy, with both workspaces."""
        info = self.state.running_server()
        assert info is not None
        variables = {**self.environment, **client_variables(self.state, info, self.environment)}
        return Product(preloaded(self.state, variables), tree=self.tree).with_settings(
            AZUREML_PRODUCTION_WORKSPACE_NAME="local-production"
        )

    def serves(self) -> dict[str, Any]:
        """What production serves, verified."""
        return self.product.run("verify", "--horizon", "1", "--json").document

    def champions(self) -> list[int]:
        """Versions that are champion."""
        models = self.product.run("status", "--json").document["models"]
        return [model["version"] for model in models if model["champion"]]


def copy_repository(tree: Path, *more: str) -> Path:
    """What a run of the product's pipelines needs, and the files that are named, as a repository of its own."""
    tree.mkdir()
    for name in (*TREE, *more):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name)
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    return tree


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    """A repository with the files of this one, and a server for it."""
    state = StateFolder(folder / "state")
    lifecycle.start(state)
    (folder / "home").mkdir()
    yield House(copy_repository(folder / "repository"), state, clean_environment(folder / "home"))
    lifecycle.stop(state)
