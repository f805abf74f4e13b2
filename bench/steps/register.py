"""Step 4: an entry for the model, with its hash, its errors and the baseline's coefficients on all rows."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import pandas as pd
from sklearn.linear_model import Ridge


def main(argv: list[str] | None = None) -> int:
    """Write entry.json: `sha256` of model.json, `metrics`, `ridge` (coefficients by feature)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features.csv")
    parser.add_argument("--model", type=Path, required=True, help="folder of model.json")
    parser.add_argument("--metrics", type=Path, required=True, help="folder of metrics.json")
    parser.add_argument("--entry", type=Path, required=True, help="folder for entry.json")
    arguments = parser.parse_args(argv)
    table = pd.read_csv(arguments.features / "features.csv", index_col=0)
    rows = table.drop(columns="y")
    ridge = Ridge().fit(rows, table["y"])
    entry = {
        "sha256": hashlib.sha256((arguments.model / "model.json").read_bytes()).hexdigest(),
        "metrics": json.loads((arguments.metrics / "metrics.json").read_text(encoding="utf-8")),
        "ridge": dict(zip(rows.columns, ridge.coef_.tolist(), strict=True)),
    }
    arguments.entry.mkdir(parents=True, exist_ok=True)
    (arguments.entry / "entry.json").write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
