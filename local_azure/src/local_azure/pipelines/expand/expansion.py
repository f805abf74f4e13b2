"""From a file to the expanded pipeline."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_azure.pipelines.expand.expander import Expander
from local_azure.pipelines.expand.misplaced_expressions import misplaced_expressions
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.expand.scope import Scope
from local_azure.pipelines.expand.templates import Declarations, Templates
from local_azure.pipelines.expand.work import deep_recursion
from local_azure.pipelines.language.limits import MOST_DEPTH, MOST_JOBS, MOST_VARIABLES
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    Location,
    PipelineError,
    Problem,
    Text,
    Value,
    fields_of,
    items_of,
    mappings_of,
    nearest,
    to_plain,
)
from local_azure.pipelines.language.values import to_text

_BODIES = ("stages", "jobs", "steps", "extends")
# Keys of a job that may be at the root beside bare steps.
_OF_A_JOB = ("strategy", "continueOnError", "container", "services", "workspace")


@dataclass(frozen=True)
class Expanded:
    """An expanded pipeline: its file, its tree rooted at `stages`, every document that was read, all faults found."""

    file: str
    tree: Fields
    documents: Mapping[str, Value]
    problems: tuple[Problem, ...]


def repository_root(file: Path) -> Path:
    """Return the nearest folder upwards that holds `.git`, else the file's own folder."""
    folders = file.absolute().parents
    return next((folder for folder in folders if (folder / ".git").exists()), folders[0])


def expand(file: Path, parameters: Mapping[str, str] | None = None, facts: QueueFacts | None = None) -> Expanded:
    """Expand one pipeline. Faults are collected in the result; nothing is raised."""
    facts = facts or QueueFacts()
    root = repository_root(file)
    relative = file.absolute().relative_to(root).as_posix()
    templates = Templates(root, facts.repositories)
    expander = Expander(templates)
    tree = Fields()
    try:
        document = templates.document(relative, Location(relative, 1))
        expander.problems += misplaced_expressions(document)
        if not expander.problems:
            scope = _root_scope(document, relative, parameters, facts)
            with deep_recursion():
                tree = _rooted(_expanded(document, scope, expander), relative)
            _check_counts(tree)
    except PipelineError as error:
        expander.problems.append(error.problem)
        tree = Fields()
    for name, included in templates.documents.items():
        if name != relative:
            expander.problems += misplaced_expressions(fields_of(included))
    return Expanded(relative, tree, templates.documents, tuple(sorted(set(expander.problems))))


def sample_parameters(file: Path) -> dict[str, str]:
    """Return a value for each parameter of a pipeline that has no default; none where the file cannot be read."""
    try:
        return Declarations(_root_document(file), file.name, root=True).samples()
    except PipelineError:  # the check names it
        return {}


@dataclass(frozen=True)
class Declared:
    """A parameter that a pipeline declares. values: the only ones allowed. default: as text, None without one."""

    name: str
    title: str
    kind: str
    default: str | None
    values: tuple[str, ...]


def declared_parameters(file: Path) -> list[Declared]:
    """Return the parameters of a pipeline in their order; none where the file cannot be read."""
    document = _root_document(file)
    try:
        entries = Declarations(document, file.name, root=True).entries.values()
    except PipelineError:  # the check names it
        return []
    return [_declared(entry) for entry in entries]


def _declared(entry: Fields) -> Declared:
    default, name = entry.get("default"), str(entry.get("name"))
    if isinstance(default, Fields | Items):
        told: str | None = json.dumps(to_plain(default))
    else:
        told = None if default is None else to_text(default)
    title, kind = str(entry.get("displayName") or name), str(entry.get("type") or "string")
    return Declared(name, title, kind, told, tuple(to_text(value) for value in items_of(entry.get("values"))))


def is_pipeline(file: Path) -> bool:
    """Tell whether a file can be queued as a pipeline: it has a body, and no parameters in a template's old form."""
    document = _root_document(file)
    has_body = any(document.has(key) for key in _BODIES)
    return has_body and not isinstance(document.get("parameters"), Fields)


def _root_document(file: Path) -> Fields:
    """Return the content of a file; nothing where it cannot be read."""
    root = repository_root(file)
    relative = file.absolute().relative_to(root).as_posix()
    try:
        return Templates(root, {}).document(relative, Location(relative, 1))
    except PipelineError:
        return Fields()


