"""Checks of all that is read at run time: outputs, results, variables, macros; and of free text in scripts."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from local_azure.pipelines.check.structure import ancestors
from local_azure.pipelines.expand.model import SCRIPTS, Job, Part, Pipeline, Stage, Step, Variable
from local_azure.pipelines.expand.queue_facts import QueueFacts, run_time_only
from local_azure.pipelines.language.grammar import Call, ExpressionError, Literal, parse, paths, refused, walk
from local_azure.pipelines.language.tree import (
    Fields,
    Items,
    Problem,
    Text,
    Value,
    fields_of,
    mappings_of,
    nearest,
)

# `pipeline` and `resources` are contexts of the service too; nothing here can fill them, so they are refused.
CONTEXTS = ("variables", "dependencies", "stageDependencies")
STEP_CONTEXTS = ("variables",)
_P = TypeVar("_P", Stage, Job, Step)
_STATUS = ("succeeded", "failed", "succeededorfailed")
_MACRO = re.compile(r"\$\(([^()\s$`'\"]+)\)")
_SHELL_WORD = re.compile(r"[a-z][a-z0-9_-]*\Z")  # in a script this is a command
_SET = re.compile(r"##vso\[task\.setvariable\s+([^\]\n]*)\]", re.IGNORECASE)
_PROPERTY = re.compile(r"(\w+)\s*=\s*([^;\s]*)")
_PARAMETER = re.compile(r"\$\{\{[^}]*?\bparameters\.(\w+)", re.IGNORECASE)


def assignments(step: Step) -> dict[str, bool]:
    """The variables that the text of a script sets, and whether each is an output; a program may set more."""
    found: dict[str, bool] = {}
    for properties in _SET.findall(step.script):
        pairs = {key.lower(): value for key, value in _PROPERTY.findall(properties)}
        if "$" not in pairs.get("variable", "$"):
            found[pairs["variable"]] = pairs.get("isoutput", "").lower() == "true"
    return found


def _explained(name: str, known: Mapping[str, str]) -> bool:
    """Whether a variable is in scope; `step.*` stands for the outputs of a step whose program sets them.

    `*` stands for names that nothing here can know: of a group that was not given, of a matrix.
    """
    return bool({name.lower(), f"{name.partition('.')[0]}.*".lower(), "*"} & known.keys())


class _Reader(NamedTuple):
    """Who evaluates: a stage, a job of it, or a step; `known` are the variables in scope, lower case to spelling."""

    pipeline: Pipeline
    known: dict[str, str]
    stage: Stage | None = None
    job: Job | None = None
    step: bool = False

    def faults(self, text: Text, *, condition: bool = False) -> Iterator[Problem]:
        """Faults of one expression."""
        part = self.job or self.stage
        parts: list[Stage] | list[Job] = self.stage.jobs if self.stage and self.job else self.pipeline.stages
        before = ancestors(parts).get(part.name.lower(), set()) if part else set()
        try:
            expression = parse(text, STEP_CONTEXTS if self.step else CONTEXTS, status=condition)
            for context, *path in paths(expression):
                self._check(context, path)
            for call in walk(expression):
                for argument in call.arguments if isinstance(call, Call) and call.name in _STATUS else ():
                    name = str(argument.value) if isinstance(argument, Literal) else ""
                    if name.lower() not in before:
                        raise refused("That is no dependency.", name, before)
        except ExpressionError as error:
            hint = " Parameters are gone at run time: write ${{ parameters.x }}." if "parameters." in text else ""
            yield Problem(text.place, f"In '{text.strip()}': {error}{hint}")

    def _check(self, context: str, path: list[str]) -> None:
        """Raises ExpressionError when what is read would be empty: the service says nothing then."""
        name = ".".join(path)
        if context == "variables" and path and not _explained(name, self.known):
            raise refused(f"There is no variable '{name}' in scope.", name, self.known.values())
        if context == "variables" or not path:
            return
        if self.stage is None:
            raise ExpressionError(f"'{context}' is empty in variables of the whole pipeline. Map it in a job.")
        if context == "dependencies" and self.job is not None:
            _check_output(path[1:], self.stage, _dependency(self.job, self.stage.jobs, path[0]))
            return
        if context == "stagedependencies" and self.job is None:
            raise ExpressionError(
                "It does not work in the condition of a stage. Write dependencies.STAGE.outputs[...]."
            )
        producer = _dependency(self.stage, self.pipeline.stages, path[0])
        if self.job is None:
            _check_output(path[1:], producer, None)
        elif len(path) > 1:
            _check_output(path[2:], producer, _find(producer.jobs, path[1], f"Stage {producer.name} has no job"))


def _find(parts: list[_P], name: str, what: str) -> _P:
    found = next((part for part in parts if part.name and part.name.lower() == name.lower()), None)
    if found is None:
        raise refused(f"{what} '{name}'.", name, (part.name for part in parts if part.name))
    return found


def _dependency(reader: Part, parts: list[_P], name: str) -> _P:
    """The named producer, which must be a direct dependency."""
    found = _find(parts, name, "There is nothing to read from named")
    if name.lower() not in (before.lower() for before in reader.depends_on):
        raise ExpressionError(f"{reader.name or 'This job'} does not depend on {name}. Add it to dependsOn.")
    return found


def _check_output(rest: list[str], stage: Stage, job: Job | None) -> None:
    """Check what follows the name of a producer; without a job the key begins with the job's name."""
    if rest and rest[0].lower() not in ("outputs", "result"):
        raise refused(f"A dependency has no '{rest[0]}'.", rest[0], ("result", "outputs"))
    if len(rest) < 2 or rest[0].lower() == "result":
        return
    name, _, key = ".".join(rest[1:]).partition(".") if job is None else ("", "", ".".join(rest[1:]))
    job = job or _find(stage.jobs, name, f"Stage {stage.name} has no job")
    name, _, variable = key.partition(".")
    if job.deployment and name.lower() != job.name.lower():
        raise ExpressionError(f"Outputs of a deployment job have keys '{job.name}.STEP.VARIABLE', not '{name}...'.")
    name, _, variable = variable.partition(".") if job.deployment else (name, "", variable)
    step = _find(job.steps, name, f"Job {job.name} has no step")
    outputs = [found for found, output in assignments(step).items() if output]
    if assignments(step) and variable.lower() not in (output.lower() for output in outputs):
        raise refused(f"The step {name} of job {job.name} sets no output '{variable}'.", variable, outputs)


