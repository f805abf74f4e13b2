"""A project in the classic shape, as its authors would run it: build, publish, run by id, compare, register."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from classic_project import FILES  # type: ignore[import-not-found]

from local_azure.machine_learning.storage.state import StateFolder

MODEL = "classic.json"


class Classic:
    """The project in a folder, on the session's server."""

    def __init__(self, state: StateFolder, folder: Path, variables: dict[str, str]) -> None:
        self._state = state
        self._folder = folder
        self._variables = variables

    def __call__(self, *words: str, **variables: str) -> str:
        command = [
            sys.executable,
            "-m",
            "local_azure",
            "--state",
            str(self._state.root),
            "exec",
            "--",
            sys.executable,
        ]
        done = subprocess.run(
            [*command, *words],
            cwd=self._folder,
            env={**os.environ, **self._variables, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def classic(state: StateFolder, ws: Any, tmp_path: Path) -> Classic:
    """The project's files, and the settings that its build server would give it."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    variables = {
        "SUBSCRIPTION_ID": ws.subscription_id,
        "RESOURCE_GROUP": ws.resource_group,
        "WORKSPACE_NAME": ws.name,
        "TENANT_ID": "11111111-2222-3333-4444-555555555555",
        "SP_APP_ID": "66666666-7777-8888-9999-000000000000",
        "SP_APP_SECRET": "a word",
        "BUILD_BUILDID": "001",
    }
    return Classic(state, tmp_path, variables)


@pytest.mark.campaign
def test_only_a_better_model_is_registered(ws: Any, classic: Classic) -> None:
    from azureml.core import Model

    assert "PUBLISHED" in classic("build.py")
    first = classic("run.py", "0")
    assert "STATUS Finished" in first
    assert "STEPS Evaluate=Finished Register=Finished Train=Finished" in first
    better = classic("run.py", "1")
    assert "STATUS Finished" in better
    classic("build.py", BUILD_BUILDID="002")
    worse = classic("run.py", "0", BUILD_BUILDID="002")
    assert "STATUS Canceled" in worse
    assert "Train=Finished" in worse
    assert "Register" not in worse
    versions = sorted(Model.list(ws, MODEL), key=lambda model: model.version)
    assert [model.version for model in versions] == [1, 2]
    assert float(versions[1].tags["mse"]) < float(versions[0].tags["mse"])
    (data,) = versions[1].datasets["training data"]
    assert data.name == "classic_table"
