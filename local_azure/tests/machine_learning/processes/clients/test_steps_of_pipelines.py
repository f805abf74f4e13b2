"""Steps of a pipeline that use the SDK start preloaded, in the environment of their job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_machine import Machine  # type: ignore[import-not-found]

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import StateFolder

ASK = 'import os, sys; print(sys.argv[1], os.getppid(), "azureml.core" in sys.modules, sys.prefix, sys.executable)'
PIPELINE = f"""
pool:
  vmImage: ubuntu-24.04
steps:
- bash: echo "found $(command -v python)"
  displayName: Before
- task: UsePythonVersion@0
  inputs:
    versionSpec: '3.11'
- task: AzureCLI@2
  displayName: With the SDK
  inputs:
    azureSubscription: connection
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: |
      set -e
      python -c '{ASK}' first
      python3 -c '{ASK}' second
      folder=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
      touch "$folder/installed.py"
      python -c '{ASK}' third
      python -c 'import installed; raise SystemExit(3)' || echo "code $?"
- bash: python -c '{ASK}' fourth
  displayName: Without
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateFolder]:
    """A server of these tests: jobs have other variables than the rest, and with them another parent."""
    state = StateFolder(tmp_path_factory.mktemp("steps") / "state")
    lifecycle.start(state)
    yield state
    lifecycle.stop(state)


@pytest.mark.parametrize("by", ["--warm", "variable", "exec"])
def test_steps(own: StateFolder, tmp_path: Path, by: str) -> None:
    machine = Machine(own, {}, tmp_path)
    (machine.folder / "pipeline.yml").write_text(PIPELINE)
    tool = [sys.executable, "-m", "local_azure", "--state", str(machine.state.root)]
    words = [*tool, "pipelines", "run", *(["--warm"] if by == "--warm" else []), "--verbose", "pipeline.yml"]
    if by == "exec":
        words = [*tool, "exec", "--warm", "--", *words]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LOCAL_AZURE_WARM": "1" if by == "variable" else ""}
    done = subprocess.run(words, cwd=machine.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(machine.state.client_processes) not in re.findall(r"found (.*)", done.stdout)[0]
    rows = dict(re.findall(r"(first|second|third|fourth) (\d+ \w+ .*)", done.stdout))
    found = {name: row.split() for name, row in rows.items()}
    preloaded = {name: int(row[0]) == machine.parent and row[1] == "True" for name, row in found.items()}
    assert preloaded == {"first": True, "second": True, "third": False, "fourth": False}, machine.log()
    assert len({row[2] for row in found.values()}) == 1
    assert {row[3] for row in found.values()} == {
        f"{found['first'][2]}/bin/python",
        f"{found['first'][2]}/bin/python3",
    }
    assert "code 3" in done.stdout
