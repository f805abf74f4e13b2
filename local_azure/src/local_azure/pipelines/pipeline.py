"""From a file to the expanded pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_azure.pipelines.expander import Expander
from local_azure.pipelines.parameters import declared_in
from local_azure.pipelines.queue_facts import QueueFacts
from local_azure.pipelines.scope import Scope
from local_azure.pipelines.templates import Templates
from local_azure.pipelines.tree import (
    NOWHERE,
    Fields,
    Items,
    PipelineError,
    Place,
    Problem,
    Text,
    Value,
    fault,
    fields_of,
    nearest,
    place_of,
)  # fmt: skip
from local_azure.pipelines.values import to_text

_BODIES = ("stages", "jobs", "steps", "extends")


@dataclass(frozen=True)
class Expanded:
    """An expanded pipeline: its file, its tree rooted at `stages`, every document that was read, all faults found."""

    file: str
    tree: Fields
    documents: Mapping[str, Value]
    parameters: Mapping[str, Value]
    problems: tuple[Problem, ...]


def repository_root(file: Path) -> Path:
    """The nearest folder upwards that holds `.git`, else the file's own folder."""
    for folder in file.absolute().parents:
        if (folder / ".git").exists():
            return folder
    return file.absolute().parent


def expand(file: Path, parameters: Mapping[str, str] | None = None, facts: QueueFacts | None = None) -> Expanded:
    """Expand one pipeline. Faults are collected in the result; nothing is raised."""
    facts = facts or QueueFacts()
    root = repository_root(file)
    relative = file.absolute().relative_to(root).as_posix()
    templates = Templates(root, facts.repositories)
    expander = Expander(templates)
    tree, bound = Fields(), Fields()
    try:
        document = templates.document(relative)
        if not isinstance(document, Fields):
            raise fault(Place(relative, 1), "A pipeline is a mapping.", f"It needs one of: {', '.join(_BODIES)}.")
        bound = declared_in(document, relative).bind(_given(parameters or {}), Place(relative, 1))
        scope = Scope(relative, bound, _queued_variables(facts))
        tree = _rooted(_expanded_root(document, scope, expander, templates), relative)
    except PipelineError as error:
        expander.problems += error.problems
    values = {str(key): value for key, value in bound}
    return Expanded(relative, tree, templates.documents, values, tuple(dict.fromkeys(sorted(expander.problems))))


def _given(parameters: Mapping[str, str]) -> Fields:
    return Fields([(Text(name), Text(value)) for name, value in parameters.items()], NOWHERE)


def _queued_variables(facts: QueueFacts) -> dict[str, tuple[str, Value]]:
    known = facts.predefined() | dict(facts.variables)
    return {name.lower(): (name, Text(value)) for name, value in known.items()}


def _expanded_root(document: Fields, scope: Scope, expander: Expander, templates: Templates) -> Fields:
    bodies = [key for key in document.names() if key in _BODIES]
    if len(bodies) > 1:
        raise fault(bodies[1].place, f"'{bodies[1]}' cannot stand beside '{bodies[0]}'.", "Keep one of them.")
    own = Fields([(key, value) for key, value in document if key not in ("parameters", "extends")], document.place)
    expanded = fields_of(expander.expand(own, scope, "root"))
    if "extends" not in document:
        return expanded
    reference = document.get("extends")
    if not isinstance(reference, Fields) or not isinstance(reference.get("template"), Text):
        raise fault(document.key("extends").place, "'extends' needs a template.", "Write template: PATH below it.")
    path = Text(to_text(reference.get("template")), place_of(reference.get("template"), reference.place))
    template = templates.load_extended(path, scope.file)
    arguments = expander.arguments(reference.get("parameters"), scope, template.structure)
    inner = template.scope(arguments, reference.place, scope)
    with templates.nested(reference.place):
        below = _expanded_root(fields_of(template.body), inner, expander, templates)
    for key in below.names():
        if key in expanded:
            raise fault(key.place, f"'{key}' stands in both {template.file} and {scope.file}.", "Keep one of them.")
    return Fields([*expanded, *below], document.place)


def _rooted(tree: Fields, file: str) -> Fields:
    """The tree with `stages` at its root: bare jobs and steps are put into a stage `__default`."""
    pairs = [pair for pair in tree if pair[0] not in ("stages", "jobs", "steps", "pool")]
    pool = tree.get("pool")
    if "stages" in tree:
        return finished(Fields([*pairs, *_only("pool", pool), (tree.key("stages"), tree.get("stages"))], tree.place))
    if "jobs" in tree:
        jobs = tree.get("jobs")
    elif "steps" in tree:
        place = tree.key("steps").place
        job = [(Text("job", place), Text("Job", place)), *_only("pool", pool), (tree.key("steps"), tree.get("steps"))]
        jobs, pool = Items([Fields(job, place)], place), None
    else:
        todo = nearest(tree.names()[0], _BODIES) if len(tree) else ""
        raise fault(Place(file, 1), "The pipeline has neither stages, jobs, steps nor extends.", todo)
    place = tree.place
    stage = Fields(
        [(Text("stage", place), Text("__default", place)), *_only("pool", pool), (Text("jobs", place), jobs)]
    )
    stage.place = place
    return finished(Fields([*pairs, (Text("stages", place), Items([stage], place))], place))


def _only(name: str, value: Value) -> list[tuple[Text, Value]]:
    return [] if value is None else [(Text(name, place_of(value, NOWHERE)), value)]


def finished(fields: Fields) -> Fields:
    """The tree with every computed scalar as a text that has a place."""
    return Fields([(key, _finished(value, key.place)) for key, value in fields], fields.place)


def _finished(value: Value, place: Place) -> Value:
    if isinstance(value, Fields):
        return finished(value)
    if isinstance(value, Items):
        return Items([_finished(part, place_of(part, value.place)) for part in value], value.place)
    return value if isinstance(value, Text) else Text(to_text(value), place)
