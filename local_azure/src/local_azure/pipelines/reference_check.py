"""Checks of all that is read at run time: outputs, results, variables, macros; and of free text in scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local_azure.pipelines.grammar import Call, ExpressionError, Literal, parse, paths, walk
from local_azure.pipelines.model import SCRIPTS, Job, Part, Pipeline, Stage, Step, Variable
from local_azure.pipelines.queue_facts import QueueFacts, run_time_only
from local_azure.pipelines.structure_check import ancestors
from local_azure.pipelines.tree import Fields, Items, Problem, Text, Value, mappings_of, nearest

# `pipeline` and `resources` are contexts of the service too; nothing here can fill them, so they are refused.
CONTEXTS = ("variables", "dependencies", "stageDependencies")
STEP_CONTEXTS = ("variables",)
_MACRO = re.compile(r"\$\(([^()\s$`'\"]+)\)")
_SHELL_WORD = re.compile(r"[a-z][a-z0-9_-]*\Z")  # in a script this is a command
_SET = re.compile(r"##vso\[task\.setvariable\s+([^\]\n]*)\]", re.IGNORECASE)
_PARAMETER = re.compile(r"\$\{\{[^}]*?\bparameters\.(\w+)", re.IGNORECASE)


def assignments(step: Step) -> dict[str, bool]:
    """The variables that the text of a script sets, and whether each is an output; a program may set more."""
    found: dict[str, bool] = {}
    for match in _SET.finditer(step.script):
        pairs = {
            key.strip().lower(): value.strip() for key, _, value in (p.partition("=") for p in match[1].split(";"))
        }
        if "$" not in pairs.get("variable", "$"):
            found[pairs["variable"]] = pairs.get("isoutput", "").lower() == "true"
    return found


def _explained(name: str, known: Mapping[str, str]) -> bool:
    """Whether a variable is in scope; `step.*` stands for the outputs of a step whose program sets them."""
    return name.lower() in known or f"{name.partition('.')[0]}.*".lower() in known


@dataclass(frozen=True)
class _Reader:
    """Who evaluates: a stage, a job of it, or a step; `known` are the variables in scope, lower case to spelling."""

    pipeline: Pipeline
    known: dict[str, str]
    stage: Stage | None = None
    job: Job | None = None
    step: bool = False

    def faults(self, text: Text, *, condition: bool = False) -> Iterator[Problem]:
        """Faults of one expression."""
        try:
            expression = parse(text, STEP_CONTEXTS if self.step else CONTEXTS, status=condition)
            for path in paths(expression):
                self._check(*path)
            part = self.job or self.stage
            parts = self.stage.jobs if self.stage and self.job else self.pipeline.stages
            before = ancestors(parts).get(part.name.lower(), set()) if part else set()
            for call in walk(expression):
                for argument in call.arguments if isinstance(call, Call) and call.name in _STATUS else ():
                    name = str(argument.value) if isinstance(argument, Literal) else ""
                    if name.lower() not in before:
                        raise ExpressionError(f"'{name}' is no dependency whose result could be read.")
        except ExpressionError as error:
            hint = (
                " Parameters exist before the run only: write ${{ parameters.x }}." if "parameters." in text else ""
            )
            yield Problem(text.place, f"In '{text.strip()}': {error}{hint}")

    def _check(self, context: str, *path: str) -> None:
        """Raises ExpressionError when what is read would be empty: the service says nothing then."""
        if context == "variables" and path and not _explained(".".join(path), self.known):
            raise ExpressionError(
                f"No variable '{'.'.join(path)}' is in scope. {nearest('.'.join(path), self.known.values())}"
            )
        if context == "variables" or not path:
            return
        if self.stage is None:
            raise ExpressionError(f"'{context}' is empty in variables of the whole pipeline. Map it in a job.")
        if context == "dependencies" and self.job is None:
            producer = _dependency(self.stage, "stage", path[0], self.pipeline.stages)
            _check_output(path[1:], producer if isinstance(producer, Stage) else None, None)
        elif context == "dependencies":
            job = _dependency(self.job or self.stage, "job", path[0], self.stage.jobs)
            _check_output(path[1:], self.stage, job if isinstance(job, Job) else None)
        elif self.job is None:
            advice = "Read dependencies.STAGE.outputs['JOB.STEP.VARIABLE']."
            raise ExpressionError(f"'stageDependencies' does not work in the condition of a stage. {advice}")
        else:
            producer = _dependency(self.stage, "stage", path[0], self.pipeline.stages)
            if len(path) > 1 and isinstance(producer, Stage):
                _check_output(path[2:], producer, _named_job(producer, path[1]))


_STATUS = ("succeeded", "failed", "succeededorfailed")


def _dependency(part: Part, kind: str, name: str, parts: list[Stage] | list[Job]) -> Part:
    """The named producer, which must be a direct dependency."""
    found = next((other for other in parts if other.name.lower() == name.lower()), None)
    if found is None:
        raise ExpressionError(f"There is no {kind} '{name}' to read from. {nearest(name, (p.name for p in parts))}")
    if name.lower() not in (before.lower() for before in part.depends_on):
        what = f"{part.name or 'This job'} does not depend on {kind} {name}, so nothing can be read from it."
        raise ExpressionError(f"{what} Add {name} to its dependsOn.")
    return found


def _named_job(stage: Stage, name: str) -> Job:
    job = stage.job(name)
    if job is None:
        raise ExpressionError(
            f"Stage {stage.name} has no job '{name}'. {nearest(name, (j.name for j in stage.jobs))}"
        )
    return job


def _check_output(rest: tuple[str, ...], stage: Stage | None, job: Job | None) -> None:
    """Check what follows the name of a producer; without a job the key begins with the job's name."""
    if rest and rest[0].lower() not in ("outputs", "result"):
        raise ExpressionError(f"A dependency has no '{rest[0]}'. {nearest(rest[0], ('result', 'outputs'))}")
    if len(rest) < 2 or rest[0].lower() == "result" or stage is None:
        return
    key = ".".join(rest[1:])
    if job is None:
        name, _, key = key.partition(".")
        job = _named_job(stage, name)
    if job.deployment:
        first, _, key = key.partition(".")
        if first.lower() != job.name.lower():
            what = f"The key of an output of deployment job {job.name} begins with '{job.name}.', not '{first}.'."
            raise ExpressionError(f"{what} Write '{job.name}.STEP.VARIABLE'.")
    name, _, variable = key.partition(".")
    step = job.step(name)
    if step is None:
        raise ExpressionError(
            f"Job {job.name} has no step '{name}'. {nearest(name, (s.name for s in job.steps if s.name))}"
        )
    outputs = [found for found, output in assignments(step).items() if output]
    if assignments(step) and variable.lower() not in (output.lower() for output in outputs):
        raise ExpressionError(
            f"The step {name} of job {job.name} sets no output '{variable}'. {nearest(variable, outputs)}"
        )


