"""`run`: submit the pipeline, follow it, and say what it decided."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azureml.core import Experiment
from azureml.pipeline.core import PipelineRun, PublishedPipeline
from msrest.exceptions import HttpOperationError

from ml_service.audit import summary as evidence
from ml_service.errors import ConflictError, UsageError
from ml_service.output.agent import Agent
from ml_service.output.console import Terminal, quiet_sdk
from ml_service.output.failures import http_status
from ml_service.settings import people
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.settings.workspace import OpenWorkspace
from ml_service.training import decision_table as report
from ml_service.training import ownership, versions
from ml_service.training.endpoint import find_endpoint
from ml_service.training.follow import Followed, StepState, follow, how_to_follow, last_log_lines
from ml_service.training.outcome import Outcome, exit_code, read_outcome
from ml_service.training.override import Override
from ml_service.training.pipeline import (
    DATA_PARAMETER,
    OVERRIDE_BY_PARAMETER,
    OVERRIDE_REASON_PARAMETER,
    REASON_PARAMETER,
    built,
)
from ml_service.training.publish import ensure_compute
from ml_service.training.service import service_state


@dataclass(frozen=True)
class Wanted:
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
    ours: ownership.Ours | None = None
    """That the names are ours, where that has been asked already."""


@dataclass(frozen=True)
class RunResult:
    """A run that has ended."""

    run_id: str
    experiment: str
    portal: str
    followed: Followed
    outcome: Outcome
    failed_step: StepState | None
    log: tuple[str, ...]
    """The last lines of the failed step."""

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return exit_code(self.followed.status, self.outcome.outcome)

    @property
    def complaint(self) -> str:
        """Why the exit code is not 0, in one sentence; empty when it is."""
        if not self.exit_code:
            return ""
        if self.outcome.reason == "contract":
            return "refused (contract): the table breaks the data contract; nothing was trained or registered"
        if self.exit_code == 3:
            return f"refused ({self.outcome.reason}): the data contract or the gate said no; nothing was registered"
        if self.failed_step is not None:
            return f"step {self.failed_step.name} failed; the end of its log is above"
        if self.followed.status == "Canceled":
            return "somebody cancelled the run"
        return "the run ended without recording an outcome; was its pipeline published from this project?"

    @property
    def document(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "status": self.followed.status,
            "outcome": self.outcome.outcome or None,
            "reason": self.outcome.reason or None,
            "steps": [asdict(step) for step in self.followed.steps],
            "decision": self.outcome.decision,
            "model": asdict(self.outcome.model) if self.outcome.model else None,
            "portal": self.portal,
        }


def run(workspace: OpenWorkspace, settings: Settings, build: Build, terminal: Terminal, wanted: Wanted) -> RunResult:
    """Submit (or pick up) a run and wait for its end; a run that fails is a result, not an exception.

    Raises: UsageError for a pipeline, run or data version that does not exist; ConflictError when another problem has
    the names; TimedOutError; FaultError.
    """
    pipeline_run = _pick_up(workspace, wanted)
    if pipeline_run is None:
        pipeline_run = _submit(workspace, settings, build, terminal, wanted)
        if asked := people.requested(settings):
            pipeline_run.add_properties(asked)
    terminal.note(f"run {pipeline_run.id} in experiment {pipeline_run.experiment.name}")
    try:
        followed = follow(pipeline_run, terminal, wanted.timeout_minutes)
    except KeyboardInterrupt:
        terminal.note(f"\nno longer following; run {pipeline_run.id} goes on")
        terminal.note(f"  follow it again: {how_to_follow(pipeline_run.id)}")
        terminal.note(f"  or in the studio: {pipeline_run.get_portal_url()}")
        raise
    failed = next((step for step in followed.steps if step.status == "Failed"), None)
    return RunResult(
        run_id=pipeline_run.id,
        experiment=pipeline_run.experiment.name,
        portal=pipeline_run.get_portal_url(),
        followed=followed,
        outcome=read_outcome(workspace, pipeline_run, settings.model_name),
        failed_step=failed,
        log=tuple(last_log_lines(pipeline_run, failed)) if failed else (),
    )


def tell(workspace: OpenWorkspace, settings: Settings, agent: Agent, result: RunResult, folder: Path | None) -> None:
    """Write the evidence into a folder and tell the build agent what a later stage decides by."""
    if folder is not None:
        if state := service_state(workspace, settings.test_service_name):
            agent.terminal.say(f"service    {state.line}")
        agent.summary(evidence.write(workspace, result, agent.terminal.transcript, folder))
    outcome, model = result.outcome, result.outcome.model
    agent.outputs(
        {
            "outcome": outcome.outcome or "none",
            "reason": outcome.reason,
            "modelVersion": model.version if model else "",
            "runId": result.run_id,
        }
    )
    overridden = ["override"] if outcome.evidence.get("override") else []
    agent.tag(outcome.outcome or "no-outcome", *overridden, *([f"{model.name}-{model.version}"] if model else []))


def _submit(workspace: OpenWorkspace, settings: Settings, build: Build, terminal: Terminal, wanted: Wanted) -> Any:
    ours = wanted.ours or ownership.demand_ours(workspace, settings)
    dataset = versions.wanted(workspace, settings, wanted.data_version)
    parameters = {REASON_PARAMETER: wanted.reason, DATA_PARAMETER: dataset}
    if wanted.override is not None:
        parameters[OVERRIDE_BY_PARAMETER] = wanted.override.person
        parameters[OVERRIDE_REASON_PARAMETER] = wanted.override.reason
        terminal.note(f"{wanted.override.person} overrides the gate: {wanted.override.reason}")
    terminal.note(f"submitting on data {dataset.name} version {dataset.version}, reason {wanted.reason}")
    if wanted.unpublished_steps is not None:
        ensure_compute(workspace, settings, terminal)
        with built(workspace, settings, build, wanted.unpublished_steps, dataset) as pipeline, quiet_sdk():
            experiment = Experiment(workspace.sdk, settings.experiment_name)
            return experiment.submit(pipeline.sdk, pipeline_parameters=parameters, continue_on_step_failure=False)
    if wanted.pipeline_id is not None:
        pipeline = _published(workspace, wanted.pipeline_id)
        with quiet_sdk():
            return pipeline.submit(workspace.sdk, settings.experiment_name, pipeline_parameters=parameters)
    endpoint = _active(
        ours.endpoint or find_endpoint(workspace, settings.pipeline_endpoint_name), settings, workspace
    )
    with quiet_sdk():
        return endpoint.submit(settings.experiment_name, pipeline_parameters=parameters)


def _active(endpoint: Any | None, settings: Settings, workspace: OpenWorkspace) -> Any:
    if endpoint is None:
        raise UsageError(
            f"there is no pipeline endpoint {settings.pipeline_endpoint_name} in workspace {workspace.name}",
            todo="publish first: python -m ml_service publish (or try your working tree: run --unpublished)",
        )
    if endpoint.status != "Active":
        raise ConflictError(
            f"pipeline endpoint {endpoint.name} is {endpoint.status}",
            expected="Active",
            todo="enable it, then repeat",
        )
    return endpoint


def _published(workspace: OpenWorkspace, pipeline_id: str) -> Any:
    try:
        return PublishedPipeline.get(workspace.sdk, pipeline_id)
    except HttpOperationError as error:
        if http_status(error) not in (400, 404):
            raise
        raise UsageError(
            f"there is no published pipeline {pipeline_id} in workspace {workspace.name}",
            todo="see the ids: python -m ml_service status",
        ) from error


def _pick_up(workspace: OpenWorkspace, wanted: Wanted) -> Any | None:
    if wanted.follow_run is None:
        return None
    try:
        return PipelineRun.get(workspace.sdk, wanted.follow_run)
    except HttpOperationError as error:
        if http_status(error) not in (400, 404):
            raise
        raise UsageError(
            f"there is no pipeline run {wanted.follow_run} in workspace {workspace.name}",
            todo="see the last runs: python -m ml_service status",
        ) from error


def show(terminal: Terminal, result: RunResult) -> None:
    """Print steps, outcome, decision and model; the log of a failed step goes to standard error."""
    terminal.say(f"run        {result.run_id} {result.followed.status} in {result.followed.seconds:.1f} s")
    terminal.table(
        ("step", "state", "time"),
        [(step.name, step.shown_status, step.shown_seconds) for step in result.followed.steps],
        right=("time",),
    )
    deployed = any(step.name == "deploy" and step.status == "Finished" for step in result.followed.steps)
    report.show_outcome(terminal, result.outcome, deployed=deployed)
    terminal.say(f"portal     {result.portal}")
    if result.failed_step is not None:
        terminal.note(f"\nlast lines of step {result.failed_step.name} ({result.failed_step.run_id}):")
        for line in result.log or ("(it wrote no log)",):
            terminal.note(f"  | {line}")
    if result.complaint:
        terminal.note(f"error: run {result.run_id}: {result.complaint}")
    terminal.document(result.document)
