"""The registry of a workspace: registered models, the champion pointer, data versions, the test service.

Every function talks to the workspace of the run. The champion of a problem is the version whose tag `champion`
has the problem's name; it is moved by setting the new tag first, so that at no moment there is none, and where
two carry it the newer `champion_since` counts. Every move leaves a property, which nobody can change.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from forecasting.decision.blocks import Override, Request, Workspace
from forecasting.decision.decide import Champion, Decision, decide_candidate
from forecasting.decision.record import DecisionRecord
from forecasting.errors import ForecastingError, ModelFileError, UsageError
from forecasting.models.model_file import MANIFEST_FILE, read_model
from forecasting.problem.problem_file import Problem
from tracking import CHAMPION, SINCE, Run, say, today

REGISTERED_FOLDER = "model"
SCORING_ENVIRONMENT = "forecast-scoring"
# The default of azureml-core 1.61.0.post4 pinned with its date: the default moves with the SDK's version.
SCORING_BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20251130.v1"
SERVICE_CORES, SERVICE_GIGABYTES = 0.5, 1.0
SERVICE_SECONDS = 1800
SHOWN_LOG_LINES = 40
SHOWN_FAILURE = 600  # characters; the rest of the SDK's message repeats the log


class ServiceError(ForecastingError):
    """The test service did not come up or does not answer like the model; the champion is untouched."""


@dataclass(frozen=True)
class Registered:
    """A registered model version; created is False where an earlier attempt of the same run made it."""

    name: str
    version: str
    created: bool


def add_context_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that evaluate and register share: the champion, and who asked for the decision."""
    parser.add_argument(
        "--champion",
        default=None,
        metavar="DIR|none",
        help="only where the step runs alone: folder of the champion's model.json and manifest.json, or the word "
        "none; in a pipeline the registry answers",
    )
    parser.add_argument("--reason", default="manual", help="why the run was started: manual, schedule, data or code")
    parser.add_argument("--build-id", default="none", help="build that made the pipeline")
    parser.add_argument("--commit", default="none", help="commit that the pipeline was made from")
    parser.add_argument(
        "--workspace-tags", default="", metavar="QUERY", help="tags of the workspace, for the record: name=value&..."
    )
    parser.add_argument(
        "--override-by", default="none", help="person who decides against the gate, or none; needs the next one"
    )
    parser.add_argument("--override-reason", default="none", help="why; both are recorded with the decision")


def decide_for(args: argparse.Namespace, run: Run) -> Decision:
    """Find the champion and let the gate decide about the candidate, today, for the person who asked."""
    problem = Problem(args.problem)
    champion = find_champion(run, args.model_name, problem.series.name, args.champion)
    # A parameter of a pipeline cannot be left out: the word none stands for nothing.
    person, why = (text if text != "none" else "" for text in (args.override_by, args.override_reason))
    override = Override(person=person, reason=why) if person or why else None
    return decide_candidate(
        problem, args.candidate, champion, request_of(args, run), as_of=today(), override=override
    )


def request_of(args: argparse.Namespace, run: Run) -> Request:
    """Who asked for a decision, and when; never part of the evidence."""
    return Request(
        reason=args.reason,
        build_id=args.build_id,
        commit=args.commit,
        run_id=run.id,
        step_run_id=run.step_id,
        model_name=args.model_name,
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
        workspace=None if run.workspace is None else _described(run.workspace, args.workspace_tags),
    )


def record_decision(run: Run, decision: DecisionRecord, paths: Iterable[Path]) -> int:
    """Put a decision and its files into run history and return the exit code that it means."""
    verdict = decision.verdict
    run.log(decision.metrics)
    for path in paths:
        run.attach(path)
    data = decision.evidence.data.data_sha256
    run.record(verdict.outcome, verdict.reason, {"decision_sha256": decision.sha256, "data_sha256": data})
    say(f"{verdict.outcome} ({verdict.reason}): {verdict.sentence}")
    return 3 if verdict.outcome == "failed" else 0


