"""A fault at each deciding call of a deployment.

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
    parser.add_argument("--short", action="store_true", help="only faults before the record is open, and one kill")
    parser.add_argument("--seed", type=int, default=0, help="without effect: nothing is drawn by chance")
    given = parser.parse_args()
    some = ["-k", "before_the_record or killed_while_it_deploys"] if given.short else []
    command = [sys.executable, "-m", "pytest", "-v", *some, TESTS]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "CAMPAIGN": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
