"""Step 0 of a scheduled run: take what was delivered, and hand the newest data version to the next step.

A schedule's parameters are fixed when it is created, so the run finds out itself what is new. It ends as `kept` where
there is nothing new (no-new-data) or another training of the problem is going on (another-run).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from azure_ml.datasets import DatasetVersion, find_dataset
from azure_ml.pipelines.runs import list_runs
from azure_ml.pipelines.trainings import LOOKED_AT, claim_training, is_over
from azure_ml.step_run import ANOTHER_RUN, NO_NEW_DATA, StepRun
from azure_ml.storage.inbox import holding
from azure_ml.storage.leases import LeaseHeldError
from azure_ml.storage.versions import fetch_version
from forecasting.errors import RefusedError, UsageError
from forecasting.inbox.ingest import Ingested, When, ingest
from forecasting.problem.problem_file import Problem
from step import PASSED_FILE, Run, guarded, record_outcome, say, today

KEPT = "kept"


class NoDataError(RefusedError):
    """There is no data version to train on."""

    reason = "no-data"


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Ingest the inbox, find the newest data version and write its table. End the run as kept where "
        "that was trained on before, or another training of the problem is going on. Runs in a pipeline only.",
        epilog="Exit codes: 0 written or kept; 1 fault; 2 usage; 3 there is no data version.",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file; reads what prepare.py reads")
    parser.add_argument("--dataset-name", required=True, help="data set whose inbox and newest version are meant")
    parser.add_argument("--resolved", type=Path, required=True, help="folder to write the table to")
    return parser


def resolve(args: argparse.Namespace, run: Run) -> int:
    """Ingest, find the newest version, make sure that this run is to train on it, write it, record it."""
    if not isinstance(run, StepRun):
        raise UsageError("This step asks a workspace: run it in a pipeline. For a table at hand use prepare.py.")
    problem = Problem(args.problem)
    take_delivered(run, args.dataset_name, problem)
    version = find_dataset(run.workspace, args.dataset_name)
    if version is None:
        raise NoDataError(f"The data set {args.dataset_name} has no version. Deliver a table, see docs/data.md.")
    args.resolved.mkdir(parents=True, exist_ok=True)
    run.mark({"data_set": version.name, "data_version": str(version.version)})
    run.tag({"data_set": version.name, "data_version": str(version.version), "data_sha256": version.sha256})
    if reason := why_not(run, problem.series.name, version):
        (args.resolved / PASSED_FILE).write_text(f"{reason}\n", encoding="utf-8")
        # The hash keeps the decision about these bytes known when its own run is no longer among the newest.
        record_outcome(run, KEPT, reason, {"data_sha256": version.sha256} if reason == NO_NEW_DATA else {})
        return 0
    table = fetch_version(run.workspace, version, args.resolved)
    say("resolved", data=version.name, version=version.version, sha256=version.sha256, file=table.name)
    return 0


def take_delivered(run: StepRun, dataset: str, problem: Problem) -> Ingested | None:
    """Ingest the inbox; None where another process does so: what that one finds counts here as well."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"verb": "scheduled run", "who": run.id, "since": now}

    def waiting(other: Mapping[str, str]) -> None:
        say("inbox held", **{key: other.get(key, "unknown") for key in ("verb", "who", "since")})

    try:
        with holding(run.workspace, dataset, holder, waiting) as inbox:
            done = ingest(inbox, problem, When(today(), now))
    except LeaseHeldError:
        return None
    for receipt in done.quarantined:
        say("quarantined", file=receipt.file, finding=repr(receipt.findings[0]))
    run.log({"quarantined": float(len(done.quarantined)), "new_versions": float(len(done.created))})
    say("ingested", versions=list(done.created), waiting=len(done.waiting), left=done.left)
    return done


def why_not(run: StepRun, problem: str, version: DatasetVersion) -> str:
    """Why this run does not train; empty where it does."""
    others = list(list_runs(run.workspace, run.experiment, LOOKED_AT))
    ours = next((other.number for other in others if other.id == run.id), None)
    for other in others:
        # Numbers can be equal; of runs that the claim does not distinguish, the one that started first continues.
        if other.id != run.id and not is_over(other) and ours is not None and other.number < ours:
            say("another run", run=other.id)
            return ANOTHER_RUN
    holder = claim_training(run.workspace, problem, run.id)
    if holder != run.id:
        say("another run", run=holder)
        return ANOTHER_RUN
    if any(other.id != run.id and other.properties.get("data_sha256") == version.sha256 for other in others):
        say("no new data", data=version.name, version=version.version)
        return NO_NEW_DATA
    return ""


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(lambda run: resolve(args, run))


if __name__ == "__main__":
    sys.exit(main())