def reference_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Faults of everything that reads or sets variables at run time."""
    known = {name.lower(): name for name in (*facts.predefined(), *facts.variables)} | run_time_only()
    yield from _declared(pipeline.variables, known, facts)
    yield from _values(pipeline.variables, _Reader(pipeline, known))
    for stage in pipeline.stages:
        in_stage = dict(known)
        yield from _declared(stage.variables, in_stage, facts)
        yield from _condition(stage, _Reader(pipeline, in_stage, stage))
        for job in stage.jobs:
            in_job = dict(in_stage)
            yield from _declared(job.variables, in_job, facts)
            reader = _Reader(pipeline, in_job, stage, job)
            yield from _values([*stage.variables, *job.variables], reader)
            yield from _condition(job, reader)
            for step in job.steps:
                yield from _step(step, in_job, _Reader(pipeline, in_job, stage, job, step=True))


def _declared(variables: list[Variable], known: dict[str, str], facts: QueueFacts) -> Iterator[Problem]:
    for variable in variables:
        if variable.group and variable.name not in facts.groups:
            what = f"What the variable group '{variable.name}' holds is not known here."
            yield Problem(variable.name.place, f"{what} Give its names and values: --group {variable.name}=FILE.")
        names = facts.groups.get(variable.name, {}) if variable.group else [variable.name]
        known.update({name.lower(): str(name) for name in names})


def _values(variables: list[Variable], reader: _Reader) -> Iterator[Problem]:
    for variable in variables:
        if variable.run_time is not None:
            yield from reader.faults(variable.run_time)
        elif "$[" in variable.value:
            yield Problem(variable.value.place, "$[ ] must be the whole value. Compose the text in it with format().")
        else:
            yield from _macros(variable.value, reader.known, {}, script=False)


def _condition(part: Stage | Job, reader: _Reader) -> Iterator[Problem]:
    text = part.condition
    found = list(reader.faults(text, condition=True)) if text else []
    yield from found
    if not text or found or not part.depends_on:
        return
    expression = parse(text, CONTEXTS, status=True)
    stated = any(
        isinstance(call, Call) and call.name in (*_STATUS, "always", "canceled") for call in walk(expression)
    )
    if (
        not stated
        and not isinstance(expression, Literal)
        and not any(p[-1].lower() == "result" for p in paths(expression))
    ):
        what = "This condition replaces succeeded(): it also holds after a failure."
        yield Problem(text.place, f"{what} Write and(succeeded(), {text.strip()}).")


def _step(step: Step, known: dict[str, str], reader: _Reader) -> Iterator[Problem]:
    outputs = {key.rpartition(".")[2]: name for key, name in known.items() if "." in key and "*" not in key}
    texts = [step.value, *(value for fields in (step.inputs, step.env) for _, value in fields)]
    texts += [step.text(key) or Text("") for key in ("workingDirectory", "artifact", "patterns")]
    for text in (text for text in texts if isinstance(text, Text)):
        yield from _macros(text, known, outputs, script=text is step.script)
    if step.condition:
        yield from reader.faults(step.condition, condition=True)
    for name, output in assignments(step).items():
        if output and not step.name:
            offset = step.script.index(name)
            yield Problem(step.script.place_at(offset), f"The output '{name}' cannot be read: its step has no name.")
        full = f"{step.name}.{name}" if output else name
        known[full.lower()] = full
    if step.name and not any(assignments(step).values()):
        known[f"{step.name}.*".lower()] = f"{step.name}.*"


def _macros(text: Text, known: dict[str, str], outputs: dict[str, str], *, script: bool) -> Iterator[Problem]:
    for match in _MACRO.finditer(text):
        name, place = match[1], text.place_at(match.start())
        if script and name.lower() == "system.accesstoken":
            yield Problem(place, f"$({name}) puts a secret on a command line. Map it in env: of the step.")
        if _explained(name, known) or (script and _SHELL_WORD.match(name)):
            continue
        output, close = outputs.get(name.lower()), nearest(name, known.values())
        advice = f"It is an output: write $({output})." if output else close or "Define it, or map it into this job."
        yield Problem(place, f"No variable explains $({name}); it would stay as it is. {advice}")


def injection_faults(document: Fields) -> Iterator[Problem]:
    """Free text that becomes code of a script: a string parameter without `values`, read in its body."""
    declared = mappings_of(document.get("parameters"))
    free = {str(e.get("name")).lower() for e in declared if e.get("type") in (None, "string") and not e.has("values")}

    def search(value: Value, key: str) -> Iterator[Problem]:
        if isinstance(value, Text) and key in SCRIPTS:
            for match in _PARAMETER.finditer(value):
                if match[1].lower() in free:
                    what = f"The free text of parameter '{match[1]}' becomes code of this script."
                    yield Problem(
                        value.place_at(match.start()), f"{what} Pass it by env:, or give the parameter values."
                    )
        for name, part in value if isinstance(value, Fields) else ():
            yield from search(part, name)
        for part in value if isinstance(value, Items) else ():
            yield from search(part, "")

    return search(document, "")