def reference_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Faults of everything that reads or sets variables at run time."""
    known = {name.lower(): name for name in (*facts.predefined(), *facts.variables)} | run_time_only()
    known |= {"resources.*": ""} if fields_of(pipeline.fields.get("resources")).has("pipelines") else {}
    yield from _declared(pipeline.variables, known, facts)
    yield from _values(pipeline.variables, _Reader(pipeline, known))
    for stage in pipeline.stages:
        in_stage = dict(known)
        yield from _declared(stage.variables, in_stage, facts)
        yield from _condition(stage, _Reader(pipeline, in_stage, stage))
        for job in stage.jobs:
            in_job = in_stage | ({"*": ""} if fields_of(job.fields.get("strategy")).has("matrix") else {})
            yield from _declared(job.variables, in_job, facts)
            reader = _Reader(pipeline, in_job, stage, job)
            yield from _values([*stage.variables, *job.variables], reader)
            yield from _condition(job, reader)
            for step in job.steps:
                yield from _step(step, reader._replace(step=True))


def _declared(variables: list[Variable], known: dict[str, str], facts: QueueFacts) -> Iterator[Problem]:
    for variable in variables:
        if variable.group and variable.name not in facts.groups:
            text = f"The group '{variable.name}' is not known here: --group {variable.name}=FILE gives its variables."
            yield Problem(variable.name.place, text)
        names = facts.groups.get(variable.name, ["*"]) if variable.group else [variable.name]
        known.update({name.lower(): str(name) for name in names})


def _values(variables: list[Variable], reader: _Reader) -> Iterator[Problem]:
    for variable in variables:
        if variable.run_time is not None:
            yield from reader.faults(variable.run_time)
        elif "$[" in variable.value:
            yield Problem(variable.value.place, "$[ ] must be the whole value. Compose the text in it with format().")
        else:
            yield from _macros(variable.value, reader.known, script=False)


def _condition(part: Stage | Job, reader: _Reader) -> Iterator[Problem]:
    found = list(reader.faults(part.condition, condition=True)) if part.condition else []
    yield from found
    if part.condition and not found and part.depends_on:
        expression = parse(part.condition, CONTEXTS, status=True)
        calls = {part.name for part in walk(expression) if isinstance(part, Call)}
        results = [path for path in paths(expression) if path[-1].lower() == "result"]
        if not calls & {*_STATUS, "always", "canceled"} and not results and not isinstance(expression, Literal):
            text = f"This condition also holds after a failure. Write and(succeeded(), {part.condition.strip()})."
            yield Problem(part.condition.place, text)


def _step(step: Step, reader: _Reader) -> Iterator[Problem]:
    texts = [step.value, *(value for fields in (step.inputs, step.env) for _, value in fields)]
    texts += [step.text(key) or Text("") for key in ("workingDirectory", "artifact", "patterns")]
    for text in texts:
        if isinstance(text, Text):
            yield from _macros(text, reader.known, script=text is step.script)
    if step.condition:
        yield from reader.faults(step.condition, condition=True)
    for name, output in assignments(step).items():
        if output and not step.name:
            place = step.script.place_at(step.script.index(name))
            yield Problem(place, f"The output '{name}' cannot be read: its step has no name. Add name: NAME.")
        full = f"{step.name}.{name}" if output else name
        reader.known[full.lower()] = full
    if step.name and not any(assignments(step).values()):
        reader.known[f"{step.name}.*".lower()] = f"{step.name}.*"


def _macros(text: Text, known: dict[str, str], *, script: bool) -> Iterator[Problem]:
    for match in _MACRO.finditer(text):
        name, place = match[1], text.place_at(match.start())
        if script and name.lower() == "system.accesstoken":
            yield Problem(place, f"$({name}) puts a secret on a command line. Map it in env: of the step.")
        if not _explained(name, known) and not (script and _SHELL_WORD.match(name)):
            output = next((full for low, full in known.items() if low.endswith(f".{name.lower()}")), "")
            advice = f"It is an output: write $({output})." if output else nearest(name, known.values())
            yield Problem(place, f"No variable explains $({name}); it would stay as it is (or -v sets it). {advice}")


def injection_faults(document: Fields) -> Iterator[Problem]:
    """Free text that becomes code of a script: a string parameter without `values`, read in its body."""
    declared = mappings_of(document.get("parameters"))
    free = {str(e.get("name")).lower() for e in declared if e.get("type") in (None, "string") and not e.has("values")}

    def search(value: Value, key: str) -> Iterator[Problem]:
        for match in _PARAMETER.finditer(value) if isinstance(value, Text) and key in SCRIPTS else ():
            if isinstance(value, Text) and match[1].lower() in free:
                what = f"The free text of parameter '{match[1]}' becomes code of this script. Pass it by env:."
                yield Problem(value.place_at(match.start()), what)
        for name, part in value if isinstance(value, Fields) else ():
            yield from search(part, name)
        for part in value if isinstance(value, Items) else ():
            yield from search(part, "")

    return search(document, "")
