"""Measures how long a small pipeline takes here and with `dvc repro`, side by side. See bench/README.md."""

import sys
from pathlib import Path

# `forecasting` keeps the import name that it has on the compute.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "mlops_code"))
