"""The sample that tests work on, wherever it lies: `adopt` parks it, since an adopted repository has other data."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_PROBLEMS, _DATA = ROOT / "mlops_code/problems", ROOT / "data/adventureworks"
PROBLEMS = _PROBLEMS if (_PROBLEMS / "paid_amount.yml").is_file() else _PROBLEMS / "samples"
DATA = _DATA if _DATA.is_dir() else ROOT / "tests/sample_data"
ADOPTED = PROBLEMS != _PROBLEMS
SHIPPED = pytest.mark.skipif(ADOPTED, reason="of the template as it ships: this repository was adopted")
