"""AutoETS and AutoTheta of statsforecast on the origins of accuracy.py, in an environment of their own.

    python reference.py FOLDER

FOLDER holds task.json (season, horizon, origins, models) and values.npy (series, days). Forecasts are written beside
them, a file for each model: AutoETS.npy and AutoTheta.npy of shape (series, origins, horizon).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from statsforecast.models import AutoETS, AutoTheta  # type: ignore[import-not-found]


def main(folder: Path) -> int:
    """Forecast each series at each origin with each model."""
    task = json.loads((folder / "task.json").read_text())
    values = np.load(folder / "values.npy", allow_pickle=False)
    for model in (known(season_length=task["season"]) for known in (AutoETS, AutoTheta)):
        if type(model).__name__ not in task["models"]:
            continue
        made = np.zeros((len(values), len(task["origins"]), task["horizon"]))
        for place, origin in enumerate(task["origins"]):
            for row, series in enumerate(values[:, :origin]):
                made[row, place] = model.forecast(y=series, h=task["horizon"])["mean"]
        np.save(folder / f"{type(model).__name__}.npy", made)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
