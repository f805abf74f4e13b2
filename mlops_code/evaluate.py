"""Step 3: let the gate decide whether the candidate may take the champion's place, and record the decision."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deciding import add_context_arguments, decide_for, record_decision
from forecasting.decision.report import write_report
from step import Run, add_scheduled_argument, guarded, unless_ended


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Compare the candidate with the champion and with seasonal naive on the same windows and write "
        "decision.json and report.html. Outcomes: accepted, kept (the champion stays), failed.",
        epilog="Example: python mlops_code/evaluate.py --problem mlops_code/problems/NAME.yml "
        "--candidate build/candidate --evaluation build/evaluation --champion none. Exit codes: 0 accepted or kept; "
        "1 fault; 2 usage or missing file; 3 failed (the floor, or nothing trustworthy to decide on).",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file; also reads section gate")
    parser.add_argument("--candidate", type=Path, required=True, help="folder written by train.py")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder to write both files to")
    parser.add_argument("--model-name", default="", help="registered name, to look up the champion")
    add_context_arguments(parser)
    add_scheduled_argument(parser)
    return parser


def evaluate(args: argparse.Namespace, run: Run) -> int:
    """Find the champion, decide, write, record."""
    decision = decide_for(args, run)
    page = write_report(decision, args.evaluation)
    return record_decision(run, decision, [decision.record.write(args.evaluation), page])


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(unless_ended(args, args.evaluation, lambda run: evaluate(args, run)))


if __name__ == "__main__":
    sys.exit(main())