def _root_scope(document: Fields, file: str, parameters: Mapping[str, str] | None, facts: QueueFacts) -> Scope:
    """Return what the root file sees: its parameters and what is known when the run is queued."""
    block = document.get("parameters")
    if isinstance(block, Fields) and block:
        form = f"- name: {block[0][0]}. (A mapping is allowed in templates only.)"
        text = f"Parameters of a pipeline must be a list: {form}"
        raise PipelineError(block.location, text)
    given = Fields([(Text(name), Text(value)) for name, value in (parameters or {}).items()])
    bound = Declarations(document, file, root=True).bind(given, Location(file, 1))
    known = {**facts.predefined(), **facts.variables}
    return Scope(file, bound, {name.lower(): (name, Text(value)) for name, value in known.items()})


def _expanded(document: Fields, scope: Scope, expander: Expander) -> Fields:
    bodies = [key for key in document.names() if key in _BODIES]
    if len(bodies) > 1:
        raise PipelineError(bodies[1].location, f"'{bodies[1]}' and '{bodies[0]}' cannot be used together. Keep one.")
    own = Fields([(key, value) for key, value in document if key not in ("parameters", "extends")], document.location)
    expanded = fields_of(expander.expand(own, scope, "root"))
    reference = expander.taken_branches(fields_of(document.get("extends")), scope)
    if not reference:
        return expanded
    content, inner = expander.template(reference, scope, "")
    below = _expanded(fields_of(content), inner, expander)
    for key in below.names():
        if expanded.has(key):
            raise PipelineError(key.location, f"'{key}' is in both {inner.file} and {scope.file}. Keep one.")
    return Fields([*expanded, *below], document.location)


def _rooted(tree: Fields, file: str) -> Fields:
    """Return the tree with `stages` at its root: bare jobs and steps are put into a stage `__default`."""
    location = tree.location
    body = next((name for name in ("stages", "jobs", "steps") if tree.has(name)), None)
    if body is None and tree.has("phases"):
        raise PipelineError(
            tree.key("phases").location, "'phases' is not supported: it is the deprecated form of jobs."
        )
    if body is None:
        raise PipelineError(Location(file, 1), f"The pipeline has no stages, jobs or steps. {nearest('', _BODIES)}")
    content = tree.get(body)
    pool = [pair for pair in tree if pair[0] == "pool"]  # belongs to the outermost part that is written
    of_job = [pair for pair in tree if pair[0] in _OF_A_JOB] if body == "steps" else []
    moved = ("stages", "jobs", "steps", "pool", *(key for key, _ in of_job))
    rest = [pair for pair in tree if pair[0] not in moved]
    if body == "steps":
        job = Fields([(Text("job"), Text("Job", location)), *pool, *of_job, (Text("steps"), content)], location)
        content = Items([job], location)
        pool = []
    if body != "stages":
        stage = Fields([(Text("stage"), Text("__default", location)), *pool, (Text("jobs"), content)], location)
        content = Items([stage], location)
        pool = []
    return _finished(Fields([*rest, *pool, (Text("stages", location), content)], location))


def _finished(fields: Fields, depth: int = 1) -> Fields:
    """Return the tree with every computed scalar as a text that has a location; raises PipelineError."""
    if depth > MOST_DEPTH:
        raise PipelineError(
            fields.location,
            f"The expanded pipeline is nested more than {MOST_DEPTH} levels deep. Reduce the nesting.",
        )
    return Fields([(key, _finished_value(value, key.location, depth + 1)) for key, value in fields], fields.location)


def _finished_value(value: Value, location: Location, depth: int) -> Value:
    if isinstance(value, Fields):
        return _finished(value, depth)
    if isinstance(value, Items):
        return Items([_finished_value(part, value.location, depth + 1) for part in value], value.location)
    return value if isinstance(value, Text) else Text(to_text(value), location)


def _check_counts(tree: Fields) -> None:
    """Raise PipelineError for a pipeline with more stages, jobs or variables than are handled."""
    stages = mappings_of(tree.get("stages"))
    jobs = [job for stage in stages for job in mappings_of(stage.get("jobs"))]
    variables = sum(len(items_of(part.get("variables"))) for part in (tree, *stages, *jobs))
    for what, count, most in (("stages", len(stages), MOST_JOBS), ("jobs", len(jobs), MOST_JOBS)):
        if count > most:
            raise PipelineError(
                tree.location, f"The pipeline has {count} {what}; local_azure handles at most {most}."
            )
    if variables > MOST_VARIABLES:
        raise PipelineError(
            tree.location, f"The pipeline has {variables} variables; local_azure handles at most {MOST_VARIABLES}."
        )
