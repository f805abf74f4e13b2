"""A fault at each deciding call of a deployment; `make test` tries some of them.

    python -m tests.campaign.faults [--short] [--seed N]

Runs tests/story/test_faults_of_a_deployment.py with every fault; nothing is drawn by chance.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/story/test_faults_of_a_deployment.py"


def main() -> int:
    """Run the tests; returns their exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only the faults that make test tries as well")
    parser.add_argument("--seed", type=int, default=0, help="without effect: nothing is drawn by chance")
    given = parser.parse_args()
    variables = {**os.environ, "CAMPAIGN": "" if given.short else "1"}
    command = [sys.executable, "-m", "pytest", "-v", "-k", "fault or record or answer", TESTS]
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
