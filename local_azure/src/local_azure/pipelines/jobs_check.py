"""Rules about jobs: deployments, server jobs, step kinds, artifacts, and what a local run refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from local_azure.pipelines.graph import ancestors, nodes
from local_azure.pipelines.model import STEP_KINDS, Job, Pipeline, Stage, Step
from local_azure.pipelines.tree import Fields, Place, Problem, Text, fields_of, nearest, place_of

SERVER_TASKS = (
    "manualvalidation", "delay", "invokerestapi", "azurefunction", "publishtoazureservicebus",
    "queryazuremonitoralerts", "queryworkitems", "azuremljobwaittask",
)  # fmt: skip
_SERVER_ONLY = ("manualvalidation", "delay", "azuremljobwaittask")
_UNSUPPORTED_JOB_KEYS = {"container": "Container jobs", "services": "Service containers"}
_UNSUPPORTED_STRATEGIES = ("matrix", "parallel", "maxParallel", "canary", "rolling")
_FORBIDDEN = re.compile(r'[":<>|*?/\\\x00-\x1f]')
_ARTIFACT_TASKS = {"publishpipelineartifact@1": True, "downloadpipelineartifact@2": False}  # whether it publishes
_UPLOAD_COMMAND = "artifact.upload"


def job_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Faults of jobs and of their steps."""
    for stage in pipeline.stages:
        for job in stage.jobs:
            yield from _unsupported(job)
            yield from _deployment(job) if job.deployment else _plain(job)
            for step in job.steps:
                yield from _step(job, step)
    yield from _artifacts(pipeline)


def _unsupported(job: Job) -> Iterator[Problem]:
    for key, what in _UNSUPPORTED_JOB_KEYS.items():
        if key in job.fields:
            yield Problem(
                job.fields.key(key).place, f"{what} are not supported here.", "Run on the build agent itself."
            )
    strategy = fields_of(job.fields.get("strategy"))
    for key in strategy.names():
        if key in _UNSUPPORTED_STRATEGIES:
            todo = "Use runOnce." if job.deployment else "Write the jobs with ${{ each }}."
            yield Problem(key.place, f"The strategy '{key}' is not supported here.", todo)


def _plain(job: Job) -> Iterator[Problem]:
    if not job.steps and "strategy" not in job.fields:
        yield Problem(job.place, f"Job {job.name} has no steps.", "Add one.")


def _deployment(job: Job) -> Iterator[Problem]:
    once = fields_of(fields_of(job.fields.get("strategy")).get("runOnce"))
    if job.environment is None:
        yield Problem(job.place, f"The deployment job {job.name} names no environment.", "Add environment: NAME.")
    elif "." in job.environment:
        what = f"The environment '{job.environment}' names a resource, which is not supported here."
        yield Problem(job.environment.place, what, "Name an environment without a dot.")
    environment = job.fields.get("environment")
    for key in environment.names() if isinstance(environment, Fields) else []:
        if key != "name":
            yield Problem(key.place, f"'{key}' of an environment is not supported here.", "Give its name only.")
    if "steps" in job.fields:
        what = "Steps of a deployment job stand under strategy.runOnce.deploy."
        yield Problem(job.fields.key("steps").place, what, "Move them there.")
    elif "strategy" not in job.fields or (
        "runOnce" in fields_of(job.fields.get("strategy")) and "deploy" not in once
    ):
        what = f"The deployment job {job.name} has no strategy.runOnce.deploy."
        yield Problem(job.place, what, "Add it with the steps that deploy.")
    if "deploy" in once and not fields_of(once.get("deploy")).get("steps"):
        yield Problem(once.key("deploy").place, f"The deploy hook of {job.name} has no steps.", "Add one.")


