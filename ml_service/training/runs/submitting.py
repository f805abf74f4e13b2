"""Submit a training run, once in a build, and while no other run trains the problem."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from azure_ml.datasets import DatasetVersion
from azure_ml.pipelines.argument_text import packed
from azure_ml.pipelines.published import (
    Parameters,
    find_endpoint,
    find_published,
    submit_built,
    submit_endpoint,
    submit_published,
)
from azure_ml.pipelines.runs import Run, RunStatus, find_pipeline_run, find_run, list_runs, one_word
from azure_ml.pipelines.trainings import LOOKED_AT, claim_training, training_now
from azure_ml.workspace import Workspace
from forecasting.decision.blocks import Override
from ml_service.errors import ConflictError, InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.output.moments import shown_moment
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training import ownership
from ml_service.training.data import requested_version
from ml_service.training.pipeline import (
    DATA_PARAMETER,
    OVERRIDE_BY_PARAMETER,
    OVERRIDE_REASON_PARAMETER,
    REASON_PARAMETER,
    built,
)
from ml_service.training.publish import demand_active, ensure_compute
from ml_service.training.runs.follow import how_to_follow

SUBMISSION = "submission"
"""Property of a run: the build that has submitted it, and for what."""


@dataclass
class AnotherTrainingError(ConflictError):
    """Another run trains the problem. run_id: that run."""

    run_id: str = ""


TRIED_STEPS = ("prepare", "train", "evaluate")
"""Of a run that decides and changes nothing."""


@dataclass(frozen=True)
class RunRequest:
    """What the user asked `run` for."""

    reason: str = "manual"
    timeout_minutes: float = 120.0
    data_version: int | None = None
    """None: the newest."""
    pipeline_id: str | None = None
    """None: the default of the pipeline endpoint."""
    unpublished_steps: tuple[str, ...] | None = None
    """Build these steps from the working tree and submit them without publishing."""
    follow_run: str | None = None
    """Pick up a run that was submitted before; nothing is submitted then."""
    override: Override | None = None
    """Accept against a judgement of quality by the gate."""
    wait_minutes: float | None = None
    """Return after this time although the run continues; None: follow it to its end."""
    ours: ownership.Ours | None = None
    """That the names are ours, where that has been asked already."""


def of_tries(settings: Settings) -> Settings:
    """The settings of a run that only tries: its experiment is apart, so that no verb takes it for a candidate."""
    return settings.model_copy(update={"experiment_name": f"{settings.experiment_name}-tries"})


def resume_or_begin(
    workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: RunRequest
) -> Run:
    """Pick up the run that this build has submitted for the same request, or submit one.

    Raises: AnotherTrainingError; InvalidRequestError; ConflictError when another problem has the names.
    """
    earlier = _resumed(workspace, settings, build, request)
    return earlier or _begun(workspace, settings, build, terminal, request)


def submission_of(settings: Settings, build: Build, request: RunRequest) -> str:
    """What tells the runs of one build apart; empty where no job of a pipeline submits what is published."""
    if not (settings.tf_build and build.build_id.isdecimal()) or request.unpublished_steps is not None:
        return ""
    override = f"{request.override.person}: {request.override.reason}" if request.override else "none"
    asked = (request.pipeline_id or "default", request.data_version or "newest", request.reason, override)
    return " ".join(map(str, (build.build_id, *asked)))


def _resumed(workspace: Workspace, settings: Settings, build: Build, request: RunRequest) -> Run | None:
    """The run that this build has submitted for the same request, unless it has failed; None where there is none.

    An agent that is lost, a job that ends before its run and a stage that is run again do not train twice.
    """
    submission = submission_of(settings, build, request)
    if not submission:
        return None
    for found in list_runs(workspace, settings.experiment_name, LOOKED_AT):
        if found.properties.get(SUBMISSION) == submission:
            ended_badly = one_word(found.status) in (RunStatus.FAILED, RunStatus.CANCELED)
            return None if ended_badly else find_pipeline_run(workspace, found.id)
    return None


def parameters_of(request: RunRequest, dataset: DatasetVersion) -> Parameters:
    """Return the values of the pipeline's parameters: free text packed, an override only where there is one."""
    parameters: Parameters = {REASON_PARAMETER: request.reason, DATA_PARAMETER: dataset}
    if request.override is None:
        return parameters
    by, why = packed(request.override.person), packed(request.override.reason)
    return {**parameters, OVERRIDE_BY_PARAMETER: by, OVERRIDE_REASON_PARAMETER: why}


