"""Checks of run-time expressions: what conditions and `$[ ]` read from other stages and jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local_azure.pipelines.grammar import Call, Expression, ExpressionError, Literal, parse, paths, walk
from local_azure.pipelines.graph import ancestors, nodes
from local_azure.pipelines.model import Job, Pipeline, Stage, Step
from local_azure.pipelines.tree import Problem, Text, nearest

# `pipeline` and `resources` are contexts of the service too; nothing here can fill them, so they are refused.
CONTEXTS = ("variables", "dependencies", "stageDependencies")
STEP_CONTEXTS = ("variables",)
_SET = re.compile(r"##vso\[task\.setvariable\s+([^\]\n]*)\]", re.IGNORECASE)


@dataclass(frozen=True)
class Assignment:
    """A variable that a script sets by a logging command in its text."""

    name: str
    output: bool
    offset: int


def assignments(step: Step) -> list[Assignment]:
    """The variables that the text of a step's script sets; a program that it calls may set more."""
    found: list[Assignment] = []
    for match in _SET.finditer(step.script or ""):
        pairs = (part.partition("=") for part in match[1].split(";"))
        properties = {key.strip().lower(): value.strip() for key, _, value in pairs}
        name = properties.get("variable", "")
        if name and "$" not in name:
            found.append(Assignment(name, properties.get("isoutput", "").lower() == "true", match.start()))
    return found


def explained(name: str, known: Mapping[str, str]) -> bool:
    """Whether a variable is in scope; `step.*` stands for the outputs of a step whose program sets them."""
    return name.lower() in known or f"{name.partition('.')[0]}.*".lower() in known


@dataclass(frozen=True)
class Reader:
    """Who evaluates an expression: a stage, a job of it, or a step (`step`); `known` are variables in scope."""

    pipeline: Pipeline
    known: dict[str, str]
    stage: Stage | None = None
    job: Job | None = None
    step: bool = False

    def faults(self, source: str, text: Text, *, condition: bool) -> Iterator[Problem]:
        """Faults of one expression."""
        try:
            expression = parse(source, STEP_CONTEXTS if self.step else CONTEXTS, status=condition)
        except ExpressionError as error:
            yield Problem(text.place, f"In '{source.strip()}': {error}", self._hint(source))
            return
        for path in paths(expression):
            yield from self._path(path, text)
        if not self.step:
            yield from self._named_results(expression, text)

    @staticmethod
    def _hint(source: str) -> str:
        return "Parameters exist before the run only: write ${{ parameters.x }}." if "parameters." in source else ""

    def _path(self, path: tuple[str, ...], text: Text) -> Iterator[Problem]:
        context = path[0]
        if context == "variables" and len(path) > 1:
            name = ".".join(path[1:])
            if not explained(name, self.known):
                yield Problem(
                    text.place, f"No variable '{name}' is in scope here.", nearest(name, self.known.values())
                )
        elif context == "dependencies" and len(path) > 1:
            yield from self._dependencies(path, text)
        elif context == "stagedependencies" and len(path) > 1:
            yield from self._stage_dependencies(path, text)

    def _dependencies(self, path: tuple[str, ...], text: Text) -> Iterator[Problem]:
        name = path[1]
        if self.stage is None:
            yield Problem(text.place, "'dependencies' is empty in variables of the whole pipeline.",
                          "Map the output in a job's variables.")  # fmt: skip
        elif self.job is None:
            producer = self.pipeline.stage(name)
            yield from self._named("stage", name, producer, [s.name for s in self.pipeline.stages], text)
            if producer is not None:
                yield from _outputs(path[2:], producer, None, text)
        else:
            job = self.stage.job(name)
            yield from self._named("job", name, job, [j.name for j in self.stage.jobs if j.name], text)
            if job is not None:
                yield from _outputs(path[2:], self.stage, job, text)

    def _named(
        self, kind: str, name: str, producer: Stage | Job | None, legal: list[Text], text: Text
    ) -> Iterator[Problem]:
        """The named stage or job must exist and be a direct dependency: else the value is empty, without an error."""
        part = self.job or self.stage
        if producer is None:
            yield Problem(text.place, f"There is no {kind} '{name}' to read from.", nearest(name, legal))
        elif part is not None and name.lower() not in (before.lower() for before in part.depends_on):
            what = f"'dependencies.{name}' is empty: {part.name or 'this job'} does not depend on {kind} {name}."
            yield Problem(text.place, what, f"Add {name} to its dependsOn.")

    def _stage_dependencies(self, path: tuple[str, ...], text: Text) -> Iterator[Problem]:
        if self.stage is None:
            yield Problem(text.place, "'stageDependencies' is empty in variables of the whole pipeline.",
                          "Map the output in a job's variables.")  # fmt: skip
            return
        if self.job is None:
            yield Problem(text.place, "'stageDependencies' does not work in the condition of a stage.",
                          "Read dependencies.STAGE.outputs['JOB.STEP.VARIABLE'].")  # fmt: skip
            return
        producer = self.pipeline.stage(path[1])
        if producer is None:
            todo = nearest(path[1], [stage.name for stage in self.pipeline.stages])
            yield Problem(text.place, f"There is no stage '{path[1]}' to read from.", todo)
            return
        if producer.name.lower() not in (before.lower() for before in self.stage.depends_on):
            what = f"'stageDependencies.{path[1]}' is empty: {self.stage.name} does not depend on stage {path[1]}."
            yield Problem(text.place, what, f"Add {path[1]} to the dependsOn of the stage.")
        job = producer.job(path[2]) if len(path) > 2 else None
        if len(path) > 2 and job is None:
            todo = nearest(path[2], [j.name for j in producer.jobs if j.name])
            yield Problem(text.place, f"Stage {producer.name} has no job '{path[2]}'.", todo)
        elif job is not None:
            yield from _outputs(path[3:], producer, job, text)

    def _named_results(self, expression: Expression, text: Text) -> Iterator[Problem]:
        """Names given to succeeded() and failed() must be dependencies."""
        part = self.job or self.stage
        parts = nodes(self.stage.jobs if self.job and self.stage else self.pipeline.stages)
        before = ancestors(parts).get(part.name.lower(), set()) if part is not None else set()
        for call in walk(expression):
            if isinstance(call, Call) and call.name in ("succeeded", "failed", "succeededorfailed"):
                for argument in call.arguments:
                    name = argument.value if isinstance(argument, Literal) else None
                    if isinstance(name, str) and name.lower() not in before:
                        todo = nearest(name, sorted(str(n.name) for n in parts if n.name.lower() in before))
                        yield Problem(text.place, f"{call.name}('{name}') names no dependency of this one.", todo)


