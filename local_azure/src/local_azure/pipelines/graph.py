"""Names and dependencies of stages and jobs: the service's checks in the service's order, with its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from local_azure.pipelines.model import Job, Pipeline, Stage
from local_azure.pipelines.tree import Problem, Text, nearest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAME_RULE = "A name holds letters, digits and _, and does not begin with a digit."


@dataclass(frozen=True)
class Node:
    """A stage or a job in its graph."""

    name: Text
    depends_on: tuple[Text, ...]


def nodes(parts: Sequence[Stage] | Sequence[Job]) -> list[Node]:
    """The graph of stages, or of the jobs of one stage."""
    return [Node(part.name, part.depends_on) for part in parts]


def ancestors(graph: Sequence[Node]) -> dict[str, set[str]]:
    """Every direct and indirect dependency of each node, by names in lower case."""
    direct = {node.name.lower(): {name.lower() for name in node.depends_on} for node in graph}

    def reach(name: str, seen: set[str]) -> set[str]:
        for before in direct.get(name, set()) - seen:
            seen.add(before)
            reach(before, seen)
        return seen

    return {name: reach(name, set()) for name in direct}


def graph_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Faults of names and dependencies, stages first."""
    yield from _names(pipeline.stages)
    if pipeline.stages:
        yield from _faults(
            nodes(pipeline.stages), "", Problem(pipeline.fields.place, _nothing_first("pipeline", "stage"))
        )
    else:
        yield Problem(pipeline.fields.key("stages").place, "The pipeline has no stage.", "Add one.")
    for stage in pipeline.stages:
        yield from _job_names(stage)
        if stage.jobs:
            nothing_first = Problem(stage.place, f"Stage {stage.name}: " + _nothing_first("stage", "job"))
            yield from _faults(nodes(stage.jobs), f"Stage {stage.name} job", nothing_first)
        else:
            yield Problem(stage.place, f"Stage {stage.name} has no job.", "Add one, or leave the stage out.")


def _nothing_first(whole: str, part: str) -> str:
    return f"The {whole} must contain at least one {part} with no dependencies."


def _names(stages: Sequence[Stage]) -> Iterator[Problem]:
    seen: set[str] = set()
    for stage in stages:
        if not stage.name:
            yield Problem(stage.place, "A stage needs a name.", "Write - stage: NAME.")
        elif not _NAME.match(stage.name):
            yield Problem(stage.name.place, f"'{stage.name}' is no name of a stage.", _NAME_RULE)
        if stage.name and stage.name.lower() in seen:
            what = (
                f"The stage name {stage.name} appears more than once. Stage names must be unique within a pipeline."
            )
            yield Problem(stage.name.place, what)
        seen.add(stage.name.lower())


def _job_names(stage: Stage) -> Iterator[Problem]:
    seen: set[str] = set()
    for job in stage.jobs:
        if job.name and not _NAME.match(job.name):
            yield Problem(job.name.place, f"'{job.name}' is no name of a job.", _NAME_RULE)
        if job.deployment and job.name.lower() == "deploy":
            yield Problem(job.name.place, "A deployment job cannot be named 'deploy'.", "Choose another name.")
        if job.name and job.name.lower() in seen:
            what = (
                f"Stage {stage.name} job {job.name} appears more than once. Job names must be unique within a stage."
            )
            yield Problem(job.name.place, what)
        seen.add(job.name.lower())
        yield from _step_names(job)


def _step_names(job: Job) -> Iterator[Problem]:
    seen: set[str] = set()
    for step in job.steps:
        if step.name is None:
            continue
        if not _NAME.match(step.name):
            yield Problem(step.name.place, f"'{step.name}' is no name of a step.", _NAME_RULE)
        if step.name.lower() in seen:
            yield Problem(step.name.place, f"The step name {step.name} appears more than once in job {job.name}.")
        seen.add(step.name.lower())


def _faults(graph: Sequence[Node], label: str, nothing_first: Problem) -> Iterator[Problem]:
    if all(node.depends_on for node in graph):
        yield nothing_first
        return
    kind = "job" if label else "stage"
    known = {node.name.lower(): node for node in graph}
    before = ancestors(graph)
    for node in graph:
        subject = f"{label} {node.name}" if label else f"Stage {node.name}"
        for name in node.depends_on:
            if name.lower() not in known:
                todo = nearest(name, [other.name for other in graph if other.name and other is not node])
                yield Problem(name.place, f"{subject} depends on unknown {kind} {name}.", todo)
            elif node.name and (node.name.lower() == name.lower() or node.name.lower() in before[name.lower()]):
                what = f"{subject} depends on {kind} {name} which creates a cycle in the dependency graph."
                yield Problem(name.place, what, "Remove one of the dependencies.")
