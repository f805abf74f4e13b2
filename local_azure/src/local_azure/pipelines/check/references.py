"""Checks of all that is read at run time: variables, macros, conditions and outputs."""

from collections.abc import Iterator

from local_azure.pipelines.check.macros import Declared, MacroScope, never_explained
from local_azure.pipelines.check.outputs import STATUS_OF_DEPENDENCIES, ExpressionScope, assignments
from local_azure.pipelines.check.server_fields import is_connection, server_field_faults
from local_azure.pipelines.expand.model import CONTEXTS, Job, Pipeline, Stage, Step, Variable
from local_azure.pipelines.expand.queue_facts import QueueFacts, run_time_only
from local_azure.pipelines.language.grammar import Call, Literal, parse, paths, walk
from local_azure.pipelines.language.tree import Problem, Text, fields_of

_STATUS = {*STATUS_OF_DEPENDENCIES, "always", "canceled"}


def reference_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Yield faults of everything that reads or sets variables at run time."""
    yield from _References(pipeline, facts).faults()
    yield from server_field_faults(pipeline, facts)


class _References:
    """One pass over a pipeline; `_declared` are all variables of the YAML with what their jobs have said of them."""

    def __init__(self, pipeline: Pipeline, facts: QueueFacts) -> None:
        self._pipeline = pipeline
        self._facts = facts
        self._declared: list[Declared] = []

    def faults(self) -> Iterator[Problem]:
        """Yield all faults."""
        pipeline, facts = self._pipeline, self._facts
        known = {name.lower(): name for name in (*facts.predefined(), *facts.variables)} | run_time_only()
        if fields_of(pipeline.fields.get("resources")).has("pipelines"):
            known["resources.*"] = ""
        declared: dict[str, Declared] = {}
        yield from self._declare(pipeline.variables, known, declared)
        yield from _value_faults(pipeline.variables, ExpressionScope(pipeline, known))
        for stage in pipeline.stages:
            scope = ExpressionScope(pipeline, dict(known), stage)
            of_stage = dict(declared)
            yield from self._declare(stage.variables, scope.known, of_stage)
            yield from _condition_faults(stage, scope)
            for job in stage.jobs:
                yield from self._job_faults(job, scope._replace(known=dict(scope.known), job=job), dict(of_stage))
        yield from never_explained(self._declared)

    def _declare(
        self, variables: list[Variable], known: dict[str, str], declared: dict[str, Declared]
    ) -> Iterator[Problem]:
        """Add variables to those in scope; a group that was not given is a fault, and may hold any name."""
        for variable in variables:
            if not variable.group:
                known[variable.name.lower()] = str(variable.name)
                declared[variable.name.lower()] = Declared(variable)
                self._declared.append(declared[variable.name.lower()])
                continue
            names = {name.lower(): str(name) for name in self._facts.groups.get(variable.name, {})}
            known.update(names)
            for name in names:
                declared.pop(name, None)
            if variable.name not in self._facts.groups:
                known["*"] = "*"
                yield Problem(variable.name.location, _unknown_group(variable.name))

    def _job_faults(self, job: Job, scope: ExpressionScope, declared: dict[str, Declared]) -> Iterator[Problem]:
        if fields_of(job.fields.get("strategy")).has("matrix"):
            scope.known["*"] = ""
        yield from self._declare(job.variables, scope.known, declared)
        stage = scope.stage
        yield from _value_faults([*(stage.variables if stage else []), *job.variables], scope)
        yield from _condition_faults(job, scope)
        for _, steps in job.hooks:  # each is a job of its own: it knows nothing that steps of another have set
            of_hook = scope._replace(known=dict(scope.known), step=True)
            macros = MacroScope(f"{stage.name if stage else ''}.{job.name}", of_hook.known, declared)
            for step in steps:
                yield from _step_faults(step, of_hook, macros)
            macros.judge_all()


def _unknown_group(name: Text) -> str:
    if "$(" in name:
        return f"The name of the variable group '{name}' cannot contain $(...). Write it out, or use ${{{{ }}}}."
    return f"The variable group '{name}' has no local values. Pass --group {name}=FILE."


def _value_faults(variables: list[Variable], scope: ExpressionScope) -> Iterator[Problem]:
    for variable in variables:
        if variable.run_time is not None:
            yield from scope.faults(variable.run_time)
        elif "$[" in variable.value:
            yield Problem(variable.value.location, "$[ ] must be the whole value. Compose the string with format().")


def _condition_faults(part: Stage | Job, scope: ExpressionScope) -> Iterator[Problem]:
    if not part.condition:
        return
    found = list(scope.faults(part.condition, condition=True))
    yield from found
    if not found and part.depends_on and not _looks_at_results(part.condition):
        intended = f"If that is not intended, write and(succeeded(), {part.condition.strip()})."
        text = f"This condition is also true if a dependency failed. {intended}"
        yield Problem(part.condition.location, text)


def _looks_at_results(condition: Text) -> bool:
    """Return whether a condition considers how its dependencies have ended; a constant is meant as it is written."""
    expression = parse(condition, CONTEXTS, status=True)
    calls = {part.name for part in walk(expression) if isinstance(part, Call)}
    reads_result = any(path[-1].lower() == "result" for path in paths(expression))
    return bool(calls & _STATUS) or reads_result or isinstance(expression, Literal)


def _step_faults(step: Step, scope: ExpressionScope, macros: MacroScope) -> Iterator[Problem]:
    for text in _texts_with_macros(step):
        yield from macros.faults(text, script=text is step.script)
    if step.condition:
        yield from scope.faults(step.condition, condition=True)
    assigned = assignments(step)
    for name, is_output in assigned.items():
        if is_output and not step.name:
            location = step.script.location_at(step.script.index(name))
            yield Problem(location, f"The output '{name}' cannot be read: its step has no name. Add name: NAME.")
        macros.set_by_step(f"{step.name}.{name}" if is_output else name)
    if step.name and not any(assigned.values()):
        macros.set_by_step(f"{step.name}.*")


def _texts_with_macros(step: Step) -> list[Text]:
    values = [value for name, value in step.inputs if not is_connection(name)]
    values += [value for _, value in step.env]
    texts = [step.value, *(value for value in values if isinstance(value, Text))]
    others = [step.text(key) for key in ("workingDirectory", "artifact", "patterns")]
    return texts + [text for text in others if text is not None]