def find_champion(run: Run, model_name: str, problem: str, folder: str | None) -> Champion | None:
    """The champion of a problem; None only where the registry, or the word none, says that there is none.

    Raises: UsageError (run alone without --champion), ModelFileError (its bytes are not the registered ones).
    """
    if run.workspace is None:
        if folder is None:
            raise UsageError("Run alone, this step needs --champion: the champion's folder, or the word none.")
        return None if folder == "none" else Champion(read_model(Path(folder)))
    if not model_name:
        raise UsageError("--model-name is missing; in a pipeline the champion is looked up by it.")
    versions = _champions(run.workspace, model_name, problem)
    if not versions:
        say("champion none registered", model_name=model_name, problem=problem)
        return None
    champion = versions[0]
    with tempfile.TemporaryDirectory() as target:
        champion.download(target_dir=target, exist_ok=True)
        stored = read_model(_model_folder(Path(target)))
    registered = champion.properties.get("model_sha256")
    if stored.sha256 != registered:
        raise ModelFileError(
            f"Champion {champion.name} version {champion.version} has sha256 {stored.sha256}, registered as "
            f"{registered}. Its files were changed; register a model again and make it champion."
        )
    return Champion(stored, str(champion.name), str(champion.version))


def register_model(run: Run, name: str, folder: Path, properties: Mapping[str, str]) -> Registered:
    """Register the files of a folder as a new version, once for a pipeline run and model hash.

    properties: at least run_id, model_sha256 and recipe, problem, cutoff.
    """
    from azureml.core import Model

    key = [[key, properties[key]] for key in ("run_id", "model_sha256")]
    for found in Model.list(run.workspace, name=name, properties=key):
        return Registered(str(found.name), str(found.version), created=False)
    # The SDK registers only what lies below the working directory.
    with tempfile.TemporaryDirectory(dir=".", prefix="register-") as below:
        upload = Path(below) / REGISTERED_FOLDER
        upload.mkdir()
        for file in folder.iterdir():
            (upload / file.name).write_bytes(file.read_bytes())
        model = Model.register(
            run.workspace,
            model_path=str(upload),
            model_name=name,
            tags={"problem": properties["problem"], "recipe": properties["recipe"]},
            properties=dict(properties),
            description=f"{properties['recipe']} for {properties['problem']}, data to {properties['cutoff']}"[:139],
        )
    return Registered(str(model.name), str(model.version), created=True)


def data_version(run: Run, dataset_name: str, data_sha256: str) -> str:
    """The version of a data set whose tag sha256 is this hash; the newest is looked at first.

    Raises: UsageError where no version has it: the model could not be traced to its data.
    """
    from azureml.core import Dataset
    from azureml.exceptions import UserErrorException

    try:
        newest = Dataset.get_by_name(run.workspace, dataset_name)
        for version in range(int(newest.version), 0, -1):
            same = version == int(newest.version)
            found = newest if same else Dataset.get_by_name(run.workspace, dataset_name, version=version)
            if (found.tags or {}).get("sha256") == data_sha256:
                return str(version)
    except UserErrorException as unknown:
        raise UsageError(f"Data set {dataset_name} cannot be read: {unknown}") from None
    raise UsageError(
        f"No version of the data set {dataset_name} has the tag sha256 {data_sha256}. "
        "Register the data with `python -m ml_service data upload`."
    )


