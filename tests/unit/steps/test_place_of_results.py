"""A step that cannot write where it was told to says so in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_prepare_below_a_file_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ("--problem", "mlops_code/problems/paid_amount.yml", "--data", "data/adventureworks/daily_by_type.csv")
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
