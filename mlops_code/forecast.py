"""The step of the forecasting pipeline: forecast all series with a registered model and write them as one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from azure_ml.models.champion import find_champion
from azure_ml.models.versions import ModelVersion, download, get_version
from azure_ml.workspace import Workspace
from forecasting.errors import ModelFileError, UsageError
from forecasting.models.model_file import MANIFEST_FILE, StoredModel, read_model
from forecasting.problem.problem_file import Problem
from forecasting.serving.bulk import answers_of, write_forecast
from step import Run, guarded, say

CHAMPION = "champion"
FORECAST_NAME = "forecast"


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Forecast all series of a model with its intervals and write forecast.csv or forecast.parquet.",
        epilog="Example: python mlops_code/forecast.py --problem mlops_code/problems/NAME.yml --model "
        "build/candidate --forecasts build/forecasts. Exit codes: 0 written; 1 fault; 2 usage, or no such model; "
        "3 the model file is damaged.",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file; reads its section series")
    parser.add_argument("--model", type=Path, help="only if the step is run by itself: folder written by train.py")
    parser.add_argument("--model-name", default="", help="registered name")
    parser.add_argument("--model-version", default=CHAMPION, help="its number, or champion")
    parser.add_argument("--horizon", type=int, default=0, help="steps ahead; 0: the horizon of the model")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--forecasts", type=Path, required=True, help="folder to write to")
    return parser


def model_of(args: argparse.Namespace, run: Run, scratch: Path) -> StoredModel:
    """The model at hand, or the registered one, whose bytes must be those of its registration."""
    if args.model is not None:
        return read_model(args.model)
    if run.workspace is None:
        raise UsageError("Pass the folder of a model with --model; the registry is used only in a pipeline.")
    found = registered(run.workspace, args, Problem(args.problem).series.name)
    download(found, scratch)
    manifests = list(scratch.rglob(MANIFEST_FILE))
    if len(manifests) != 1:
        raise ModelFileError(f"{found.label} holds {len(manifests)} files {MANIFEST_FILE}, expected one model.")
    stored = read_model(manifests[0].parent)
    if stored.sha256 != found.sha256:
        raise ModelFileError(f"The file of {found.label} differs from the registered one. Register it again.")
    run.tag({"model": found.label, "model_sha256": stored.sha256})
    return stored


def registered(workspace: Workspace, args: argparse.Namespace, problem: str) -> ModelVersion:
    """The version that is asked for. Raises: UsageError where there is none."""
    if args.model_version == CHAMPION:
        found = find_champion(workspace, args.model_name or None, problem)
    elif args.model_version.isdecimal():
        found = get_version(workspace, args.model_name, int(args.model_version))
    else:
        raise UsageError(f"--model-version {args.model_version}: expected a number or {CHAMPION}.")
    if found is None:
        raise UsageError(f"There is no version {args.model_version} of {args.model_name}. Run the training pipeline.")
    return found


def forecast(args: argparse.Namespace, run: Run) -> int:
    """Read, forecast, write, record."""
    with tempfile.TemporaryDirectory(prefix="forecast_") as scratch:
        stored = model_of(args, run, Path(scratch))
    out = args.forecasts / f"{FORECAST_NAME}.{args.format}"
    horizon = args.horizon or stored.horizon
    rows = write_forecast(out, answers_of(stored.model, horizon), stored.model)
    run.log({"series": float(len(stored.model.keys)), "rows": float(rows)})
    run.attach(out)
    say(
        "forecast",
        rows=rows,
        series=len(stored.model.keys),
        horizon=horizon,
        data_until=stored.model.cutoff,
        file=out,
    )
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(lambda run: forecast(args, run))


if __name__ == "__main__":
    sys.exit(main())
