"""Checks of all that is read at run time: variables, macros, conditions and outputs."""

import re
from collections.abc import Iterator

from local_azure.pipelines.check.outputs import (
    STATUS_OF_DEPENDENCIES,
    ExpressionScope,
    assignments,
    is_known,
)
from local_azure.pipelines.expand.model import CONTEXTS, Job, Pipeline, Stage, Step, Variable
from local_azure.pipelines.expand.queue_facts import QueueFacts, run_time_only
from local_azure.pipelines.language.grammar import Call, Literal, parse, paths, walk
from local_azure.pipelines.language.tree import Problem, Text, fields_of, nearest

_STATUS = {*STATUS_OF_DEPENDENCIES, "always", "canceled"}
_MACRO = re.compile(r"\$\(([^()\s$`'\"]+)\)")
_SHELL_WORD = re.compile(r"[a-z][a-z0-9_-]*\Z")  # in a script this is a command


def reference_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Yield faults of everything that reads or sets variables at run time."""
    known = {name.lower(): name for name in (*facts.predefined(), *facts.variables)} | run_time_only()
    if fields_of(pipeline.fields.get("resources")).has("pipelines"):
        known["resources.*"] = ""
    yield from _declare(pipeline.variables, known, facts)
    yield from _value_faults(pipeline.variables, ExpressionScope(pipeline, known))
    for stage in pipeline.stages:
        scope = ExpressionScope(pipeline, dict(known), stage)
        yield from _declare(stage.variables, scope.known, facts)
        yield from _condition_faults(stage, scope)
        for job in stage.jobs:
            yield from _job_faults(job, scope._replace(known=dict(scope.known), job=job), facts)


def _job_faults(job: Job, scope: ExpressionScope, facts: QueueFacts) -> Iterator[Problem]:
    if fields_of(job.fields.get("strategy")).has("matrix"):
        scope.known["*"] = ""
    yield from _declare(job.variables, scope.known, facts)
    inherited = scope.stage.variables if scope.stage else []
    yield from _value_faults([*inherited, *job.variables], scope)
    yield from _condition_faults(job, scope)
    for step in job.steps:
        yield from _step_faults(step, scope._replace(step=True))


def _declare(variables: list[Variable], known: dict[str, str], facts: QueueFacts) -> Iterator[Problem]:
    """Add variables to those in scope; a group that was not given is a fault, and may hold any name."""
    for variable in variables:
        if not variable.group:
            known[variable.name.lower()] = str(variable.name)
        elif variable.name in facts.groups:
            known.update({name.lower(): str(name) for name in facts.groups[variable.name]})
        else:
            known["*"] = "*"
            text = f"The group '{variable.name}' is not known here: --group {variable.name}=FILE gives its variables."
            yield Problem(variable.name.place, text)


def _value_faults(variables: list[Variable], scope: ExpressionScope) -> Iterator[Problem]:
    for variable in variables:
        if variable.run_time is not None:
            yield from scope.faults(variable.run_time)
        elif "$[" in variable.value:
            yield Problem(variable.value.place, "$[ ] must be the whole value. Compose the text in it with format().")
        else:
            yield from _macro_faults(variable.value, scope.known, script=False)


def _condition_faults(part: Stage | Job, scope: ExpressionScope) -> Iterator[Problem]:
    if not part.condition:
        return
    found = list(scope.faults(part.condition, condition=True))
    yield from found
    if not found and part.depends_on and not _looks_at_results(part.condition):
        text = f"This condition also holds after a failure. Write and(succeeded(), {part.condition.strip()})."
        yield Problem(part.condition.place, text)


def _looks_at_results(condition: Text) -> bool:
    """Return whether a condition considers how its dependencies have ended; a constant is meant as it is written."""
    expression = parse(condition, CONTEXTS, status=True)
    calls = {part.name for part in walk(expression) if isinstance(part, Call)}
    reads_result = any(path[-1].lower() == "result" for path in paths(expression))
    return bool(calls & _STATUS) or reads_result or isinstance(expression, Literal)


def _step_faults(step: Step, scope: ExpressionScope) -> Iterator[Problem]:
    for text in _texts_with_macros(step):
        yield from _macro_faults(text, scope.known, script=text is step.script)
    if step.condition:
        yield from scope.faults(step.condition, condition=True)
    assigned = assignments(step)
    for name, is_output in assigned.items():
        if is_output and not step.name:
            place = step.script.place_at(step.script.index(name))
            yield Problem(place, f"The output '{name}' cannot be read: its step has no name. Add name: NAME.")
        full = f"{step.name}.{name}" if is_output else name
        scope.known[full.lower()] = full
    if step.name and not any(assigned.values()):
        scope.known[f"{step.name}.*".lower()] = f"{step.name}.*"


def _texts_with_macros(step: Step) -> list[Text]:
    values = [value for _, value in (*step.inputs, *step.env)]
    texts = [step.value, *(value for value in values if isinstance(value, Text))]
    others = [step.text(key) for key in ("workingDirectory", "artifact", "patterns")]
    return texts + [text for text in others if text is not None]


def _macro_faults(text: Text, known: dict[str, str], *, script: bool) -> Iterator[Problem]:
    for match in _MACRO.finditer(text):
        name, place = match[1], text.place_at(match.start())
        if script and name.lower() == "system.accesstoken":
            yield Problem(place, f"$({name}) puts a secret on a command line. Map it in env: of the step.")
        if not is_known(name, known) and not (script and _SHELL_WORD.match(name)):
            text_of_fault = f"No variable explains $({name}); it would stay as it is (or -v sets it)."
            yield Problem(place, f"{text_of_fault} {_macro_advice(name, known)}")


def _macro_advice(name: str, known: dict[str, str]) -> str:
    output = next((full for lower, full in known.items() if lower.endswith(f".{name.lower()}")), "")
    return f"It is an output: write $({output})." if output else nearest(name, known.values())
