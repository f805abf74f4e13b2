"""A copy of the repository in which the real pipelines run, and what a run left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.cli.client_environment import client_variables
from local_azure.cli.warm import VARIABLE
from local_azure.machine_learning.storage.state import StateFolder
from tests.preloading import ENABLED, preloaded
from tests.story.product import ROOT, Product

TREE = (".pipelines", ".ci", "data", "environments", "ml_service", "mlops_code", "requirements", "variables.yml")
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


@dataclass(frozen=True)
class House:
    """A copy of the repository and a server."""

    tree: Path
    state: StateFolder
    environment: Mapping[str, str]
    seconds: int = 600
    """How long a run of a pipeline may take."""

    def run(self, pipeline: str, *words: str, production: str = PRODUCTION) -> Ran:
        """Run a pipeline of the copy."""
        file = str(self.tree / ".pipelines" / f"{pipeline}.yml")
        runner = [sys.executable, "-m", "local_azure", "--state", str(self.state.root), "pipelines", "run", file]
        done = subprocess.run(
            [*runner, "--json", "--azure", production, *words],
            cwd=self.tree,
            env={**self.environment, VARIABLE: "1" if ENABLED else ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=self.seconds,
        )
        assert done.stdout.strip(), done.stderr
        return Ran(done.returncode, json.loads(done.stdout))

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
