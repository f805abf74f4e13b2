"""Everything that is checked about a pipeline before it runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from local_azure.pipelines.check.references import injection_faults, reference_faults
from local_azure.pipelines.check.service_schema import service_schema, without_directives
from local_azure.pipelines.check.structure import structure_faults
from local_azure.pipelines.expand.expansion import Expanded, expand
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.expand.templates import KINDS
from local_azure.pipelines.language.tree import Fields, Place, Problem, Value, fields_of

Checked: TypeAlias = tuple[Expanded, list[Problem]]


def check(file: Path, parameters: Mapping[str, str] | None = None, facts: QueueFacts | None = None) -> Checked:
    """Expand one pipeline and find every fault that can be found without running it, in order of place."""
    expanded = expand(file, parameters, facts)
    problems = list(expanded.problems)
    for name, document in expanded.documents.items():
        problems += _written_faults(name, document, root=name == expanded.file)
    if not expanded.problems:
        problems += service_schema().check(expanded.tree, "pipeline", expanded.tree.place)
        pipeline = Pipeline(expanded.tree)
        problems += [*structure_faults(pipeline), *reference_faults(pipeline, facts or QueueFacts())]
    return expanded, sorted(set(problems))


def _written_faults(name: str, document: Value, *, root: bool) -> Iterator[Problem]:
    """Faults of a file as it is written: both branches of every `if` are checked."""
    pulled, place, schema = fields_of(without_directives(document)), Place(name, 1), service_schema()
    yield from injection_faults(pulled)
    if root:
        yield from schema.check(pulled, "pipeline", place)
        return
    rest = Fields([pair for pair in pulled if pair[0] != "parameters"], pulled.place)
    yield from schema.check(pulled.get("parameters") or "", "templateParameters", place)
    if len(rest) == 1 and rest[0][0] in KINDS:
        yield from schema.check(rest[0][1], rest[0][0], rest[0][0].place)
    else:
        yield from schema.check(rest, "extendsTemplate", place)
