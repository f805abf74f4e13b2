"""Rules of the service about names, dependencies, jobs, artifacts and schedules; and what no local run can do."""

import re
from collections.abc import Iterable, Iterator, Sequence

from local_azure.pipelines.expand.model import SCRIPTS, Job, Part, Pipeline, Step
from local_azure.pipelines.language.tree import Place, Problem, Text, fields_of, mappings_of, nearest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SERVER_ONLY = ("manualvalidation", "delay", "azuremljobwaittask")
_SERVER_TASKS = (*_SERVER_ONLY, "invokerestapi", "azurefunction", "publishtoazureservicebus",
                 "queryazuremonitoralerts", "queryworkitems")  # fmt: skip
_STEP_KINDS = (*SCRIPTS[:2], "checkout", "publish", "download", "task")
_UNSUPPORTED_KEYS = ("target", "path", "submodules", "lfs", "container", "services")
_FORBIDDEN = re.compile(r'[":<>|*?/\\\x00-\x1f]')
_CRON = (("minute", 0, 59, ""), ("hour", 0, 23, ""), ("day", 1, 31, ""),
         ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
         ("weekday", 0, 6, "sun mon tue wed thu fri sat"))  # fmt: skip
_CRON_PART = re.compile(r"(?:\*|(\d+|[A-Za-z]+)(?:-(\d+|[A-Za-z]+))?)(?:/([1-9]\d*))?\Z")


def ancestors(parts: Sequence[Part]) -> dict[str, set[str]]:
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
    yield from _names(pipeline.stages, "The stage name", "Stage", "a pipeline")
    yield from _graph(pipeline.stages, "Stage", "stage", Problem(pipeline.place, "The pipeline"))
    for stage in pipeline.stages:
        subject = f"Stage {stage.name} job"
        yield from _names(stage.jobs, subject, "Job", "a stage")
        yield from _graph(stage.jobs, subject, "job", Problem(stage.place, f"Stage {stage.name}"))
        for job in stage.jobs:
            yield from _names(job.steps, f"{subject} {job.name} step", "Step", "a job")
            yield from _broken(_job_rules(job))
            for step in job.steps:
                yield from _broken(_step_rules(job, step))
    yield from _broken(_artifact_rules(pipeline))
    yield from _broken(_other_rules(pipeline))


def _broken(rules: Iterable[tuple[object, Place, str]]) -> Iterator[Problem]:
    """The rules that do not hold, of (whether it is broken, place, text)."""
    return (Problem(place, text) for broken, place, text in rules if broken)


def _names(parts: Sequence[Part], subject: str, kind: str, whole: str) -> Iterator[Problem]:
    for i, part in enumerate(parts):
        if part.name and not _NAME.match(part.name):
            yield Problem(part.name.place, f"'{part.name}' is no name of a {kind.lower()}: letters, digits, _ only.")
        if part.name and part.name.lower() in [other.name.lower() for other in parts[:i]]:
            what = f"{subject} {part.name} appears more than once."
            yield Problem(part.name.place, f"{what} {kind} names must be unique within {whole}.")


def _graph(parts: Sequence[Part], subject: str, kind: str, whole: Problem) -> Iterator[Problem]:
    """Dependencies, in the order and with the sentences of the service."""
    if all(part.depends_on for part in parts):
        yield Problem(whole.place, f"{whole.text} must contain at least one {kind} with no dependencies.")
        return
    before = ancestors(parts)
    for part in parts:
        for name in part.depends_on:
            text, cycle = f"{subject} {part.name} depends on", "which creates a cycle in the dependency graph."
            if name.lower() not in before:
                advice = nearest(name, [other.name for other in parts if other.name and other is not part])
                yield Problem(name.place, f"{text} unknown {kind} {name}. {advice}")
            elif part.name and part.name.lower() in before[name.lower()] | {name.lower()}:
                yield Problem(name.place, f"{text} {kind} {name} {cycle}")


def _job_rules(job: Job) -> Iterator[tuple[object, Place, str]]:
    strategy, named = fields_of(job.fields.get("strategy")), fields_of(job.fields.get("environment"))
    for key in strategy.names():
        bad = not (job.deployment and key == "runOnce")
        yield bad, key.place, f"The strategy '{key}' is not supported here; only runOnce of deployments is."
    for hook, steps in job.hooks:
        empty = not steps and not strategy.has("matrix")
        yield empty, job.place, f"{hook or 'Job'} {job.name} has no steps. Add one."
    if job.deployment:
        what, place = f"The deployment job {job.name}", job.name.place
        resource = "." in (job.environment or "") or len(named) > 1
        no_hook = "deploy" not in dict(job.hooks) and (strategy.has("runOnce") or not strategy)
        yield job.name == "deploy", place, "A deployment job cannot be named 'deploy'. Choose another name."
        yield not job.environment, job.place, f"{what} names no environment. Add environment: NAME."
        yield resource, (job.environment or job.name).place, "An environment that names a resource is not supported."
        yield no_hook, job.place, f"{what} has no strategy.runOnce.deploy. Add it with the steps that deploy."


