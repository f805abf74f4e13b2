"""Rules of the service about names, dependencies, jobs, artifacts and schedules; and what no local run can do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from local_azure.pipelines.model import SCRIPTS, Job, Pipeline, Stage, Step
from local_azure.pipelines.tree import Problem, Text, fields_of, mappings_of, nearest

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SERVER_ONLY = ("manualvalidation", "delay", "azuremljobwaittask")
_SERVER_TASKS = (*_SERVER_ONLY, "invokerestapi", "azurefunction", "publishtoazureservicebus",
                 "queryazuremonitoralerts", "queryworkitems")  # fmt: skip
_STEP_KINDS = (*SCRIPTS[:2], "checkout", "publish", "download", "task")
_UNSUPPORTED_JOB = ("container", "services")
_UNSUPPORTED_STEP = {"target": "", "path": "checkout", "submodules": "checkout", "lfs": "checkout"}
_CRON = (("minute", 0, 59, ""), ("hour", 0, 23, ""), ("day", 1, 31, ""),
         ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
         ("weekday", 0, 6, "sun mon tue wed thu fri sat"))  # fmt: skip
_CRON_PART = re.compile(r"(?:\*|(\d+|[A-Za-z]+)(?:-(\d+|[A-Za-z]+))?)(?:/([1-9]\d*))?\Z")


def ancestors(parts: Sequence[Stage] | Sequence[Job]) -> dict[str, set[str]]:
    """Every direct and indirect dependency of each stage or job, by names in lower case."""
    direct = {part.name.lower(): {name.lower() for name in part.depends_on} for part in parts}

    def reach(name: str, seen: set[str]) -> set[str]:
        for before in direct.get(name, set()) - seen:
            seen.add(before)
            reach(before, seen)
        return seen

    return {name: reach(name, set()) for name in direct}


def structure_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Every fault of structure."""
    yield from _graph(pipeline.stages, "Stage", "Stage", "within a pipeline", Problem(pipeline.place, "The pipeline"))
    for stage in pipeline.stages:
        subject = f"Stage {stage.name} job"
        yield from _graph(stage.jobs, subject, "Job", "within a stage", Problem(stage.place, f"Stage {stage.name}"))
        for job in stage.jobs:
            yield from _names(job.steps, f"{subject} {job.name} step", "Step", "within a job")
            yield from _deployment(job) if job.deployment else _plain(job)
            for step in job.steps:
                yield from _step(job, step)
    yield from _artifacts(pipeline)
    for schedule in mappings_of(pipeline.fields.get("schedules")):
        cron = schedule.get("cron")
        fault = _cron_fault(cron) if isinstance(cron, Text) else ""
        if fault:
            yield Problem(schedule.key("cron").place, f"The schedule '{cron}' is not understood: {fault}.")
    for resource in mappings_of(fields_of(pipeline.fields.get("resources")).get("pipelines")):
        if not resource.has("source"):
            yield Problem(resource.place, "A pipeline resource needs a source. Add source: PIPELINE.")


def _names(
    parts: Sequence[Stage] | Sequence[Job] | Sequence[Step], subject: str, kind: str, where: str
) -> Iterator[Problem]:
    seen: set[str] = set()
    for part in parts:
        if part.name and not NAME.match(part.name):
            what = f"'{part.name}' is no name of a {kind.lower()}."
            yield Problem(part.name.place, f"{what} It holds letters, digits and _, and begins with no digit.")
        if part.name and part.name.lower() in seen:
            name = f"{'The stage name' if kind == 'Stage' else subject} {part.name}"
            yield Problem(part.name.place, f"{name} appears more than once. {kind} names must be unique {where}.")
        seen.add(part.name.lower())


def _graph(
    parts: Sequence[Stage] | Sequence[Job], subject: str, kind: str, where: str, whole: Problem
) -> Iterator[Problem]:
    """Names and dependencies, in the order and with the sentences of the service."""
    yield from _names(parts, subject, kind, where)
    if all(part.depends_on for part in parts):
        yield Problem(whole.place, f"{whole.text} must contain at least one {kind.lower()} with no dependencies.")
        return
    before = ancestors(parts)
    for part in parts:
        if kind == "Stage" and not part.name:
            yield Problem(part.place, "A stage needs a name. Write - stage: NAME.")
        for name in part.depends_on:
            text = f"{subject} {part.name} depends on "
            if name.lower() not in before:
                others = [other.name for other in parts if other.name and other is not part]
                yield Problem(name.place, f"{text}unknown {kind.lower()} {name}. {nearest(name, others)}")
            elif part.name and part.name.lower() in before[name.lower()] | {name.lower()}:
                yield Problem(
                    name.place, f"{text}{kind.lower()} {name} which creates a cycle in the dependency graph."
                )


def _plain(job: Job) -> Iterator[Problem]:
    for key in fields_of(job.fields.get("strategy")).names():
        yield Problem(key.place, f"The strategy '{key}' is not supported here. Write the jobs with ${{{{ each }}}}.")
    if not job.steps:
        yield Problem(job.place, f"Job {job.name} has no steps. Add one.")


