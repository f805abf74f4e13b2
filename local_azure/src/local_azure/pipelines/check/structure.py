"""Rules of the service about names, dependencies, jobs and steps; and what no local run can do."""

import re
from collections.abc import Iterator, Sequence

from local_azure.pipelines.check.key_support import KEYS, support_faults
from local_azure.pipelines.expand.model import Job, Part, Pipeline, Step, ancestors
from local_azure.pipelines.language.tree import Fields, Problem, fields_of, mappings_of, nearest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SERVER_ONLY = ("manualvalidation", "delay", "azuremljobwaittask")
_SERVER_TASKS = (
    *_SERVER_ONLY,
    "invokerestapi",
    "azurefunction",
    "publishtoazureservicebus",
    "queryazuremonitoralerts",
    "queryworkitems",
)
_STEP_KINDS = ("bash", "script", "checkout", "publish", "download", "task")


def structure_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield every fault of structure."""
    yield from _name_faults(pipeline.stages, "The stage name", "Stage", "a pipeline")
    yield from _graph_faults(pipeline.stages, "Stage", "stage", Problem(pipeline.location, "The pipeline"))
    for stage in pipeline.stages:
        if not stage.name:
            yield Problem(stage.location, "A stage needs a name. Write - stage: NAME.")
        subject = f"Stage {stage.name} job"
        yield from _name_faults(stage.jobs, subject, "Job", "a stage")
        yield from _graph_faults(stage.jobs, subject, "job", Problem(stage.location, f"Stage {stage.name}"))
        for job in stage.jobs:
            yield from _name_faults(job.steps, f"{subject} {job.name} step", "Step", "a job")
            yield from _job_faults(job)
    yield from _resource_faults(pipeline)
    yield from support_faults(pipeline)


def _name_faults(parts: Sequence[Part], subject: str, kind: str, whole: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in (part.name for part in parts if part.name):
        if not _NAME.match(name):
            yield Problem(
                name.location, f"'{name}' is not a valid {kind.lower()} name: use letters, digits and _ only."
            )
        if name.lower() in seen:
            text = f"{subject} {name} appears more than once. {kind} names must be unique within {whole}."
            yield Problem(name.location, text)
        seen.add(name.lower())


def _graph_faults(parts: Sequence[Part], subject: str, kind: str, whole: Problem) -> Iterator[Problem]:
    """Yield faults of dependencies, in the order and with the sentences of the service."""
    if all(part.depends_on for part in parts):
        yield Problem(whole.location, f"{whole.text} must contain at least one {kind} with no dependencies.")
        return
    before = ancestors(parts)
    for part in parts:
        for name in part.depends_on:
            text = f"{subject} {part.name} depends on"
            if name.lower() not in before:
                advice = nearest(name, [other.name for other in parts if other.name and other is not part])
                yield Problem(name.location, f"{text} unknown {kind} {name}. {advice}")
            elif part.name and part.name.lower() in before[name.lower()] | {name.lower()}:
                yield Problem(name.location, f"{text} {kind} {name} which creates a cycle in the dependency graph.")


def _job_faults(job: Job) -> Iterator[Problem]:
    strategy = fields_of(job.fields.get("strategy"))
    for key in strategy.names():
        if not (job.deployment and key == "runOnce"):
            text = f"The strategy '{key}' is not supported locally; only the runOnce strategy of deployment jobs is."
            yield Problem(key.location, text)
    for hook, pool in job.hook_pools:
        if pool == "server":
            yield Problem(
                pool.location,
                f"'pool: server' of the lifecycle hook {hook} is not supported locally. Use a server job.",
            )
    for hook, steps in job.hooks:
        if not steps and not strategy.has("matrix"):
            yield Problem(job.location, f"{hook or 'Job'} {job.name} has no steps. Add one.")
    if job.deployment:
        yield from _deployment_faults(job, strategy)
    for step in job.steps:
        yield from _step_faults(job, step)


def _deployment_faults(job: Job, strategy: Fields) -> Iterator[Problem]:
    what = f"The deployment job {job.name}"
    if job.name == "deploy":
        yield Problem(job.name.location, "A deployment job cannot be named 'deploy'. Choose another name.")
    if not job.environment:
        yield Problem(job.location, f"{what} names no environment. Add environment: NAME.")
    if job.environment and "." in job.environment and "$" not in job.environment:
        yield Problem(job.environment.location, "Environment resources are not supported. Name the environment only.")
    if "deploy" not in dict(job.hooks) and (strategy.has("runOnce") or not strategy):
        yield Problem(job.location, f"{what} has no strategy.runOnce.deploy. Add it with the steps that deploy.")


def _step_faults(job: Job, step: Step) -> Iterator[Problem]:
    if step.kind not in _STEP_KINDS and step.kind in KEYS["step"]:
        yield Problem(step.location, f"Steps of kind '{step.kind}' are not supported locally.")
    yield from _agent_faults(job, step)
    if step.kind == "checkout" and step.value not in ("self", "none"):
        yield Problem(step.value.location, f"checkout of '{step.value}' is not supported locally. Use self or none.")


def _agent_faults(job: Job, step: Step) -> Iterator[Problem]:
    """Yield the fault of a step that cannot run where its job runs: on a build agent or on the server."""
    task = step.value.partition("@")[0].lower() if step.kind == "task" else step.kind
    if not job.server and task in _SERVER_ONLY:
        yield Problem(step.value.location, f"{step.value} runs in a server job only. Write pool: server.")
    of_an_extension = "." in task
    if job.server and step.kind in _STEP_KINDS and task not in _SERVER_TASKS and not of_an_extension:
        yield Problem(step.location, f"A server job cannot run '{task}': it has no build agent. Move it.")


def _resource_faults(pipeline: Pipeline) -> Iterator[Problem]:
    for resource in mappings_of(fields_of(pipeline.fields.get("resources")).get("pipelines")):
        if not resource.has("source"):
            yield Problem(resource.location, "A pipeline resource needs a source. Add source: PIPELINE.")