def _begun(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: RunRequest) -> Run:
    """Submit, where no other run trains the problem; one that only tries holds up nobody.

    Raises: AnotherTrainingError; where another run was quicker by a moment, or the claim failed, ours is canceled.
    """
    if request.unpublished_steps == TRIED_STEPS:
        return _submit(workspace, settings, build, terminal, request)
    ours = request.ours or ownership.demand_ours(workspace, settings)
    if other := training_now(workspace, ours.problem, settings.experiment_name):
        raise _another(workspace, ours.problem, other)
    submitted = _submit(workspace, settings, build, terminal, replace(request, ours=ours))
    with _canceled_on_failure(submitted, terminal):
        other = claim_training(workspace, ours.problem, submitted.id)
        if other != submitted.id:
            raise _another(workspace, ours.problem, other)
    return submitted


@contextmanager
def _canceled_on_failure(submitted: Run, terminal: Terminal) -> Iterator[None]:
    """Cancel a run that we could not mark or claim: nobody would know it, and a repetition would train beside it."""
    try:
        yield
    except BaseException:
        try:
            submitted.cancel()
        except Exception as error:
            terminal.err(f"run {submitted.id} could not be canceled ({error}); cancel it in the studio")
        raise


def _another(workspace: Workspace, problem: str, run_id: str) -> AnotherTrainingError:
    run = find_run(workspace, run_id)
    since = f", which began {shown_moment(run.created)}" if run else ""
    return AnotherTrainingError(
        f"another training of the problem {problem} is going on, and this one was not begun",
        found=f"run {run_id}{since}",
        todo=f"follow it: {how_to_follow(run_id)}\nwhen it has ended, repeat the command for what has come since\n"
        f"if it hangs, cancel it: {how_to_follow(run_id)} --timeout 0.01",
        run_id=run_id,
    )


def _submit(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: RunRequest) -> Run:
    submitted = _submitted(workspace, settings, build, terminal, request)
    submission = submission_of(settings, build, request)
    of_build = {"build_id": build.build_id} if settings.tf_build else {}
    properties = {**build.person, **of_build, **({SUBMISSION: submission} if submission else {})}
    if properties:
        with _canceled_on_failure(submitted, terminal):
            submitted.add_properties(properties)
    return submitted


def _submitted(
    workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: RunRequest
) -> Run:
    ours = request.ours or ownership.demand_ours(workspace, settings)
    dataset = requested_version(workspace, settings, request.data_version)
    parameters = parameters_of(request, dataset)
    if request.override is not None:
        terminal.err(f"{request.override.person} overrides the gate: {request.override.reason}")
    terminal.err(f"submitting on data {dataset.name} version {dataset.version}, reason {request.reason}")
    if request.unpublished_steps is not None:
        ensure_compute(workspace, settings, terminal)
        with built(workspace, settings, build, request.unpublished_steps, dataset) as pipeline:
            return submit_built(workspace, pipeline.sdk, settings.experiment_name, parameters)
    if request.pipeline_id is not None:
        return _submit_published(workspace, settings, request.pipeline_id, parameters)
    endpoint = ours.endpoint or find_endpoint(workspace, settings.pipeline_endpoint_name)
    if endpoint is None:
        raise InvalidRequestError(
            f"there is no pipeline endpoint {settings.pipeline_endpoint_name} in workspace {workspace.name}",
            todo="publish first: python -m ml_service publish (or try your working tree: run --unpublished)",
        )
    demand_active(endpoint, "enable it, then repeat")
    return submit_endpoint(endpoint, settings.experiment_name, parameters)


def _submit_published(workspace: Workspace, settings: Settings, pipeline_id: str, parameters: Parameters) -> Run:
    published = find_published(workspace, pipeline_id)
    if published is None:
        raise InvalidRequestError(
            f"there is no published pipeline {pipeline_id} in workspace {workspace.name}",
            todo="list the ids: python -m ml_service status",
        )
    return submit_published(workspace, published, settings.experiment_name, parameters)
