"""`run`: submit the pipeline, follow it, and say what it decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from azure_ml.datasets import DatasetVersion
from azure_ml.errors import ExplainedError
from azure_ml.models.champion_move import make_champion
from azure_ml.models.versions import find_versions
from azure_ml.pipelines.argument_text import packed
from azure_ml.pipelines.published import (
    Parameters,
    find_endpoint,
    find_published,
    submit_built,
    submit_endpoint,
    submit_published,
)
from azure_ml.pipelines.runs import ENDED, Run, RunStatus, StepState, find_pipeline_run, find_run, list_runs, one_word
from azure_ml.pipelines.trainings import LOOKED_AT, claim_training, training_now
from azure_ml.workspace import Workspace
from forecasting.decision import words
from forecasting.decision.blocks import ACCEPTED, Override
from ml_service.errors import ConflictError, InvalidRequestError
from ml_service.output.closing import Ending
from ml_service.output.console import Terminal
from ml_service.output.failures import explain
from ml_service.output.moments import shown_moment
from ml_service.output.webhook import DRIFT, WAITING, Event
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training import ownership
from ml_service.training.data import requested_version
from ml_service.training.follow import (
    Followed,
    follow,
    how_to_follow,
    last_log_lines,
    shown_seconds,
    shown_status,
)
from ml_service.training.outcome import UNDECIDED, Outcome, exit_code, read_outcome, show_outcome
from ml_service.training.pipeline import (
    DATA_PARAMETER,
    OVERRIDE_BY_PARAMETER,
    OVERRIDE_REASON_PARAMETER,
    REASON_PARAMETER,
    built,
)
from ml_service.training.publish import demand_active, ensure_compute
from ml_service.training.smoke import DEFAULT_HORIZON, deploy_for_test
from ml_service.training.snapshots import DEPLOY

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
    deployed_here: bool = False
    """Whether this process has deployed the model to the test service, because no step of the run does."""
    trouble: ExplainedError | None = None
    """What kept this process from deploying it."""

    @property
    def is_deployed(self) -> bool:
        """Whether the test service got the model."""
        steps = self.followed.steps
        return self.deployed_here or any(_is_deploy(step) and step.status == RunStatus.FINISHED for step in steps)

    @property
    def is_pending(self) -> bool:
        """Whether the run is still in progress and only following it has ended."""
        return self.followed.status not in ENDED

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        if self.trouble is not None:
            return self.trouble.exit_code
        return exit_code(self.followed.status, self.outcome.outcome)

    @property
    def complaint(self) -> str:
        """Why the exit code is not 0, in one sentence; empty when it is."""
        if not self.exit_code:
            return ""
        if self.trouble is not None:
            why = ": ".join(filter(None, (self.trouble.happened, self.trouble.found)))
            return f"its model was registered, but not deployed to the test service\n{why}"
        if self.exit_code == 3:
            return self._refusal
        if self.failed_step is not None:
            return f"step {self.failed_step.name} failed; the end of its log is below"
        if self.followed.status == RunStatus.CANCELED:
            return "somebody canceled the run"
        return "the run ended without recording an outcome; was its pipeline published from this project?"

    @property
    def _refusal(self) -> str:
        if self.outcome.reason == "contract":
            return "refused (contract): the table violates the data contract; nothing was trained or registered"
        return f"refused ({self.outcome.reason}): the data contract or the gate said no; nothing was registered"

    @property
    def document(self) -> dict[str, Any]:
        """The result for `--json`."""
        decision, model = self.outcome.decision, self.outcome.model
        registered = {"name": model.name, "version": model.version, "sha256": model.sha256} if model else None
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "status": self.followed.status,
            "outcome": self.outcome.outcome or None,
            "reason": self.outcome.reason or None,
            "steps": [asdict(step) for step in self.followed.steps],
            "decision": json.loads(decision.content) if decision else None,
            "model": registered,
            "portal": self.portal,
        }


def run(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: RunRequest) -> RunResult:
    """Submit (or pick up) a run and wait for its end; a run that fails is a result, not an exception.

    Raises: InvalidRequestError for a pipeline, run or data version that does not exist; ConflictError when another
    problem has the names; AnotherTrainingError; TimedOutError; FaultError.
    """
    if request.follow_run is not None:
        pipeline_run = _pick_up(workspace, request.follow_run)
    else:
        pipeline_run = _resumed(workspace, settings, build, request) or _begun(
            workspace, settings, build, terminal, request
        )
    terminal.note(f"run {pipeline_run.id} in experiment {pipeline_run.experiment}")
    try:
        followed = follow(pipeline_run, terminal, request.timeout_minutes, request.wait_minutes)
    except KeyboardInterrupt:
        terminal.note(f"\nno longer following; run {pipeline_run.id} continues")
        terminal.note(f"  follow it again: {how_to_follow(pipeline_run.id)}")
        terminal.note(f"  or in the studio: {pipeline_run.portal}")
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
    is_left_to_us = settings.test_deployment == "agent" and not any(_is_deploy(step) for step in steps)
    if model is None or result.exit_code or not is_left_to_us:
        return result
    if any(other.version > model.version for other in find_versions(workspace, model.name)):
        terminal.note(f"the test service stays as it is: a newer version of {model.name} is registered")
        return result
    try:
        problem = ownership.demand_ours(workspace, settings).problem
        version = str(model.version)
        deploy_for_test(workspace, settings, problem, version, horizon=DEFAULT_HORIZON, announce=terminal.note)
        if not settings.has_production:
            make_champion(workspace, model.name, model.version, problem, f"run {result.run_id}")
    except Exception as error:
        trouble = explain(error)
        if trouble is None:
            raise
        return replace(result, trouble=trouble)
    return replace(result, deployed_here=True)


def _is_deploy(step: StepState) -> bool:
    return step.name == DEPLOY


def _pick_up(workspace: Workspace, run_id: str) -> Run:
    found = find_pipeline_run(workspace, run_id)
    if found is None:
        raise InvalidRequestError(
            f"there is no pipeline run {run_id} in workspace {workspace.name}",
            todo="list the last runs: python -m ml_service status",
        )
    return found


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
            terminal.note(f"run {submitted.id} could not be canceled ({error}); cancel it in the studio")
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
        terminal.note(f"{request.override.person} overrides the gate: {request.override.reason}")
    terminal.note(f"submitting on data {dataset.name} version {dataset.version}, reason {request.reason}")
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


def of_tries(settings: Settings) -> Settings:
    """The settings of a run that only tries: its experiment is apart, so that no verb takes it for a candidate."""
    return settings.model_copy(update={"experiment_name": f"{settings.experiment_name}-tries"})


def ending_of_try(result: RunResult) -> Ending:
    """How a run without registration ended, for the closing."""
    decision, settled = result.outcome.decision, "nothing was registered or deployed"
    if decision is None or result.exit_code == 1:
        return _complaint(result)
    happened = f"tried: the gate says {decision.verdict.outcome}; {settled}\n{decision.verdict.sentence}"
    if result.outcome.outcome == ACCEPTED:
        return Ending(happened, "merge the branch: its release trains, decides and asks for approval")
    return Ending(happened, "read the report, change the recipe, try once more; do not merge it for this model")


def ending(result: RunResult, settings: Settings, *, is_asked: bool = True) -> Ending:
    """How the run ended, for the closing; with the log of a failed step.

    is_asked: whether somebody is asked to approve what was accepted. On the page of a build no terminal is named:
    whoever approves there would go past the approval with it.
    """
    if result.is_pending:
        return Ending(
            f"run {result.run_id} is still in progress; there is no decision yet", how_to_follow(result.run_id)
        )
    if result.complaint:
        return _complaint(result)
    if result.outcome.model is None:
        return Ending(f"the champion stays and nothing was registered, which is normal{_drifted(result)}")
    model, todo = result.outcome.model, ""
    if settings.has_production and not is_asked:
        todo = "nobody is asked to approve it here; to ask, queue retrain.yml with the parameter pending"
    elif settings.has_production:
        terminal = f"; at a terminal: python -m ml_service release --model-version {model.version}"
        todo = f"approve or reject its release{'' if settings.tf_build else terminal}"
    return Ending(f"{model.label} was accepted, registered and deployed to the test service{_drifted(result)}", todo)


def _drifted(result: RunResult) -> str:
    """A line more where the newest data is not like the data before."""
    decision = result.outcome.decision
    told = words.drift(decision.evidence) if decision else ""
    return f"\n{told}" if told else ""


def events(result: RunResult, settings: Settings, *, is_asked: bool = True) -> list[Event]:
    """What people are notified of beside a failure: a model that waits for approval, and drift of the data.

    is_asked: whether somebody is asked to approve what was accepted.
    """
    decision, found = result.outcome.decision, list[Event]()
    if is_asked and result.outcome.model is not None and not result.exit_code and settings.has_production:
        found.append(WAITING)
    if decision is not None and words.drift(decision.evidence):
        found.append(DRIFT)
    return found


def _complaint(result: RunResult) -> Ending:
    log = "\n".join(result.log) or "(it wrote no log)"
    happened = f"error: run {result.run_id}: {result.complaint}{_drifted(result)}"
    return Ending(happened, _remedy(result), log if result.failed_step else "")


def _remedy(result: RunResult) -> str:
    if result.outcome.reason == "contract":
        return "correct the table where the findings say, then: python -m ml_service data upload"
    if result.trouble is not None:
        return result.trouble.todo or "repeat the command: it picks the run up and deploys its model"
    if result.exit_code == 3:
        return (
            "read the report, then change data or recipes; only an accountable person overrides the gate:\n"
            "python -m ml_service run --override-by NAME --override-reason TEXT"
        )
    return "" if result.failed_step is None else "correct what the log shows, then repeat the command"


def show(terminal: Terminal, result: RunResult) -> None:
    """Print steps, outcome, decision and model."""
    terminal.say(f"run        {result.run_id} {result.followed.status} in {result.followed.seconds:.1f} s")
    terminal.table(
        ("step", "state", "time"),
        [(step.name, shown_status(step), shown_seconds(step)) for step in result.followed.steps],
        right=("time",),
    )
    show_outcome(terminal, result.outcome, deployed=result.is_deployed)
    terminal.say(f"portal     {result.portal}")
    terminal.document(result.document)
