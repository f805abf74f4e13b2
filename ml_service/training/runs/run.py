"""`run`: submit the pipeline or pick a run up, follow it to its end, and deploy an accepted model for test."""

from __future__ import annotations

from dataclasses import replace

from azure_ml.models.champion_move import make_champion
from azure_ml.models.versions import find_versions
from azure_ml.pipelines.runs import ENDED, Run, RunStatus, find_pipeline_run
from azure_ml.workspace import Workspace
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.output.failures import explain
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training import ownership
from ml_service.training.runs.follow import (
    follow,
    how_to_follow,
    last_log_lines,
)
from ml_service.training.runs.outcome import UNDECIDED, read_outcome
from ml_service.training.runs.result import RunResult
from ml_service.training.runs.submitting import (
    RunRequest,
    resume_or_begin,
)
from ml_service.training.smoke import DEFAULT_HORIZON, deploy_for_test
from ml_service.training.snapshots import DEPLOY


def run(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: RunRequest) -> RunResult:
    """Submit (or pick up) a run and wait for its end; a run that fails is a result, not an exception.

    Raises: InvalidRequestError for a pipeline, run or data version that does not exist; ConflictError when another
    problem has the names; AnotherTrainingError; TimedOutError; FaultError.
    """
    if request.follow_run is not None:
        pipeline_run = _pick_up(workspace, request.follow_run)
    else:
        pipeline_run = resume_or_begin(workspace, settings, build, terminal, request)
    terminal.err(f"run {pipeline_run.id} in experiment {pipeline_run.experiment}")
    try:
        followed = follow(pipeline_run, terminal, request.timeout_minutes, request.wait_minutes)
    except KeyboardInterrupt:
        terminal.err(f"\nno longer following; run {pipeline_run.id} continues")
        terminal.err(f"  follow it again: {how_to_follow(pipeline_run.id)}")
        terminal.err(f"  or in the studio: {pipeline_run.portal}")
        raise
    failed = next((step for step in followed.steps if step.status == RunStatus.FAILED), None)
    result = RunResult(
        run_id=pipeline_run.id,
        experiment=pipeline_run.experiment,
        portal=pipeline_run.portal,
        followed=followed,
        outcome=read_outcome(workspace, pipeline_run, settings.model_name) if followed.status in ENDED else UNDECIDED,
        failed_step=failed,
        log=tuple(last_log_lines(pipeline_run, failed)) if failed else (),
    )
    return _deployed_for_test(workspace, settings, terminal, result)


def _deployed_for_test(workspace: Workspace, settings: Settings, terminal: Terminal, result: RunResult) -> RunResult:
    """Deploy an accepted model to the test service where no step of its run does, as the settings say.

    Without a production this makes it the champion, as the step would. What goes wrong is part of the result.
    """
    model, steps = result.outcome.model, result.followed.steps
    is_left_to_us = settings.test_deployment == "agent" and not any(step.name == DEPLOY for step in steps)
    if model is None or result.exit_code or not is_left_to_us:
        return result
    if any(other.version > model.version for other in find_versions(workspace, model.name)):
        terminal.err(f"the test service stays as it is: a newer version of {model.name} is registered")
        return result
    try:
        problem = ownership.demand_ours(workspace, settings).problem
        version = str(model.version)
        deploy_for_test(workspace, settings, problem, version, horizon=DEFAULT_HORIZON, announce=terminal.err)
        if not settings.has_production:
            make_champion(workspace, model.name, model.version, problem, f"run {result.run_id}")
    except Exception as error:
        trouble = explain(error)
        if trouble is None:
            raise
        return replace(result, trouble=trouble)
    return replace(result, deployed_here=True)


def _pick_up(workspace: Workspace, run_id: str) -> Run:
    found = find_pipeline_run(workspace, run_id)
    if found is None:
        raise InvalidRequestError(
            f"there is no pipeline run {run_id} in workspace {workspace.name}",
            todo="list the last runs: python -m ml_service status",
        )
    return found
