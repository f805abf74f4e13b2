"""Everything that is checked about a pipeline before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from local_azure.pipelines.graph import graph_faults
from local_azure.pipelines.jobs_check import job_faults
from local_azure.pipelines.model import build
from local_azure.pipelines.pipeline import Expanded, expand
from local_azure.pipelines.queue_facts import QueueFacts
from local_azure.pipelines.schedules import schedule_faults
from local_azure.pipelines.schema import without_directives
from local_azure.pipelines.tasks import service_schema
from local_azure.pipelines.tree import Fields, Place, Problem, Value
from local_azure.pipelines.variables_check import injection_faults, variable_faults

_TEMPLATE_PARTS = ("stages", "jobs", "steps", "variables")


def check(
    file: Path, parameters: Mapping[str, str] | None = None, facts: QueueFacts | None = None
) -> tuple[Expanded, list[Problem]]:
    """Expand one pipeline and find every fault that can be found without running it, in order of place."""
    expanded = expand(file, parameters, facts)
    problems = list(expanded.problems)
    for name, document in expanded.documents.items():
        problems += _schema_faults(name, document, root=name == expanded.file)
        if isinstance(document, Fields):
            problems += injection_faults(document, name)
    if not expanded.problems:
        problems += service_schema().check(expanded.tree, "pipeline", expanded.tree.place)
        pipeline = build(expanded.tree)
        problems += schedule_faults(expanded.tree)
        problems += graph_faults(pipeline)
        problems += job_faults(pipeline)
        problems += variable_faults(pipeline, facts or QueueFacts())
    return expanded, sorted(set(problems))


def _schema_faults(name: str, document: Value, *, root: bool) -> Iterator[Problem]:
    """Faults of a file as it is written: both branches of every `if` are checked."""
    pulled = without_directives(document)
    place = Place(name, 1)
    schema = service_schema()
    if root:
        yield from schema.check(pulled, "pipeline", place)
        return
    if not isinstance(pulled, Fields):
        yield Problem(place, "A template must be a mapping.", f"It holds one of: {', '.join(_TEMPLATE_PARTS)}.")
        return
    if "parameters" in pulled:
        yield from schema.check(pulled.get("parameters"), "templateParameters", place)
    parts = [key for key in pulled.names() if key != "parameters"]
    if len(parts) == 1 and parts[0] in _TEMPLATE_PARTS:
        yield from schema.check(pulled.get(parts[0]), parts[0], parts[0].place)
        return
    rest = Fields([pair for pair in pulled if pair[0] != "parameters"], pulled.place)
    yield from schema.check(rest, "extendsTemplate", place)
