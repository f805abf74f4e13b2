"""What is known in advance, in the folder that steps hand to each other: known.csv beside series.csv, and known.json.

known.csv has a line for each series and column, with a column a day: numbers, of a category its number.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.errors import ContractError, Finding
from forecasting.json_text import UNREADABLE, reason, strict_json
from forecasting.known import Known, described, known_of

KNOWN_FILE, ABOUT_FILE = "known.csv", "known.json"
FIX = "Prepare the series again."


def write_known(folder: Path, known: Known | None, keys: tuple[str, ...]) -> None:
    """Write both files; without anything that is known, none."""
    if known is None:
        return
    (folder / ABOUT_FILE).write_text(json.dumps(described(known), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    with (folder / KNOWN_FILE).open("w", encoding="utf-8", newline="") as content:
        lines = csv.writer(content, lineterminator="\n")
        for key, values in zip(keys, known.values, strict=True):
            for place, column in enumerate(known.columns):
                lines.writerow([key, column.name, *values[:, place].tolist()])


def read_known(folder: Path, keys: tuple[str, ...], days: int) -> Known | None:
    """Read what write_known wrote, None where it wrote nothing. days: of the series, from their first to their last.

    Raises: ContractError where the files do not belong to the series, or were edited by hand.
    """
    if not (folder / ABOUT_FILE).is_file():
        return None
    try:
        about = strict_json((folder / ABOUT_FILE).read_bytes())
        if about["past"] != days:
            raise ValueError(f"it has {about['past']} days, the series have {days}")
        return known_of(about, _values(folder, about, keys))
    except (*UNREADABLE, OSError) as mistake:
        found = f"is unreadable ({reason(mistake)})"
        unreadable = Finding("", (), found, "the files that came with the series", FIX)
        raise ContractError(str(folder / KNOWN_FILE), [unreadable]) from None


def _values(folder: Path, about: dict[str, Any], keys: tuple[str, ...]) -> Any:
    names = [column["name"] for column in about["columns"]]
    expected = [(key, name) for key in keys for name in names]
    with (folder / KNOWN_FILE).open(encoding="utf-8", newline="") as content:
        lines = list(csv.reader(content))
    if [tuple(line[:2]) for line in lines] != expected:
        raise ValueError("its lines are not those of the series and columns")
    numbers = np.array([list(map(float, line[2:])) for line in lines], dtype=np.float64)
    steps = about["past"] + about["ahead"]
    return numbers.reshape(len(keys), len(names), steps).transpose(0, 2, 1)
