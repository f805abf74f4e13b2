"""Rules about artifacts: legal names, and that somebody publishes what is downloaded, early enough."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from local_azure.pipelines.expand.model import Job, Part, Pipeline, Stage, Step, ancestors
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
    all_known = not _publishes_unknown_names(pipeline, published)
    for use in uses:
        name = use.name
        if _FORBIDDEN.search(name):
            yield Problem(name.place, f"'{name}' is no name of an artifact: no \" : < > | * ? / \\ in it.")
        if use.publishes or "$(" in name:
            continue
        publishers = [other for other in published if other.name.lower() == name.lower()]
        if not publishers and all_known:
            advice = nearest(name, [str(other.name) for other in published])
            yield Problem(name.place, f"No step publishes the artifact '{name}'. {advice}")
        if publishers and not any(_runs_before(publisher, use, pipeline) for publisher in publishers):
            yield Problem(name.place, f"Add the job that publishes '{name}' to dependsOn.")


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


def _runs_before(publisher: _Use, use: _Use, pipeline: Pipeline) -> bool:
    if publisher.job is use.job:
        return True
    if publisher.stage is use.stage and _depends(use.job, publisher.job, use.stage.jobs):
        return True
    return _depends(use.stage, publisher.stage, pipeline.stages)


def _depends(part: Part, other: Part, parts: Sequence[Part]) -> bool:
    """Return whether a stage or job depends on another, directly or not."""
    return other.name.lower() in ancestors(parts)[part.name.lower()]
