"""A whole pipeline and a deployment in a network that has a loopback only: nothing is missed, nothing is tried."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_nothing_leaves_this_machine(tmp_path: Path) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network namespace needs root (or another way to run `unshare --net`)")
    program = [sys.executable, str(Path(__file__).with_name("isolated_faults.py")), str(tmp_path)]
    paths = os.pathsep.join(filter(None, (str(ROOT / "local_azure/src"), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        ["unshare", "--net", *program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status": "Finished"' in done.stdout
    assert '"answer": 2.0' in done.stdout
    assert "WITHOUT ROUTE 0" in done.stdout, "somebody tried to reach another machine"
    assert int(done.stdout.partition("AFTER TRYING ")[2]) > 0, "the counter counts"
