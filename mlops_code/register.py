"""Step 4: register the candidate when the gate has accepted it, with everything an auditor asks of a version."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from azure_ml.datasets import find_by_hash, find_dataset
from azure_ml.models.registration import find_newest
from azure_ml.models.registration import register as register_files
from azure_ml.models.versions import ModelVersion
from azure_ml.workspace import Workspace
from deciding import add_context_arguments, decide_for, exit_code_of, record_decision
from forecasting.decision import words
from forecasting.decision.blocks import ACCEPTED
from forecasting.decision.decide import proposals_in
from forecasting.decision.record import REPORT_FILE, DecisionRecord, read_decision
from forecasting.decision.report import write_report
from forecasting.errors import UsageError
from forecasting.models.model_file import MANIFEST_FILE, MODEL_FILE, StoredModel, read_model
from registration import MODEL_FOLDER, write_registration
from step import Run, add_scheduled_argument, guarded, say, unless_ended


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Register an accepted candidate; a kept or failed one is not. Writes registration.json and, when "
        "accepted, model/ with the files that are registered.",
        epilog="Example: python mlops_code/register.py --problem mlops_code/problems/NAME.yml --candidate "
        "build/candidate --champion none --registration build/registration --model-name NAME. Exit codes: "
        "0 registered or kept; 1 fault; 2 usage or missing file; 3 failed or refused, nothing registered.",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file with all sections")
    parser.add_argument("--candidate", type=Path, required=True, help="folder written by train.py")
    parser.add_argument(
        "--evaluation", type=Path, help="folder written by evaluate.py; without it the gate decides in this step"
    )
    parser.add_argument("--registration", type=Path, required=True, help="folder to write to")
    parser.add_argument("--model-name", required=True, help="name to register under")
    parser.add_argument("--dataset-name", help="data set whose version contains the data, found by its tag sha256")
    add_context_arguments(parser)
    add_scheduled_argument(parser)
    return parser


def decide(args: argparse.Namespace, run: Run, models: Collection[str]) -> tuple[DecisionRecord, int]:
    """The decision of evaluate, or where that step was left out the same gate applied here; and its exit code."""
    if args.evaluation is not None:
        record = read_decision(args.evaluation, *models)
        return record, exit_code_of(record.verdict.outcome)
    decision = decide_for(args, run)
    page = write_report(decision, args.registration)
    record = decision.record
    return record, record_decision(run, decision, [record.write(args.registration), page])


def describe(args: argparse.Namespace, run: Run, stored: StoredModel, decision: DecisionRecord) -> dict[str, str]:
    """Properties of the registered version; they can never be changed afterwards."""
    data = stored.manifest["data"]["data_sha256"]
    version = "none"
    if run.workspace is not None and args.dataset_name:
        version = data_version(run.workspace, args.dataset_name, data)
    return {
        "model_sha256": stored.sha256,
        "decision_sha256": decision.sha256,
        "data_sha256": data,
        "data_rows": str(stored.manifest["data"]["rows"]),
        "data_version": version,
        "recipe": stored.model.recipe.label,
        "cutoff": stored.model.cutoff.isoformat(),
        "problem": stored.problem,
        "commit": args.commit,
        "build_id": args.build_id,
        "run_id": run.id,
        "reason": args.reason,
    }


def tags_of(decision: DecisionRecord) -> dict[str, str]:
    """What a list of versions should say of a decision, also when the champion of that day serves no longer."""
    error = words.error(decision.evidence, decision.context.champion)
    return {**({"error": error} if error else {}), **decision.override_tags}


def data_version(workspace: Workspace, dataset_name: str, sha256: str) -> str:
    """The version of a data set that holds these bytes.

    Raises: UsageError where no version does: the model could not be traced to its data.
    """
    found = find_by_hash(workspace, find_dataset(workspace, dataset_name), sha256)
    if found is None:
        raise UsageError(
            f"No version of the data set {dataset_name} has the tag sha256 {sha256}. "
            "Register the data with `python -m ml_service data upload`."
        )
    return str(found.version)


def register(args: argparse.Namespace, run: Run) -> int:
    """Read, decide, register, write, record."""
    models = {read_model(args.candidate, prefix).sha256: prefix for prefix in proposals_in(args.candidate)}
    decision, exit_code = decide(args, run, models)
    prefix = models[decision.evidence.challenger.model_sha256]
    stored = read_model(args.candidate, prefix)
    registered = None
    if decision.verdict.outcome == ACCEPTED:
        folder = args.registration / MODEL_FOLDER
        decision.write(folder)
        for name in (MODEL_FILE, MANIFEST_FILE):
            shutil.copyfile(args.candidate / f"{prefix}{name}", folder / name)
        keep_report(args, decision, folder)
        if run.workspace is not None:
            properties = describe(args, run, stored, decision)
            registered = register_once(run.workspace, args.model_name, folder, tags_of(decision), properties)
    else:
        say(f"nothing registered: {decision.verdict.sentence}")
    document = {
        "outcome": decision.verdict.outcome,
        "reason": decision.verdict.reason,
        "problem": stored.problem,
        "model_name": args.model_name,
        "model_version": str(registered.version) if registered else None,
        "model_sha256": stored.sha256,
        "decision_sha256": decision.sha256,
    }
    write_registration(args.registration, document)
    return exit_code


def register_once(
    workspace: Workspace, name: str, folder: Path, tags: Mapping[str, str], properties: dict[str, str]
) -> ModelVersion:
    """Register the files of a folder as a new version; the same bytes of a problem are registered once."""
    earlier = find_newest(workspace, name, {key: properties[key] for key in ("problem", "model_sha256")})
    if earlier is not None:
        by = earlier.properties.get("run_id")
        say("these bytes are already registered", model=earlier.name, version=earlier.version, by_run=by)
        return earlier
    recipe, problem = properties["recipe"], properties["problem"]
    registered = register_files(
        workspace,
        name,
        folder,
        tags={"problem": problem, "recipe": recipe, **tags},
        properties=properties,
        description=f"{recipe} for {problem}, data to {properties['cutoff']}",
    )
    say("registered", model=registered.name, version=registered.version, sha256=properties["model_sha256"])
    return registered


def keep_report(args: argparse.Namespace, decision: DecisionRecord, folder: Path) -> None:
    """Keep the report beside the model where there is one of this very decision."""
    page = (args.evaluation or args.registration) / REPORT_FILE
    if page.is_file() and decision.sha256.encode() in page.read_bytes():
        shutil.copyfile(page, folder / REPORT_FILE)
    else:
        say("no report of this decision", looked_at=page)


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(unless_ended(args, args.registration, lambda run: register(args, run)))


if __name__ == "__main__":
    sys.exit(main())
