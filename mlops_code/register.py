"""Step 4: register the candidate when the gate has accepted it, with everything an auditor asks of a version."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from forecasting.decision.record import REPORT_FILE, DecisionRecord, read_decision
from forecasting.decision.report import write_report
from forecasting.json_text import to_json
from forecasting.models.model_file import MANIFEST_FILE, MODEL_FILE, StoredModel, read_model
from registry import (
    REGISTERED_FOLDER,
    Registered,
    add_context_arguments,
    data_version,
    decide_for,
    record_decision,
    register_model,
)
from tracking import Run, guarded, say

REGISTRATION_FILE = "registration.json"
REGISTRATION_VERSION = 1


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Register an accepted candidate; a kept or failed one is not. Writes registration.json and, when "
        "accepted, model/ with the files that are registered.",
        epilog="Example: python mlops_code/register.py --problem mlops_code/problems/paid_amount.yml --candidate "
        "build/candidate --champion none --registration build/registration --model-name paid-amount. Exit codes: "
        "0 registered or kept; 1 fault; 2 usage or missing file; 3 failed or refused, nothing registered.",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file with all sections")
    parser.add_argument("--candidate", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument(
        "--evaluation", type=Path, help="folder that evaluate.py wrote; without it the gate decides here"
    )
    parser.add_argument("--registration", type=Path, required=True, help="folder to write to")
    parser.add_argument("--model-name", required=True, help="name to register under")
    parser.add_argument("--dataset-name", help="data set whose version holds the data, found by its tag sha256")
    add_context_arguments(parser)
    return parser


def decide(args: argparse.Namespace, run: Run, stored: StoredModel) -> tuple[DecisionRecord, int]:
    """The decision of evaluate, or where that step was left out the same gate applied here; and its exit code."""
    if args.evaluation is not None:
        record = read_decision(args.evaluation, stored.sha256)
        return record, 3 if record.verdict.outcome == "failed" else 0
    decision = decide_for(args, run)
    page = write_report(decision, stored.model, args.registration)
    record = decision.record
    return record, record_decision(run, record, [record.write(args.registration), page])


def describe(args: argparse.Namespace, run: Run, stored: StoredModel, decision: DecisionRecord) -> dict[str, str]:
    """Properties of the registered version; they can never be changed afterwards."""
    data = stored.manifest["data"]["data_sha256"]
    known = run.workspace is not None and args.dataset_name
    return {
        "model_sha256": stored.sha256,
        "decision_sha256": decision.sha256,
        "data_sha256": data,
        "data_rows": str(stored.manifest["data"]["rows"]),
        "data_version": data_version(run, args.dataset_name, data) if known else "none",
        "recipe": stored.model.recipe.label,
        "cutoff": stored.model.cutoff.isoformat(),
        "problem": stored.problem,
        "commit": args.commit,
        "build_id": args.build_id,
        "run_id": run.id,
        "reason": args.reason,
    }


def register(args: argparse.Namespace, run: Run) -> int:
    """Read, decide, register, write, record."""
    stored = read_model(args.candidate)
    decision, exit_code = decide(args, run, stored)
    registered = None
    if decision.verdict.outcome == "accepted":
        folder = args.registration / REGISTERED_FOLDER
        decision.write(folder)
        for name in (MODEL_FILE, MANIFEST_FILE):
            shutil.copyfile(args.candidate / name, folder / name)
        keep_report(args, decision, folder)
        if run.workspace is not None:
            properties = describe(args, run, stored, decision)
            registered = register_model(run, args.model_name, folder, properties)
    else:
        say(f"nothing registered: {decision.verdict.sentence}")
    write_registration(args, stored, decision, registered)
    return exit_code


def keep_report(args: argparse.Namespace, decision: DecisionRecord, folder: Path) -> None:
    """Keep the report beside the model where there is one of this very decision."""
    page = (args.evaluation or args.registration) / REPORT_FILE
    if page.is_file() and decision.sha256.encode() in page.read_bytes():
        shutil.copyfile(page, folder / REPORT_FILE)
    else:
        say("no report of this decision", looked_at=page)


def write_registration(
    args: argparse.Namespace, stored: StoredModel, decision: DecisionRecord, registered: Registered | None
) -> None:
    """Hand over to deploy what was registered, or that nothing was."""
    document: dict[str, Any] = {
        "schema_version": REGISTRATION_VERSION,
        "outcome": decision.verdict.outcome,
        "reason": decision.verdict.reason,
        "problem": stored.problem,
        "model_name": args.model_name,
        "model_version": registered.version if registered else None,
        "model_sha256": stored.sha256,
        "decision_sha256": decision.sha256,
    }
    args.registration.mkdir(parents=True, exist_ok=True)
    (args.registration / REGISTRATION_FILE).write_bytes(to_json(document))
    if registered:
        fresh = "registered" if registered.created else "already registered by this run"
        say(fresh, model=registered.name, version=registered.version, sha256=stored.sha256)


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(lambda run: register(args, run))


if __name__ == "__main__":
    sys.exit(main())