def _step(job: Job, step: Step) -> Iterator[Problem]:
    task = step.value.partition("@")[0].lower() if step.kind == "task" else ""
    if step.kind not in STEP_KINDS:
        todo = "Use bash." if step.kind in ("pwsh", "powershell") else ""
        yield Problem(step.place, f"Steps of kind '{step.kind}' are not supported here.", todo)
    if "target" in step.fields:
        yield Problem(step.fields.key("target").place, "'target' is not supported here.", "Leave it out.")
    if job.server and task not in SERVER_TASKS:
        what = f"A server job cannot run '{step.value if task else step.kind}': it has no build agent."
        yield Problem(step.place, what, "Move the step to a job with a pool of build agents.")
    elif not job.server and task in _SERVER_ONLY:
        yield Problem(step.value.place, f"{step.value} runs in a server job only.", "Write pool: server for its job.")
    if step.kind == "checkout" and step.value not in ("self", "none"):
        yield Problem(
            step.value.place, f"checkout of '{step.value}' is not supported here.", "Only self and none are."
        )
    if step.kind == "checkout" and "path" in step.fields:
        yield Problem(step.fields.key("path").place, "'path' of a checkout is not supported here.", "Leave it out.")
    for key in ("timeoutInMinutes", "retryCountOnTaskFailure"):
        text = step.text(key)
        if text is not None and not re.fullmatch(r"\d+(\.\d+)?", text):
            yield Problem(text.place, f"'{key}' must be a number, not '{text}'.")


@dataclass(frozen=True)
class Move:
    """A step that publishes or downloads an artifact of this run; `name` is None where all are meant."""

    publishes: bool
    name: Text | None
    place: Place


def move_of(step: Step) -> Move | None:
    """What a step does with an artifact of this run, if anything."""
    if step.kind in ("publish", "download"):
        if step.kind == "download" and step.value != "current":
            return None
        name = step.text("artifact")
        return Move(step.kind == "publish", name, name.place if name is not None else step.place)
    publishes = _ARTIFACT_TASKS.get(step.value.lower()) if step.kind == "task" else None
    source = step.inputs.lookup("buildType") or step.inputs.lookup("source") or "current"
    if publishes is None or source != "current":
        return None
    value = step.inputs.lookup("artifact") or step.inputs.lookup("artifactName")
    return Move(publishes, value if isinstance(value, Text) else None, place_of(value, step.place))


def _artifacts(pipeline: Pipeline) -> Iterator[Problem]:
    published: dict[str, list[tuple[Stage, Job]]] = {}
    for stage, job, step in _all_steps(pipeline):
        move = move_of(step)
        if move is None or move.name is None or not move.publishes:
            continue
        if _FORBIDDEN.search(move.name):
            yield Problem(
                move.place, f"'{move.name}' is no name of an artifact.", 'It cannot hold " : < > | * ? / \\.'
            )
        owners = published.setdefault(move.name.lower(), [])
        if any(owner is job for _, owner in owners):
            what = f"Job {job.name} publishes the artifact '{move.name}' twice."
            yield Problem(move.place, what, "A name is taken once a run.")
        owners.append((stage, job))
    for stage, job, step in _all_steps(pipeline):
        move = move_of(step)
        if move is not None and move.name is not None and not move.publishes and "$(" not in move.name:
            yield from _download(pipeline, (stage, job), move.name, published)


def _download(
    pipeline: Pipeline, reader: tuple[Stage, Job], name: Text, published: dict[str, list[tuple[Stage, Job]]]
) -> Iterator[Problem]:
    owners = published.get(name.lower())
    if owners is None:
        if not any("$(" in other for other in published) and not _uploads(pipeline):
            what = f"No step of this run publishes the artifact '{name}'."
            yield Problem(name.place, what, nearest(name, list(published)))
    elif not any(_is_before(pipeline, owner, reader) for owner in owners):
        what = f"The artifact '{name}' is published by a job that this one does not depend on."
        yield Problem(name.place, what, "Add it to dependsOn, or the file may not be there yet.")


def _uploads(pipeline: Pipeline) -> bool:
    return any(_UPLOAD_COMMAND in (step.script or "") for _, _, step in _all_steps(pipeline))


def _all_steps(pipeline: Pipeline) -> Iterator[tuple[Stage, Job, Step]]:
    for stage in pipeline.stages:
        for job in stage.jobs:
            for step in job.steps:
                yield stage, job, step


def _is_before(pipeline: Pipeline, owner: tuple[Stage, Job], reader: tuple[Stage, Job]) -> bool:
    (stage, job), (reading_stage, reading_job) = owner, reader
    if stage is not reading_stage:
        return stage.name.lower() in ancestors(nodes(pipeline.stages)).get(reading_stage.name.lower(), set())
    if job is reading_job:
        return True
    return job.name.lower() in ancestors(nodes(stage.jobs)).get(reading_job.name.lower(), set())
