"""Step 5: deploy the registered version to the test service and check its live answer.

Where there is no production environment it then makes the version the champion; else `ml_service release` does.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from forecasting.data.series import sha256_of
from forecasting.errors import ModelFileError, UsageError
from forecasting.json_text import strict_json
from forecasting.models.model_file import read_model
from forecasting.problem.problem_file import Problem
from forecasting.serving.live_check import difference, question
from registry import (
    REGISTERED_FOLDER,
    Registered,
    ServiceError,
    ask_service,
    deploy_service,
    folder_sha256,
    move_champion,
)
from tracking import Run, guarded, say


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
    parser.add_argument("--registration", type=Path, required=True, help="folder that register.py wrote")
    parser.add_argument("--service", required=True, help="name of the test service")
    parser.add_argument("--scoring", type=Path, required=True, help="folder with score.py and what it imports")
    parser.add_argument("--environment", type=Path, required=True, help="conda file of the service")
    parser.add_argument(
        "--champion-by",
        choices=("deploy", "release"),
        default="deploy",
        help="who makes the version the champion: this step after its check, or the release to production",
    )
    return parser


def read_registration(folder: Path) -> dict[str, Any]:
    """Read registration.json. Raises: UsageError (not there), ModelFileError (not what register.py writes)."""
    path = folder / "registration.json"
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name the folder that register.py has written.")
    try:
        document = strict_json(path.read_bytes())
        return {key: document[key] for key in ("outcome", "reason", "model_name", "model_version", "model_sha256")}
    except (ValueError, KeyError) as mistake:
        raise ModelFileError(f"{path} is not a registration ({mistake!r}). Register again.") from None


def deploy(args: argparse.Namespace, run: Run) -> int:
    """Read, deploy, check; move the champion where no release follows."""
    registration = read_registration(args.registration)
    if registration["outcome"] != "accepted":
        say("nothing to deploy", outcome=registration["outcome"], reason=registration["reason"])
        return 0
    stored = read_model(args.registration / REGISTERED_FOLDER)
    if stored.sha256 != registration["model_sha256"]:
        raise ModelFileError(f"{args.registration} registers another model than it holds. Register again.")
    for needed in (args.scoring / "score.py", args.environment):
        if not needed.is_file():
            raise UsageError(f"{needed}: no such file. The service is built from it.")
    if run.workspace is None or registration["model_version"] is None:
        say("no workspace, nothing deployed", model_sha256=stored.sha256, days=stored.horizon)
        return 0
    registered = Registered(registration["model_name"], registration["model_version"], created=False)
    labels = {
        "model_name": registered.name,
        "model_version": registered.version,
        "model_sha256": stored.sha256,
        "scoring_sha256": folder_sha256(args.scoring),
        "environment_sha256": sha256_of(args.environment),
        "run_id": run.id,
    }
    service = deploy_service(
        run,
        args.service,
        registered,
        scoring=args.scoring,
        environment=args.environment,
        labels=labels,
    )
    answer = ask_service(service, json.dumps(question(stored, stored.horizon)))
    if wrong := difference(answer, stored, stored.horizon):
        raise ServiceError(f"Service {args.service} does not answer like the model: {wrong}. The champion stays.")
    say("service checked", service=args.service, url=service.scoring_uri, days=stored.horizon)
    run.tag({"service": args.service, "model_version": registered.version})
    if args.champion_by == "deploy":
        move_champion(run, registered, Problem(args.problem).series.name)
    else:
        say("champion stays until a release", model=registered.name, candidate=registered.version)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(lambda run: deploy(args, run))


if __name__ == "__main__":
    sys.exit(main())
