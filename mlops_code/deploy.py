"""Step 5: deploy the registered version to the test service and check its live answer.

Where there is no production environment it then makes the version the champion; else `ml_service release` does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from azure_ml.errors import AzureMlError
from azure_ml.models.champion_move import make_champion
from azure_ml.models.versions import ModelVersion, get_version
from azure_ml.services import Service, ServiceRefusedError, ask, deploy_service, labels_of
from azure_ml.workspace import Workspace
from forecasting.errors import ModelFileError, UsageError
from forecasting.json_text import strict_json
from forecasting.models.model_file import StoredModel, read_model
from forecasting.problem.problem_file import Problem
from forecasting.serving.live_check import difference, questions
from registration import MODEL_FOLDER, read_registration
from step import Run, add_scheduled_argument, guarded, say, unless_ended


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Deploy what register.py registered to a container instance, compare its live answer with the "
        "model's own forecast and, without a production environment, make it the champion. Run alone, it checks the "
        "files and deploys nothing.",
        epilog="Exit codes: 0 deployed, or nothing to deploy; 1 the service failed or answers differently, the "
        "champion stays; 2 usage or missing file; 3 a file is not the one that was decided on.",
    )
    parser.add_argument("--problem", type=Path, required=True, help="problem file; reads its section series")
    parser.add_argument("--registration", type=Path, required=True, help="folder written by register.py")
    parser.add_argument("--service", required=True, help="name of the test service")
    parser.add_argument("--scoring", type=Path, required=True, help="folder with score.py and what it imports")
    parser.add_argument("--environment", type=Path, required=True, help="conda file of the service")
    parser.add_argument(
        "--champion-by",
        choices=("deploy", "release"),
        default="deploy",
        help="what makes the version the champion: this step after its check, or the release to production",
    )
    add_scheduled_argument(parser)
    return parser


def deploy(args: argparse.Namespace, run: Run) -> int:
    """Read, deploy, check; move the champion where no release follows."""
    registration = read_registration(args.registration)
    if registration["outcome"] != "accepted":
        say("nothing to deploy", outcome=registration["outcome"], reason=registration["reason"])
        return 0
    stored = read_model(args.registration / MODEL_FOLDER)
    if stored.sha256 != registration["model_sha256"]:
        raise ModelFileError(f"{args.registration} names another model than the one it contains. Register again.")
    for needed in (args.scoring / "score.py", args.environment):
        if not needed.is_file():
            raise UsageError(f"{needed}: no such file. The service is built from it.")
    if run.workspace is None or registration["model_version"] is None:
        say("no workspace, nothing deployed", model_sha256=stored.sha256, days=stored.horizon)
        return 0
    model = registered_version(run.workspace, registration)
    serve(args, run, run.workspace, model, stored)
    run.tag({"service": args.service, "model_version": str(model.version)})
    if args.champion_by == "deploy":
        problem = Problem(args.problem).series.name
        before = make_champion(run.workspace, model.name, model.version, problem, f"run {run.id}")
        say("champion moved", problem=problem, model=model.name, version=model.version, after=before)
    else:
        say("champion stays until a release", model=model.name, candidate=model.version)
    return 0


def serve(args: argparse.Namespace, run: Run, workspace: Workspace, model: ModelVersion, stored: StoredModel) -> None:
    """Deploy a version and check its live answer; its hashes become labels of the service. Raises: AzureMlError."""
    service = deploy_service(
        workspace,
        args.service,
        model,
        scoring=args.scoring,
        environment=args.environment,
        labels=labels_of(model, stored.sha256, scoring=args.scoring, environment=args.environment, run_id=run.id),
        announce=say,
    )
    check(service, stored)


def registered_version(workspace: Workspace, registration: dict[str, Any]) -> ModelVersion:
    """The version that register.py has registered. Raises: UsageError where it is gone."""
    name, version = registration["model_name"], int(registration["model_version"])
    model = get_version(workspace, name, version)
    if model is None:
        raise UsageError(f"Model {name} has no version {version}. Register again.")
    return model


def check(service: Service, stored: StoredModel) -> None:
    """Compare live answers of a service with the model's own forecasts.

    Raises: AzureMlError (it refuses the call or answers something else; the champion stays).
    """
    asked = questions(stored, stored.horizon)
    for question in asked:
        if wrong := difference(_answer(service, question), stored, question):
            raise AzureMlError(
                f"service {service.name} gives other answers than the model itself; the champion stays",
                found=wrong,
            )
    say("service checked", service=service.name, url=service.url, days=stored.horizon, questions=len(asked))


def _answer(service: Service, question: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = ask(service, question)
        for failure in answer.failed_before:
            say("call repeated", after=failure)
        return strict_json(answer.content)
    except ServiceRefusedError as refused:
        refused.found = f"{refused.found}\n{service.log}"
        raise
    except ValueError as mistake:
        raise AzureMlError(f"service {service.name} did not answer with a JSON object", found=str(mistake)) from None


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(unless_ended(args, None, lambda run: deploy(args, run)))


if __name__ == "__main__":
    sys.exit(main())
