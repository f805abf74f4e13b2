"""Rules about artifacts: legal names, and that somebody publishes what is downloaded, early enough."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from local_azure.pipelines.expand.model import Job, Pipeline, Stage, Step, ancestors
from local_azure.pipelines.language.tree import Problem, Text, nearest

_PUBLISH, _DOWNLOAD = "publishpipelineartifact@1", "downloadpipelineartifact@2"
_FORBIDDEN = re.compile(r'[":<>|*?/\\\x00-\x1f]')


class _Use(NamedTuple):
    """A step that publishes or downloads an artifact of this run."""

    stage: Stage
    job: Job
    name: Text
    publishes: bool


def artifact_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield every fault of a step that publishes or downloads."""
    uses = list(_uses(pipeline))
    published = [use for use in uses if use.publishes]
    publishers: dict[str, list[_Use]] = {}
    for use in published:
        publishers.setdefault(use.name.lower(), []).append(use)
    all_known = not _publishes_unknown_names(pipeline, published)
    order = _Order(pipeline, publishers)
    for use in uses:
        name = use.name
        if _FORBIDDEN.search(name):
            yield Problem(
                name.location, f"'{name}' is not a valid artifact name: it must not contain \" : < > | * ? / \\"
            )
        if use.publishes or "$(" in name:
            continue
        before = publishers.get(name.lower(), [])
        if not before and all_known:
            advice = nearest(name, [str(other[0].name) for other in publishers.values()])
            yield Problem(name.location, f"No step publishes the artifact '{name}'. {advice}")
        if before and not order.is_published_before(use):
            yield Problem(
                name.location,
                f"'{name}' is downloaded without depending on the job that publishes it. Add that job to dependsOn.",
            )


def _uses(pipeline: Pipeline) -> Iterator[_Use]:
    for stage, job in pipeline.jobs():
        for step in job.steps:
            publishes, name = _artifact_of(step)
            if isinstance(name, Text):
                yield _Use(stage, job, name, publishes)


def _artifact_of(step: Step) -> tuple[bool, object]:
    """Return whether a step publishes (else downloads) an artifact of this run, and its name, if it does either."""
    task = step.value.lower()
    if step.kind == "task" and task in (_PUBLISH, _DOWNLOAD):
        source = step.inputs.lookup("buildType") or step.inputs.lookup("source") or "current"
        name = step.inputs.lookup("artifact") or step.inputs.lookup("artifactName")
        return task == _PUBLISH, name if source == "current" else None
    if step.kind == "publish" or (step.kind, task) == ("download", "current"):
        return step.kind == "publish", step.text("artifact")
    return False, None


def _publishes_unknown_names(pipeline: Pipeline, published: list[_Use]) -> bool:
    """Return whether names of artifacts are known at run time only."""
    if any("$(" in use.name for use in published):
        return True
    return any("artifact.upload" in step.script for _, job in pipeline.jobs() for step in job.steps)


class _Order:
    """What runs before what, and where each artifact is published: found once."""

    def __init__(self, pipeline: Pipeline, publishers: dict[str, list[_Use]]) -> None:
        self._stages = ancestors(pipeline.stages)
        self._jobs = {str(stage.name): ancestors(stage.jobs) for stage in pipeline.stages}
        self._in_jobs = {name: set(map(_label, uses)) for name, uses in publishers.items()}
        self._in_stages = {name: set(map(_first, jobs)) for name, jobs in self._in_jobs.items()}

    def is_published_before(self, use: _Use) -> bool:
        """Return whether a step that publishes it runs before the step that downloads it."""
        name, stage = use.name.lower(), use.stage.name.lower()
        if not self._in_stages[name].isdisjoint(self._stages[stage]):
            return True
        jobs = {use.job.name.lower(), *self._jobs[str(use.stage.name)][use.job.name.lower()]}
        return not self._in_jobs[name].isdisjoint((stage, job) for job in jobs)


def _label(use: _Use) -> tuple[str, str]:
    return use.stage.name.lower(), use.job.name.lower()


def _first(label: tuple[str, str]) -> str:
    return label[0]