def _outputs(rest: tuple[str, ...], stage: Stage, job: Job | None, text: Text) -> Iterator[Problem]:
    """Check what follows the name of a producer; `job` is None when the producer is a whole stage."""
    if not rest:
        return
    if rest[0].lower() not in ("outputs", "result"):
        yield Problem(text.place, f"A dependency has no '{rest[0]}'.", nearest(rest[0], ("result", "outputs")))
        return
    if rest[0].lower() == "result" or len(rest) < 2:
        return
    key = ".".join(rest[1:])
    if job is None:
        name, _, key = key.partition(".")
        job = stage.job(name)
        if job is None:
            todo = nearest(name, [j.name for j in stage.jobs if j.name])
            yield Problem(
                text.place, f"Stage {stage.name} has no job '{name}': the key is 'JOB.STEP.VARIABLE'.", todo
            )
            return
    yield from _key_faults(key, stage, job, text)


def _key_faults(key: str, stage: Stage, job: Job, text: Text) -> Iterator[Problem]:
    form = "STEP.VARIABLE"
    if job.deployment:
        first, _, key = key.partition(".")
        form = f"{job.name}.STEP.VARIABLE"
        if first.lower() != job.name.lower():
            what = f"The key of an output of the deployment job {job.name} begins with '{job.name}.', not '{first}.'."
            yield Problem(text.place, what, f"Write '{form}'.")
            return
    name, dot, variable = key.partition(".")
    if not dot:
        yield Problem(text.place, f"'{key}' is no key of an output of job {job.name}.", f"Write '{form}'.")
        return
    step = next((step for step in job.steps if step.name is not None and step.name.lower() == name.lower()), None)
    if step is None:
        todo = nearest(name, [step.name for step in job.steps if step.name is not None]) or "Give the step a name."
        yield Problem(text.place, f"Job {job.name} of stage {stage.name} has no step '{name}'.", todo)
        return
    known = assignments(step)
    outputs = [found.name for found in known if found.output]
    if known and variable.lower() not in (output.lower() for output in outputs):
        todo = nearest(variable, outputs) or "Set it with isOutput=true."
        yield Problem(text.place, f"The step {name} of job {job.name} sets no output '{variable}'.", todo)


def replaces_default(condition: Text) -> bool:
    """Whether a condition forgets how the dependencies ended: it then holds after a failure too."""
    try:
        expression = parse(condition, (*CONTEXTS, "pipeline", "resources"), status=True)
    except ExpressionError:
        return False
    if isinstance(expression, Literal):
        return False
    stated = any(isinstance(call, Call) and call.name in _STATUS for call in walk(expression))
    return not stated and not any(path[-1].lower() == "result" for path in paths(expression))


_STATUS = ("succeeded", "failed", "succeededorfailed", "always", "canceled")
