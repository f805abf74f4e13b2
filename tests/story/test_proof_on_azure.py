"""The tests for a real workspace are themselves proven here: whoever gets a subscription finds them working."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.story.product import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("wanted, ended", [("yes", "7 passed"), ("", "7 skipped")])
def test_they_run_when_asked_for(environment: Mapping[str, str], tmp_path: Path, wanted: str, ended: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/azure",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path}/t",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, "AZURE_TESTS": wanted}, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1].startswith(ended), done.stdout + done.stderr
    assert done.returncode == 0