def _step_rules(job: Job, step: Step) -> Iterator[tuple[object, Place, str]]:
    task = step.value.partition("@")[0].lower() if step.kind == "task" else step.kind
    place, server_only, known = step.value.place, task in _SERVER_ONLY, step.kind in _STEP_KINDS
    other = step.kind == "checkout" and step.value not in ("self", "none")
    yield not known, step.place, f"Steps of kind '{step.kind}' are not supported here."
    agentless = known and job.server and task not in _SERVER_TASKS and "." not in task  # with a dot: an extension's
    yield agentless, step.place, f"A server job cannot run '{task}': it has no build agent. Move it."
    yield not job.server and server_only, place, f"{step.value} runs in a server job only. Write pool: server."
    yield other, place, f"checkout of '{step.value}' is not supported here. Only self and none are."
    for fields in (step.fields, job.fields):
        for key in _UNSUPPORTED_KEYS:
            yield fields.has(key), fields.key(key).place, f"'{key}' is not supported here. Leave it out."
    for key in ("timeoutInMinutes", "retryCountOnTaskFailure"):
        bad = step.fields.has(key) and step.number(key, -1) < 0
        yield bad, step.fields.key(key).place, f"'{key}' must be a number, not '{step.text(key)}'."


def _moved(step: Step) -> tuple[bool, Text] | None:
    """Whether a step publishes (else downloads) an artifact of this run, and its name; None when it does neither."""
    task = step.value.lower()
    by_task = task in ("publishpipelineartifact@1", "downloadpipelineartifact@2")
    source = step.inputs.lookup("buildType") or step.inputs.lookup("source") or "current"
    name = step.inputs.lookup("artifact") or step.inputs.lookup("artifactName") if by_task else step.text("artifact")
    here = source == "current" if by_task else step.kind == "publish" or (step.kind, task) == ("download", "current")
    return ("publish" in (step.kind, task[:7]), name) if here and isinstance(name, Text) else None


def _artifact_rules(pipeline: Pipeline) -> Iterator[tuple[object, Place, str]]:
    found = [(stage, job, moved) for stage, job in pipeline.jobs() for moved in map(_moved, job.steps) if moved]
    published = [(stage, job, name) for stage, job, (publishes, name) in found if publishes]
    scripts = " ".join(step.script for _, job in pipeline.jobs() for step in job.steps)
    unknown = any("$(" in name for _, _, name in published) or "artifact.upload" in scripts
    for stage, job, (publishes, name) in found:
        before, within = ancestors(pipeline.stages)[stage.name.lower()], ancestors(stage.jobs)[job.name.lower()]
        owners = [(s.name.lower(), j) for s, j, other in published if other.lower() == name.lower()]
        reached = any(s in before or j is job or (j in stage.jobs and j.name.lower() in within) for s, j in owners)
        reads, advice = not publishes and "$(" not in name, nearest(name, {str(other) for _, _, other in published})
        bad = _FORBIDDEN.search(name)
        yield bad, name.place, f"'{name}' is no name of an artifact: no \" : < > | * ? / \\ in it."
        yield reads and not owners and not unknown, name.place, f"No step publishes the artifact '{name}'. {advice}"
        yield reads and owners and not reached, name.place, f"Add the job that publishes '{name}' to dependsOn."


def _other_rules(pipeline: Pipeline) -> Iterator[tuple[object, Place, str]]:
    for stage in pipeline.stages:
        yield not stage.name, stage.place, "A stage needs a name. Write - stage: NAME."
    for schedule in mappings_of(pipeline.fields.get("schedules")):
        cron = str(schedule.get("cron"))
        fault = _cron_fault(cron)
        yield fault, schedule.key("cron").place, f"The schedule '{cron}' is not understood: {fault}."
    for resource in mappings_of(fields_of(pipeline.fields.get("resources")).get("pipelines")):
        yield not resource.has("source"), resource.place, "A pipeline resource needs a source. Add source: PIPELINE."


def _cron_fault(text: str) -> str:
    """What is wrong with a cron expression; the empty text when nothing is."""
    if len(text.split()) != len(_CRON):
        return f"it has {len(text.split())} fields, not five (minute hour day month weekday, in UTC)"
    for part, (name, lowest, highest, words) in zip(text.split(), _CRON, strict=True):
        numbers = {word: str(i + lowest) for i, word in enumerate(words.split())}
        for element in part.split(","):
            match = _CRON_PART.match(element)
            written = [numbers.get(b[:3].lower(), b) for b in match.groups()[:2] if b] if match else ["x"]
            bounds = [int(bound) if bound.isdigit() else -1 for bound in written]
            if not all(lowest <= bound <= highest for bound in bounds) or bounds != sorted(bounds):
                return f"the {name} '{element}' is not between {lowest} and {highest}"
    return ""