def deploy_service(
    run: Run, name: str, registered: Registered, *, scoring: Path, environment: Path, labels: Mapping[str, str]
) -> Any:
    """Deploy a registered version to the container instance `name` and wait until it is healthy.

    labels: recorded as tags and as properties of the service. Returns the SDK's AciWebservice.
    Raises: ServiceError with the last lines of the service's log.
    """
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice
    from azureml.exceptions import WebserviceException

    defined = Environment.from_conda_specification(SCORING_ENVIRONMENT, str(environment))
    defined.docker.base_image = SCORING_BASE_IMAGE
    settings = AciWebservice.deploy_configuration(
        cpu_cores=SERVICE_CORES,
        memory_gb=SERVICE_GIGABYTES,
        auth_enabled=True,
        tags=dict(labels),
        properties=dict(labels),
        description=f"{registered.name} version {registered.version}",
    )
    model = Model(run.workspace, name=registered.name, version=int(registered.version))
    inference = InferenceConfig(entry_script="score.py", source_directory=str(scoring), environment=defined)
    service = Model.deploy(run.workspace, name, [model], inference, settings, overwrite=True)
    try:
        service.wait_for_deployment(show_output=False, timeout_sec=SERVICE_SECONDS)
    except WebserviceException as failure:
        said = str(failure.message)[:SHOWN_FAILURE]
        raise ServiceError(f"Service {name} did not become healthy: {said}\n{_log_of(service)}") from None
    return service


def ask_service(service: Any, body: str) -> dict[str, Any]:
    """The answer of a live service to a JSON body. Raises: ServiceError (anything but an object with 200)."""
    from azureml.exceptions import WebserviceException

    try:
        answer = service.run(body)
    except WebserviceException as failure:
        raise ServiceError(f"Service {service.name} refused {body}: {failure.message}\n{_log_of(service)}") from None
    if not isinstance(answer, dict):
        raise ServiceError(f"Service {service.name} answered {type(answer).__name__}, expected a JSON object.")
    return answer


def move_champion(run: Run, registered: Registered, problem: str) -> None:
    """Make a version the champion of a problem: first the new tag, then the old ones go."""
    from azureml.core import Model

    now = datetime.now(UTC)
    since = now.isoformat(timespec="microseconds")
    others = [
        model
        for model in _champions(run.workspace, registered.name, problem)
        if str(model.version) != registered.version
    ]
    before = str(others[0].version) if others else "none"
    model = Model(run.workspace, name=registered.name, version=int(registered.version))
    model.update_tags_properties(
        add_tags={CHAMPION: problem, SINCE: since},
        add_properties={f"champion_move_{now:%Y%m%dT%H%M%S%fZ}": f"after version {before}, run {run.id}"},
    )
    for other in others:
        other.update_tags_properties(remove_tags=[CHAMPION, SINCE])
    say("champion moved", problem=problem, model=registered.name, version=registered.version, after=before)


def folder_sha256(folder: Path) -> str:
    """Hash over names and bytes of all files below a folder, independent of times and of its place."""
    total = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file() and item.suffix != ".pyc"):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _described(workspace: Any, tags: str) -> Workspace:
    """Name and tags of a workspace, so that evidence of a rehearsal says that it is one.

    tags: as the build has read them, in the form of a URL's query; the token of a run may not ask for them.
    """
    return Workspace(
        name=str(workspace.name), resource_group=str(workspace.resource_group), tags=dict(parse_qsl(tags))
    )


def _champions(workspace: Any, model_name: str, problem: str) -> list[Any]:
    """Versions that carry the champion tag of a problem, the newest champion first."""
    from azureml.core import Model

    tagged = Model.list(workspace, name=model_name, tags=[[CHAMPION, problem]])
    return sorted(tagged, key=lambda model: str(model.tags.get(SINCE, "")), reverse=True)


def _model_folder(downloaded: Path) -> Path:
    """Where the manifest lies below a downloaded model."""
    found = list(downloaded.rglob(MANIFEST_FILE))
    if len(found) != 1:
        raise ModelFileError(f"The registered model holds {len(found)} files {MANIFEST_FILE}, expected one.")
    return found[0].parent


def _log_of(service: Any) -> str:
    """The last lines of a service's log, for the person who reads why it failed."""
    lines = str(service.get_logs() or "").splitlines()[-SHOWN_LOG_LINES:]
    return "\n".join([f"The last {len(lines)} lines of its log:", *lines])
