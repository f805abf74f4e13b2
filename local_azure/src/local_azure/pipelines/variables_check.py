"""Checks of variables: macros that nothing explains, run-time expressions, groups, free text in scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_azure.pipelines.model import Job, Pipeline, Stage, Step, Variable
from local_azure.pipelines.parameters import Declarations
from local_azure.pipelines.queue_facts import RUN_TIME_ONLY, QueueFacts
from local_azure.pipelines.references import Reader, assignments, explained, replaces_default
from local_azure.pipelines.scope import expressions_in
from local_azure.pipelines.tree import Fields, Items, PipelineError, Problem, Text, Value, nearest

_MACRO = re.compile(r"\$\(([^()\s$`'\"]+)\)")
# In a shell this is a command; variables of this template are never written so.
_SHELL_WORD = re.compile(r"[a-z][a-z0-9_-]*\Z")
_SCRIPT_KEYS = ("bash", "script", "inlineScript")
_PARAMETER = re.compile(r"\bparameters\.(\w+)", re.IGNORECASE)
_ACCESS = "system.accesstoken"


@dataclass
class _Names:
    """Names of variables in scope: lower case to spelling."""

    names: dict[str, str] = field(default_factory=dict)

    def add(self, *names: str) -> None:
        self.names |= {name.lower(): name for name in names}

    def inner(self) -> _Names:
        return _Names(dict(self.names))


def variable_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Faults of everything that reads or sets variables at run time."""
    known = _Names()
    known.add(*facts.predefined(), *RUN_TIME_ONLY, *facts.variables)
    yield from _declare(pipeline.variables, known, facts)
    yield from _values(pipeline.variables, known, Reader(pipeline, known.names))
    for stage in pipeline.stages:
        in_stage = known.inner()
        yield from _declare(stage.variables, in_stage, facts)
        yield from _condition(stage, Reader(pipeline, in_stage.names, stage), first=not stage.depends_on)
        for job in stage.jobs:
            in_job = in_stage.inner()
            yield from _declare(job.variables, in_job, facts)
            reader = Reader(pipeline, in_job.names, stage, job)
            yield from _values((*stage.variables, *job.variables), in_job, reader)
            yield from _condition(job, reader, first=not job.depends_on)
            yield from _steps(job, in_job, reader)


def _declare(variables: tuple[Variable, ...], known: _Names, facts: QueueFacts) -> Iterator[Problem]:
    for variable in variables:
        if not variable.group:
            known.add(variable.name)
        elif variable.name in facts.groups:
            known.add(*facts.groups[variable.name])
        else:
            what = f"What the variable group '{variable.name}' holds is not known here."
            todo = f"Give its names and values: --group {variable.name}=FILE."
            yield Problem(variable.name.place, what, todo)


def _values(variables: tuple[Variable, ...], known: _Names, reader: Reader) -> Iterator[Problem]:
    for variable in variables:
        if variable.run_time is not None:
            yield from reader.faults(variable.run_time, variable.value, condition=False)
        elif "$[" in variable.value:
            what = "$[ ] must be the whole value of a variable."
            yield Problem(variable.value.place, what, "Compose the text inside it with format().")
        else:
            yield from _macros(variable.value, known, script=False)


def _condition(part: Stage | Job, reader: Reader, *, first: bool) -> Iterator[Problem]:
    condition = part.condition
    if condition is None or condition == "":
        return
    yield from reader.faults(condition, condition, condition=True)
    if not first and replaces_default(condition):
        what = "This condition replaces succeeded(): it also holds when a dependency failed or the run is canceled."
        yield Problem(condition.place, what, f"Write and(succeeded(), {condition.strip()}).")


def _steps(job: Job, known: _Names, reader: Reader) -> Iterator[Problem]:
    outputs: dict[str, str] = {}
    for step in job.steps:
        for text, script in _texts(step):
            yield from _macros(text, known, script=script, outputs=outputs)
        condition = step.text("condition")
        if condition:
            in_step = Reader(reader.pipeline, known.names, reader.stage, job, step=True)
            yield from in_step.faults(condition, condition, condition=True)
        for found in assignments(step):
            if not found.output:
                known.add(found.name)
            elif step.name is None:
                place = (step.script or step.value).place_at(found.offset)
                yield Problem(
                    place, f"The output '{found.name}' cannot be read: its step has no name.", "Add name: NAME."
                )
            else:
                outputs[found.name.lower()] = f"{step.name}.{found.name}"
        if step.name is not None:
            _add_outputs(step, known)


def _add_outputs(step: Step, known: _Names) -> None:
    found = [assignment.name for assignment in assignments(step) if assignment.output]
    known.add(*(f"{step.name}.{name}" for name in found or ["*"]))


def _texts(step: Step) -> Iterator[tuple[Text, bool]]:
    """The texts of a step in which macros are replaced, and whether each is a script."""
    yield step.value, step.kind in _SCRIPT_KEYS
    for fields in (step.inputs, step.env):
        for key, value in fields:
            if isinstance(value, Text):
                yield value, fields is step.inputs and key.lower() in ("inlinescript", "script")
    for other in ("workingDirectory", "artifact", "patterns"):
        part = step.text(other)
        if part is not None:
            yield part, False


def _macros(text: Text, known: _Names, *, script: bool, outputs: dict[str, str] | None = None) -> Iterator[Problem]:
    for match in _MACRO.finditer(text):
        name = match[1]
        place = text.place_at(match.start())
        if script and name.lower() == _ACCESS:
            yield Problem(place, f"$({name}) puts a secret on a command line.", "Map it in env: of the step.")
        if explained(name, known.names):
            continue
        if script and _SHELL_WORD.match(name):
            continue
        output = (outputs or {}).get(name.lower())
        todo = f"It is an output: write $({output})." if output else nearest(name, known.names.values())
        what = f"No variable explains $({name}); it would stay in the text as it is."
        yield Problem(
            place, what, todo if todo.startswith(("Did", "It is")) else "Define it, or map it into this job."
        )


def injection_faults(document: Fields, file: str) -> Iterator[Problem]:
    """Free text that is written into a script as code: a string parameter without `values`, read in its body."""
    try:
        declarations = Declarations(document.get("parameters"), file)
    except PipelineError:
        return
    free = {
        str(entry.get("name")).lower()
        for entry in declarations.all
        if str(entry.get("type") or "string").lower() == "string" and "values" not in entry
    }
    if free:
        yield from _scripts_reading(document, free)


def _scripts_reading(value: Value, free: set[str]) -> Iterator[Problem]:
    if isinstance(value, Items):
        for part in value:
            yield from _scripts_reading(part, free)
    if isinstance(value, Fields):
        for key, part in value:
            if key in _SCRIPT_KEYS and isinstance(part, Text):
                yield from _reads(part, free)
            else:
                yield from _scripts_reading(part, free)


def _reads(script: Text, free: set[str]) -> Iterator[Problem]:
    try:
        for start, _, source in expressions_in(script):
            for name in _PARAMETER.findall(source):
                if name.lower() in free:
                    what = f"The free text of parameter '{name}' becomes code of this script."
                    todo = f'Pass it by env: and read "${name.upper()}", or give the parameter values.'
                    yield Problem(script.place_at(start), what, todo)
    except PipelineError:
        return
