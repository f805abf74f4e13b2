"""Measures how long a small pipeline takes here and with `dvc repro`, side by side. See bench/README.md."""
