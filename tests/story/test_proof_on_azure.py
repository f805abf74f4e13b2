"""The tests for a real workspace are themselves proven here: whoever gets a subscription finds them working."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.story.product import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.campaign]


def test_they_run_when_asked_for(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Without being asked for they are skipped, as in the very run that this test is part of."""
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
    asked = {**environment, "AZURE_TESTS": "yes", "AZURE_RELEASES": "local-production"}
    done = subprocess.run(command, cwd=ROOT, env=asked, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].startswith("10 passed, 1 skipped"), done.stdout + done.stderr
    assert done.returncode == 0
