"""Everything that is checked about a pipeline before it runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from local_azure.pipelines.check.artifacts import artifact_faults
from local_azure.pipelines.check.injection import injection_faults
from local_azure.pipelines.check.references import reference_faults
from local_azure.pipelines.check.run_names import run_name_faults
from local_azure.pipelines.check.schedules import schedule_faults
from local_azure.pipelines.check.schema.alternatives import alternatives
from local_azure.pipelines.check.schema.service_schema import service_schema
from local_azure.pipelines.check.structure import structure_faults
from local_azure.pipelines.expand.directives import directive_of
from local_azure.pipelines.expand.expansion import Expanded, expand
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.expand.templates import KINDS
from local_azure.pipelines.language.limits import MOST_FAULTS
from local_azure.pipelines.language.tree import Fields, Location, PipelineError, Problem, Value, fields_of

Checked: TypeAlias = tuple[Expanded, list[Problem]]


def check(file: Path, parameters: Mapping[str, str] | None = None, facts: QueueFacts | None = None) -> Checked:
    """Expand one pipeline and find every fault that can be found without running it, in order of location."""
    expanded = expand(file, parameters, facts)
    if other := _workflow(expanded):
        return expanded, [other]
    found: set[Problem] = set()
    for problem in _faults(expanded, facts or QueueFacts()):
        found.add(problem)
        if len(found) > MOST_FAULTS:
            break
    problems = sorted(found)
    if len(problems) > MOST_FAULTS:
        text = f"More than {MOST_FAULTS} errors; the rest are not shown."
        problems[MOST_FAULTS:] = [Problem(problems[MOST_FAULTS - 1].location, text)]
    return expanded, problems


def _workflow(expanded: Expanded) -> Problem | None:
    """Say what a workflow of GitHub Actions is; its faults as a pipeline would say nothing."""
    document = expanded.documents.get(expanded.file)
    if not isinstance(document, Fields) or not isinstance(document.get("jobs"), Fields):
        return None
    key = next((key for key, _ in document if key == "on"), None)
    if key is None:
        return None
    text = (
        "This file is a workflow of GitHub Actions ('on', and 'jobs' by name), no pipeline of Azure Pipelines. "
        "Check it with actionlint or the schema of workflows."
    )
    return Problem(key.location, text)


def _faults(expanded: Expanded, facts: QueueFacts) -> Iterator[Problem]:
    """Yield the faults of an expanded pipeline, some of them more than once."""
    yield from expanded.problems
    for name, document in expanded.documents.items():
        yield from _faults_as_written(name, document, root=name == expanded.file)
    if not expanded.problems:
        if expanded.tree != expanded.documents.get(expanded.file):  # as written it has been checked by now
            yield from service_schema().check(expanded.tree, "pipeline", expanded.tree.location)
        pipeline = Pipeline(expanded.tree, facts)
        yield from structure_faults(pipeline)
        yield from schedule_faults(pipeline)
        yield from artifact_faults(pipeline)
        yield from reference_faults(pipeline, facts)
        yield from run_name_faults(pipeline, facts)


def _faults_as_written(name: str, document: Value, *, root: bool) -> Iterator[Problem]:
    """Yield faults of a file before expansion: every branch of every `if` is checked, each by itself."""
    schema, location = service_schema(), Location(name, 1)
    yield from injection_faults(fields_of(document))
    try:
        content = _without_directives(fields_of(document))
    except PipelineError as error:
        yield error.problem
        return
    if root:
        yield from schema.check(content, "pipeline", location)
        return
    rest = Fields([pair for pair in content if pair[0] != "parameters"], content.location)
    yield from schema.check(content.get("parameters") or "", "templateParameters", location)
    if len(rest) == 1 and rest[0][0] in KINDS:
        key, value = rest[0]
        yield from schema.check(value, key, key.location)
    else:
        yield from schema.check(rest, "extendsTemplate", location)


def _without_directives(document: Fields) -> Fields:
    """Return a document with its alternatives; directives at the root are refused by the expansion."""
    pairs = [(key, alternatives(value)) for key, value in document if directive_of(key) is None]
    return Fields(pairs, document.location)
