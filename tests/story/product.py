"""The product as its user has it, a command line in a process of its own, and the plain SDK to check what it did.

The SDK lives in one process beside the tests: it remembers the first cloud it meets, and other tests of the same
session talk to a server of theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import yaml

from ml_service.settings.variables import AGENT_VARIABLES, Settings
from tests.preloading import python

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "data/adventureworks/daily_by_type.csv"
PROBLEM = ROOT / "mlops_code/problems/paid_amount.yml"
BY_STEP = {"TEST_DEPLOYMENT": "step"}
STEPS = ["prepare", "train", "evaluate", "register", "deploy"]

_DEAD_PROXY = "http://127.0.0.1:9"  # any stray request to the outside ends here
_COMMAND_SECONDS = 120
_TREE = ("ml_service", "mlops_code", "data")

Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that `--json` prints, and nothing beside it."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    def found(self, pattern: str) -> str:
        """The first group of a pattern in standard output."""
        match = re.search(pattern, self.out, re.MULTILINE)
        assert match, f"{pattern!r} is not in\n{self.out}"
        return match.group(1)


@dataclass(frozen=True)
class Product:
    """The command line with settings of its own, which tests change by environment variables as a build does."""

    environment: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    tree: Path = ROOT
    seconds: int = _COMMAND_SECONDS
    """How long a command may take."""

    def with_settings(self, **settings: object) -> Product:
        """The same product with some settings changed."""
        changed = {name: str(value) for name, value in settings.items()}
        return replace(self, settings={**self.settings, **changed})

    def from_tree(self, tree: Path) -> Product:
        """The same settings with the code of another copy of the repository."""
        return replace(self, tree=tree)

    def run(self, *words: object, code: int = 0) -> Ended:
        """Run `python -m ml_service WORDS`, which must end with this exit code."""
        done = subprocess.run(
            [python(self.environment), "-m", "ml_service", *map(str, words)],
            cwd=self.tree,
            env={**self.environment, **self.settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=self.seconds,
        )
        assert done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        assert code == 1 or "Traceback" not in done.stderr, "a traceback is for faults only, as the log of a step"
        return Ended(done.returncode, done.stdout, done.stderr)


class Sdk:
    """Plain SDK code against the workspace of the tests: `sdk(function, ...)` calls function(workspace, ...)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = ProcessPoolExecutor(
            max_workers=1, mp_context=get_context("spawn"), initializer=_enter, initargs=(dict(environment),)
        )

    def __call__(
        self, function: Callable[Concatenate[Any, Given], Found], *args: Given.args, **more: Given.kwargs
    ) -> Found:
        """What a function at the top of a test module returns; what it raises is raised here."""
        return self._process.submit(_with_workspace, function, args, more).result(timeout=_COMMAND_SECONDS)

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()


def _enter(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@cache
def _workspace() -> Any:
    from azureml.core import Workspace

    return Workspace.get(
        os.environ["AZUREML_WORKSPACE_NAME"],
        subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
    )


def _with_workspace(function: Callable[..., Found], args: tuple[Any, ...], more: dict[str, Any]) -> Found:
    return function(_workspace(), *args, **more)


def clean_environment(home: Path) -> dict[str, str]:
    """This process's variables without anything that decides about a build, and with a home of its own.

    The published pipelines of stories deploy for test by their last step; those of .pipelines/ and of the docs, which
    see these variables not or change them, from the agent.
    """
    decided = {name.upper() for name in Settings.model_fields} | AGENT_VARIABLES
    kept = {name: value for name, value in os.environ.items() if name.upper() not in decided}
    # With it set, every process would compile its imports again.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, **BY_STEP, "HOME": str(home), "HTTPS_PROXY": _DEAD_PROXY, "https_proxy": _DEAD_PROXY}


def write_problem(path: Path, changes: Mapping[str, object]) -> Path:
    """Write the default problem with other values at dotted keys; None leaves the key out."""
    document = yaml.safe_load(PROBLEM.read_text())
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        place = document
        for section in sections:
            place = place[section]
        if value is None:
            del place[key]
        else:
            place[key] = value
    path.write_text(yaml.safe_dump(document))
    return path


def cut_table(path: Path, last_day: str) -> Path:
    """Write the embedded table up to a day, as it was delivered then."""
    header, *rows = TABLE.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *(row for row in rows if row[:10] <= last_day)]))
    return path


def raised_table(path: Path, factor: float) -> Path:
    """Write the embedded table with every amount multiplied: the same days, and a model of other bytes."""
    header, *rows = TABLE.read_text().splitlines()
    parts = (row.rpartition(",") for row in rows)
    path.write_text(
        "\n".join([header, *(f"{before},{float(amount) * factor:.4f}" for before, _, amount in parts), ""])
    )
    return path


def shifted_table(path: Path, last_day: str, since: str, factor: float) -> Path:
    """Write the embedded table up to a day, with the amounts multiplied from another day on."""
    header, *rows = cut_table(path, last_day).read_text().splitlines()
    parts = (row.rpartition(",") for row in rows)
    changed = (f"{rest},{float(amount) * (factor if rest[:10] >= since else 1):.4f}" for rest, _, amount in parts)
    path.write_text("\n".join([header, *changed, ""]))
    return path


def copy_tree(target: Path) -> Path:
    """A copy of everything that the command line needs, for tests that break a file of it."""
    for name in _TREE:
        shutil.copytree(ROOT / name, target / name)
    shutil.copy2(ROOT / "variables.yml", target)
    return target


def register_table(workspace: Any, name: str, file: str) -> str:
    """Register a table as a data version with plain SDK code, past our own check; returns the hash of its bytes."""
    from azureml.core import Dataset

    store, sha256 = workspace.get_default_datastore(), hashlib.sha256(Path(file).read_bytes()).hexdigest()
    store.upload_files([file], target_path=f"{name}/{sha256}", show_progress=False)
    dataset = Dataset.File.from_files((store, f"{name}/{sha256}"), validate=False)
    dataset.register(workspace, name, tags={"sha256": sha256}, create_new_version=True)
    return sha256


def registered_versions(workspace: Any, model: str) -> dict[int, dict[str, Any]]:
    """Every registered version of a model with its properties and tags."""
    from azureml.core import Model

    return {
        int(found.version): {"properties": dict(found.properties), "tags": dict(found.tags)}
        for found in Model.list(workspace, name=model)
    }


def champions(workspace: Any, model: str) -> list[int]:
    """Versions that carry the champion's tag."""
    return [number for number, found in registered_versions(workspace, model).items() if "champion" in found["tags"]]


def served(workspace: Any, service: str) -> tuple[str, list[int]]:
    """State of a web service and the model versions behind it."""
    from azureml.core.webservice import Webservice

    found = Webservice(workspace, service)
    return str(found.state), [int(model.version) for model in found.models]
