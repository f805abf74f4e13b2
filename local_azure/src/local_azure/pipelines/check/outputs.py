"""Checks expressions that are evaluated at run time: what they read must exist and be reachable from there."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple, TypeVar

from local_azure.pipelines.check.macros import is_known
from local_azure.pipelines.expand.model import (
    CONTEXTS,
    STEP_CONTEXTS,
    Job,
    Part,
    Pipeline,
    Stage,
    Step,
    ancestors,
)
from local_azure.pipelines.language.grammar import Call, Expression, Literal, parse, paths, walk
from local_azure.pipelines.language.tree import Problem, Text
from local_azure.pipelines.language.values import ExpressionError, unknown_name

# The status functions that may name dependencies.
STATUS_OF_DEPENDENCIES = ("succeeded", "failed", "succeededorfailed")
_PartT = TypeVar("_PartT", Stage, Job, Step)
_SET_VARIABLE = re.compile(r"##vso\[task\.setvariable\s", re.IGNORECASE)


def assignments(step: Step) -> dict[str, bool]:
    """Return the variables that the text of a script sets, and whether each is an output; a program may set more."""
    found: dict[str, bool] = {}
    for line in step.script.splitlines():
        for command in _SET_VARIABLE.split(line)[1:]:
            properties, closed, _ = command.partition("]")
            pairs = dict(map(_property, properties.split(";")))
            name = pairs.get("variable", "")
            if closed and name and "$" not in name:
                found[name] = pairs.get("isoutput", "").lower() == "true"
    return found


def _property(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.strip().lower(), value.strip()


class ExpressionScope(NamedTuple):
    """Where expressions are evaluated: in the pipeline, a stage, a job of it or a step of that.

    `known` are the variables in scope, lower case to spelling.
    """

    pipeline: Pipeline
    known: dict[str, str]
    stage: Stage | None = None
    job: Job | None = None
    step: bool = False

    def faults(self, text: Text, *, condition: bool = False) -> Iterator[Problem]:
        """Yield faults of one expression."""
        try:
            expression = parse(text, STEP_CONTEXTS if self.step else CONTEXTS, status=condition)
            for context, *path in paths(expression):
                self._check_path(context, path)
            _check_status_functions(expression, self._dependencies())
        except ExpressionError as error:
            hint = (
                " Parameters are not available at run time. Write ${{ parameters.x }}."
                if "parameters." in text
                else ""
            )
            yield Problem(text.location, f"In '{text.strip()}': {error}{hint}")

    def _dependencies(self) -> set[str]:
        """Return what the stage or job depends on, directly or not."""
        if self.stage is None:
            return set()
        if self.job is None:
            return ancestors(self.pipeline.stages).get(self.stage.name.lower(), set())
        return ancestors(self.stage.jobs).get(self.job.name.lower(), set())

    def _check_path(self, context: str, path: list[str]) -> None:
        """Raise ExpressionError when what is read would be empty: the service says nothing then."""
        if not path:
            return
        if context == "variables":
            name = ".".join(path)
            if not is_known(name, self.known):
                raise unknown_name(f"There is no variable '{name}' in scope.", name, self.known.values())
        elif self.stage is None:
            raise ExpressionError(
                f"'{context}' is not available in pipeline-level variables. Define the variable in a job."
            )
        elif context == "dependencies" and self.job is not None:
            _check_output(path[1:], self.stage, _dependency(self.job, self.stage.jobs, path[0]))
        else:
            self._check_other_stage(context, path, self.stage)

    def _check_other_stage(self, context: str, path: list[str], stage: Stage) -> None:
        if context == "stagedependencies" and self.job is None:
            raise ExpressionError(
                "stageDependencies is not available in a stage condition. Write dependencies.STAGE.outputs[...]."
            )
        producer = _dependency(stage, self.pipeline.stages, path[0])
        if self.job is None:
            _check_output(path[1:], producer, None)
        elif len(path) > 1:
            _check_output(
                path[2:], producer, _find(producer.jobs, path[1], f"Stage {producer.name} has no job '{path[1]}'.")
            )


def _check_status_functions(expression: Expression, dependencies: Collection[str]) -> None:
    """Raise ExpressionError when succeeded() and its like name anything but dependencies."""
    for call in walk(expression):
        if not isinstance(call, Call) or call.name not in STATUS_OF_DEPENDENCIES:
            continue
        for argument in call.arguments:
            name = str(argument.value) if isinstance(argument, Literal) else ""
            if name.lower() not in dependencies:
                raise unknown_name(f"'{name}' is not a dependency.", name, sorted(dependencies))


def _find(parts: list[_PartT], name: str, message: str) -> _PartT:
    found = next((part for part in parts if part.name and part.name.lower() == name.lower()), None)
    if found is None:
        raise unknown_name(message, name, (part.name for part in parts if part.name))
    return found


def _dependency(reader: Part, parts: list[_PartT], name: str) -> _PartT:
    """Return the named producer, which must be a direct dependency."""
    kind = "job of this stage" if isinstance(reader, Job) else "stage of this pipeline"
    found = _find(parts, name, f"'{name}' is not a {kind}.")
    if name.lower() not in (before.lower() for before in reader.depends_on):
        raise ExpressionError(f"{reader.name or 'This job'} does not depend on {name}. Add it to dependsOn.")
    return found


def _check_output(rest: list[str], stage: Stage, job: Job | None) -> None:
    """Check what follows the name of a producer; without a job the key begins with the job's name."""
    if rest and rest[0].lower() not in ("outputs", "result"):
        raise unknown_name(f"'{rest[0]}' is not a property of a dependency.", rest[0], ("result", "outputs"))
    if len(rest) < 2 or rest[0].lower() == "result":
        return
    key = ".".join(rest[1:])
    if job is None:
        name, _, key = key.partition(".")
        job = _find(stage.jobs, name, f"Stage {stage.name} has no job '{name}'.")
    name, _, variable = key.partition(".")
    if job.deployment:
        if name.lower() != job.name.lower():
            raise ExpressionError(
                f"Outputs of a deployment job have keys '{job.name}.STEP.VARIABLE', not '{name}...'."
            )
        name, _, variable = variable.partition(".")
    _check_step_output(job, _find(job.steps, name, f"Job {job.name} has no step '{name}'."), name, variable)


def _check_step_output(job: Job, step: Step, name: str, variable: str) -> None:
    assigned = assignments(step)
    outputs = [found for found, is_output in assigned.items() if is_output]
    if assigned and variable.lower() not in [output.lower() for output in outputs]:
        raise unknown_name(f"The step {name} of job {job.name} sets no output '{variable}'.", variable, outputs)
