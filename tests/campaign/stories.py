"""The tests that are marked `campaign`: `make test` leaves them out, because what they prove takes minutes.

    python -m tests.campaign.stories [--short] [--seed N]

Those of tests/story/test_faults_of_a_deployment.py are the campaign `faults`. Nothing is drawn by chance.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.campaign import faults

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 3
SELECTED = "campaign or begins_story"


def main() -> int:
    """Run the tests; returns their exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only those of tests/upgrade")
    parser.add_argument("--seed", type=int, default=0, help="without effect: nothing is drawn by chance")
    given = parser.parse_args()
    # Tests of local_azure bring the SDK into their process after their server, so they have one of their own.
    folders = ["tests/upgrade"] if given.short else ["tests", "local_azure/tests"]
    return max(map(_code_of, folders))


def _code_of(folder: str) -> int:
    shared_out = ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", "-v", *shared_out, "-m", SELECTED, "--ignore", faults.TESTS, folder]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "CAMPAIGN": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
