"""`local_azure exec` runs SDK v1 code that knows nothing of us: publish, run, register, deploy, score, history."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent / "plain_sdk_project"


def local_azure(state: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line of local_azure on a state folder of the test's own."""
    command = [sys.executable, "-m", "local_azure", "--state", str(state), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=180)


def test_a_plain_sdk_program_runs_by_environment_alone(tmp_path: Path) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    shutil.copytree(PROJECT, project)
    done = local_azure(state, "exec", "--down", "--", sys.executable, "project.py", folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))[7:])
    assert answer == {
        "forecast": {"forecast": [20.0, 20.0]},
        "runs": 2,
        "metrics": {"mean": 20.0, "numbers": [0.0, 1.0, 2.0, 3.0, 4.0]},
        "status": "Completed",
        "stage": "prepared",
        "files": [
            "azureml-logs/70_driver_log.txt",
            "evidence/model.json",
            "outputs/summary.txt",
            "user_logs/std_log.txt",
        ],
        "log": True,
        "model": ["plain-model", 1],
    }
    assert local_azure(state, "status", folder=project).returncode == 1, "exec --down leaves nothing running"
