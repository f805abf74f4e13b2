"""The files that conftest.py names, to run them together or first, are there."""

from __future__ import annotations

import runpy
from pathlib import Path

from tests.sample import SHIPPED

ROOT = Path(__file__).resolve().parents[2]


@SHIPPED
def test_files_that_are_named_exist() -> None:
    names = runpy.run_path(str(ROOT / "conftest.py"))
    named = {*names["LONGEST_FIRST"], *(file for files in names["TOGETHER"].values() for file in files)}
    assert sorted(file for file in named if not (ROOT / file).is_file()) == []
