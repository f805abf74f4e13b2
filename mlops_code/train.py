"""Step 2: choose a recipe by rolling-origin backtest, fit it on the whole series and write the model file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from forecasting.data.series import TOTALS, Panel, facts_of, read_series, totals_of, write_series
from forecasting.evaluation.selection import FALLBACKS, Choice, choose, fit_choice, fit_fallbacks
from forecasting.models.model_file import write_model
from forecasting.problem.problem_file import Problem
from step import Run, add_scheduled_argument, guarded, say, throttled_progress, today, unless_ended


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Choose a recipe on windows that the gate never sees, fit it on all days and write model.json, "
        "manifest.json, series.csv and facts.json.",
        epilog="Example: python mlops_code/train.py --problem mlops_code/problems/NAME.yml "
        "--data TABLE.csv --candidate build/candidate. Exit codes: 0 written; 1 fault; "
        "2 usage or missing file; 3 the data is refused or too short, nothing written.",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file; also reads section training")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--series", type=Path, help="folder that prepare.py wrote")
    source.add_argument("--data", type=Path, help="a table, or a folder with exactly one; prepared here first")
    parser.add_argument("--candidate", type=Path, required=True, help="folder to write to")
    add_scheduled_argument(parser)
    return parser


def read_input(args: argparse.Namespace, problem: Problem) -> tuple[Panel, dict[str, Any]]:
    """The series and their facts, prepared here where a table is given."""
    if args.series is not None:
        return read_series(args.series)
    from forecasting.data.contract import Delivery, read_table
    from forecasting.data.reading import find_table

    delivery = Delivery(as_of=today())
    panel, sha256, rows = read_table(
        args.data,
        problem.source,
        problem.series,
        problem.contract,
        delivery,
        reading=problem.reading,
        future=problem.future,
    )
    return panel, facts_of(panel, sha256, rows, find_table(args.data).name)


def describe(choice: Choice, panel: Panel, facts: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says beside the model: the data, and how the recipe was chosen."""
    windows = choice.windows
    selection = {
        "origins": [panel.day(origin).isoformat() for origin in windows.origins],
        "last_day": panel.day(windows.last_day).isoformat(),
        "scores": {label: metrics.as_json() for label, metrics in choice.scores.items()},
        "too_constant": choice.unusable,
        "why": choice.why,
    }
    return {"data": facts, "selection": selection, TOTALS: totals_of(panel)}


def train(args: argparse.Namespace, run: Run) -> int:
    """Read, choose, fit, write, record."""
    problem = Problem(args.problem)
    training, lower = problem.training, problem.lower
    panel, facts = read_input(args, problem)
    choice = choose(panel, training, lower, throttled_progress())
    model = fit_choice(panel, training, choice, lower)
    fallbacks = fit_fallbacks(panel, training, choice, lower)
    about = describe(choice, panel, facts)
    sha256 = write_model(args.candidate, model, problem.series.name, training.horizon, about)
    for prefix, fallback in zip(FALLBACKS, fallbacks, strict=False):
        write_model(args.candidate, fallback, problem.series.name, training.horizon, about, prefix=prefix)
    write_series(args.candidate, panel, facts)
    for note in panel.notes:
        say(f"note: {note}")
    scored = choice.scores[choice.recipe.label]
    run.log({f"selection_{name}": value for name, value in scored.items()})
    run.tag({"recipe": choice.recipe.label, "model_sha256": sha256})
    say("trained", recipe=choice.recipe.label, cutoff=panel.last, sha256=sha256, why=repr(choice.why))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(unless_ended(args, args.candidate, lambda run: train(args, run)))


if __name__ == "__main__":
    sys.exit(main())
