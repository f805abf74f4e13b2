"""A step that cannot write where it was told to says so in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.sample import DATA, PROBLEMS

ROOT = Path(__file__).resolve().parents[3]


def test_prepare_below_a_file_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = (
        "--problem",
        str((PROBLEMS / "paid_amount.yml").relative_to(ROOT)),
        "--data",
        str((DATA / "daily_by_type.csv").relative_to(ROOT)),
    )
    target = tmp_path / "file" / "series"
    done = subprocess.run(
        [sys.executable, "mlops_code/prepare.py", *words, "--series", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"error: {target}: Not a directory. Name a place" in done.stderr
    assert "Traceback" not in done.stderr