def _deployment(job: Job) -> Iterator[Problem]:
    environment, strategy = job.fields.get("environment"), fields_of(job.fields.get("strategy"))
    if job.name.lower() == "deploy":
        yield Problem(job.name.place, "A deployment job cannot be named 'deploy'. Choose another name.")
    if job.environment is None:
        yield Problem(job.place, f"The deployment job {job.name} names no environment. Add environment: NAME.")
    elif "." in job.environment or len(fields_of(environment)) > 1:
        yield Problem(
            job.environment.place, f"'{job.environment}' names a resource of an environment: not supported here."
        )
    for key in strategy.names():
        if key != "runOnce":
            yield Problem(key.place, f"The strategy '{key}' is not supported here. Use runOnce.")
    if "deploy" not in dict(job.hooks) and (strategy.has("runOnce") or not strategy):
        yield Problem(job.place, f"The deployment job {job.name} has no strategy.runOnce.deploy. Add it.")
    for hook, steps in job.hooks:
        if not steps:
            yield Problem(job.place, f"The hook {hook} of {job.name} has no steps. Add one, or leave it out.")


def _step(job: Job, step: Step) -> Iterator[Problem]:
    task = step.value.partition("@")[0].lower() if step.kind == "task" else step.kind
    if step.kind not in _STEP_KINDS:
        yield Problem(step.place, f"Steps of kind '{step.kind}' are not supported here.")
    elif job.server and task not in _SERVER_TASKS:
        yield Problem(step.place, f"A server job cannot run '{task}': it has no build agent. Move the step.")
    elif not job.server and task in _SERVER_ONLY:
        yield Problem(step.value.place, f"{step.value} runs in a server job only. Write pool: server for its job.")
    if step.kind == "checkout" and step.value not in ("self", "none"):
        yield Problem(step.value.place, f"checkout of '{step.value}' is not supported here. Only self and none are.")
    for fields, keys in ((step.fields, _UNSUPPORTED_STEP), (job.fields, dict.fromkeys(_UNSUPPORTED_JOB, ""))):
        for key, of_kind in keys.items():
            if fields.has(key) and of_kind in ("", step.kind):
                yield Problem(fields.key(key).place, f"'{key}' is not supported here. Leave it out.")
    for key in ("timeoutInMinutes", "retryCountOnTaskFailure"):
        if step.fields.has(key) and step.number(key, -1) < 0:
            yield Problem(step.fields.key(key).place, f"'{key}' must be a number, not '{step.text(key)}'.")


def moved_artifact(step: Step) -> tuple[bool, Text | None] | None:
    """Whether a step publishes (else downloads) an artifact of this run, and its name; None when it does neither."""
    source = step.inputs.lookup("buildType") or step.inputs.lookup("source") or "current"
    if step.kind == "publish" or (step.kind == "download" and step.value == "current"):
        return step.kind == "publish", step.text("artifact")
    if source != "current" or step.value.lower() not in ("publishpipelineartifact@1", "downloadpipelineartifact@2"):
        return None
    name = step.inputs.lookup("artifact") or step.inputs.lookup("artifactName")
    return step.value.lower().startswith("publish"), name if isinstance(name, Text) else None


def _artifacts(pipeline: Pipeline) -> Iterator[Problem]:
    moved = [
        (stage, job, publishes, name)
        for stage, job in pipeline.jobs()
        for publishes, name in filter(None, map(moved_artifact, job.steps))
        if name is not None
    ]
    published = [(stage, job, name) for stage, job, publishes, name in moved if publishes]
    unknown = any("$(" in name for _, _, name in published) or any(
        "artifact.upload" in (step.script or "") for _, job in pipeline.jobs() for step in job.steps
    )
    for _, _, name in published:
        if re.search(r'[":<>|*?/\\\x00-\x1f]', name):
            yield Problem(
                name.place, f"'{name}' is no name of an artifact. It cannot hold any of \" : < > | * ? / \\."
            )
    stages = ancestors(pipeline.stages)
    for stage, job, publishes, name in moved:
        owners = [(s, j) for s, j, n in published if n.lower() == name.lower()]
        before = {id(job)} | {id(j) for j in stage.jobs if j.name.lower() in ancestors(stage.jobs)[job.name.lower()]}
        if publishes or "$(" in name:
            continue
        if not owners and not unknown:
            others = {str(other) for _, _, other in published}
            yield Problem(name.place, f"No step of this run publishes the artifact '{name}'. {nearest(name, others)}")
        if owners and not any(s.name.lower() in stages[stage.name.lower()] or id(j) in before for s, j in owners):
            yield Problem(
                name.place, f"This job does not depend on the job that publishes '{name}'. Add it to dependsOn."
            )


def _cron_fault(text: str) -> str:
    """What is wrong with a cron expression; the empty text when nothing is."""
    parts = text.split()
    if len(parts) != len(_CRON):
        return f"it has {len(parts)} fields, not five (minute hour day month weekday, in UTC)"
    for part, (name, lowest, highest, words) in zip(parts, _CRON, strict=True):
        for element in part.split(","):
            match = _CRON_PART.match(element)
            names = words.split()
            bounds = [
                int(b) if b.isdigit() else names.index(b.lower()[:3]) + lowest if b.lower()[:3] in names else -1
                for b in (match.groups()[:2] if match else ("x",))
                if b
            ]
            if not all(lowest <= bound <= highest for bound in bounds) or bounds != sorted(bounds):
                return f"the {name} '{element}' is not between {lowest} and {highest}"
    return ""
