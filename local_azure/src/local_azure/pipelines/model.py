"""The expanded pipeline as typed stages, jobs and steps; what a local run cannot do is refused by name here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from local_azure.pipelines.tree import Fields, Items, Place, Text, Value, fields_of, items_of

HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")
ON_HOOKS = ("failure", "success")
STEP_KINDS = ("bash", "script", "checkout", "publish", "download", "task")
_TRUE = ("true", "y", "yes", "on")


@dataclass(frozen=True)
class Variable:
    """A variable, or a group of them when `group` is set."""

    name: Text
    value: Text
    readonly: bool = False
    group: bool = False

    @property
    def run_time(self) -> str | None:
        """The source of a value of the form `$[ ]`, else None."""
        text = self.value.strip()
        return text[2:-1] if text.startswith("$[") and text.endswith("]") else None


@dataclass(frozen=True)
class Step:
    """One step as written; `kind` is its first key, `value` what stands there."""

    kind: str
    value: Text
    fields: Fields

    @property
    def place(self) -> Place:
        return self.fields.place

    def text(self, key: str) -> Text | None:
        """The text of one of its keys, None when absent."""
        value = self.fields.get(key)
        return value if isinstance(value, Text) else None

    @property
    def name(self) -> Text | None:
        return self.text("name")

    @property
    def enabled(self) -> bool:
        return self.text("enabled") is None or is_true(self.text("enabled"))

    @property
    def continues_on_error(self) -> bool:
        return is_true(self.text("continueOnError"))

    @property
    def timeout_minutes(self) -> float:
        return number(self.text("timeoutInMinutes"), 0)

    @property
    def retries(self) -> int:
        return min(int(number(self.text("retryCountOnTaskFailure"), 0)), 10)

    @cached_property
    def inputs(self) -> Fields:
        """Inputs of a task, or of the task that a short form stands for."""
        return fields_of(self.fields.get("inputs"))

    @cached_property
    def env(self) -> Fields:
        return fields_of(self.fields.get("env"))

    @property
    def script(self) -> Text | None:
        """The script that runs inline, if there is one."""
        if self.kind in ("bash", "script"):
            return self.value
        inline = self.inputs.lookup("inlineScript") or self.inputs.lookup("script") if self.kind == "task" else None
        return inline if isinstance(inline, Text) else None

    @property
    def title(self) -> str:
        """What a log shows."""
        shown = self.text("displayName") or self.name
        first_line = next(iter(self.value.strip().splitlines()), "")
        return str(shown) if shown else first_line if self.kind == "task" else f"{self.kind}: {first_line}"[:80]


@dataclass(frozen=True)
class Job:
    """A job or deployment job. `hooks` are (name, steps) in order of execution; a plain job has one, named ''."""

    name: Text
    fields: Fields
    deployment: bool
    variables: tuple[Variable, ...]
    hooks: tuple[tuple[str, tuple[Step, ...]], ...]
    depends_on: tuple[Text, ...]
    environment: Text | None = None

    @property
    def condition(self) -> Text | None:
        value = self.fields.get("condition")
        return value if isinstance(value, Text) else None

    @property
    def steps(self) -> list[Step]:
        return [step for _, steps in self.hooks for step in steps]

    @property
    def server(self) -> bool:
        return self.fields.get("pool") == "server"

    @property
    def continues_on_error(self) -> bool:
        return is_true(self.fields.get("continueOnError"))

    @property
    def timeout_minutes(self) -> float:
        """Minutes after which the job is canceled; 60 by default, 0 means the longest time."""
        return number(self.fields.get("timeoutInMinutes"), 60)

    @property
    def cancel_minutes(self) -> float:
        """Minutes that steps have after the job was canceled."""
        return number(self.fields.get("cancelTimeoutInMinutes"), 5)

    @property
    def place(self) -> Place:
        return self.fields.place

    @property
    def title(self) -> str:
        return str(self.fields.get("displayName") or self.name or "Job")


@dataclass(frozen=True)
class Stage:
    """A stage; `depends_on` is what is written, or the stage before it."""

    name: Text
    fields: Fields
    variables: tuple[Variable, ...]
    jobs: tuple[Job, ...]
    depends_on: tuple[Text, ...]

    @property
    def condition(self) -> Text | None:
        value = self.fields.get("condition")
        return value if isinstance(value, Text) else None

    @property
    def place(self) -> Place:
        return self.fields.place

    @property
    def title(self) -> str:
        return str(self.fields.get("displayName") or self.name)

    @property
    def environments(self) -> list[Text]:
        """The environments of its deployment jobs, each once."""
        return list({str(j.environment): j.environment for j in self.jobs if j.environment is not None}.values())

    def job(self, name: str) -> Job | None:
        """The job of a name, whatever its case."""
        return next((job for job in self.jobs if job.name and job.name.lower() == name.lower()), None)


@dataclass(frozen=True)
class Pipeline:
    """A whole pipeline; `fields` is the expanded tree."""

    fields: Fields
    variables: tuple[Variable, ...] = ()
    stages: tuple[Stage, ...] = field(default_factory=tuple)

    def stage(self, name: str) -> Stage | None:
        """The stage of a name, whatever its case."""
        return next((stage for stage in self.stages if stage.name.lower() == name.lower()), None)


def is_true(value: Value) -> bool:
    """How the service reads a boolean that is written as text."""
    return isinstance(value, str) and value.strip().lower() in _TRUE


def number(value: Value, otherwise: float) -> float:
    """A number that is written as text."""
    try:
        return float(value) if isinstance(value, str) and value else otherwise
    except ValueError:
        return otherwise


def build(tree: Fields) -> Pipeline:
    """The model of an expanded tree; faults of structure are the schema's business."""
    stages: list[Stage] = []
    for fields in _mappings(tree.get("stages")):
        previous = (stages[-1].name,) if stages else ()
        written = "dependsOn" in fields
        name = fields.get("stage")
        stages.append(
            Stage(
                name=name if isinstance(name, Text) else Text("", fields.place),
                fields=fields,
                variables=_variables(fields),
                jobs=tuple(_job(job) for job in _mappings(fields.get("jobs"))),
                depends_on=_names(fields.get("dependsOn")) if written else previous,
            )
        )
    return Pipeline(tree, _variables(tree), tuple(stages))


def _mappings(value: Value) -> list[Fields]:
    return [part for part in items_of(value) if isinstance(part, Fields)]


def _names(value: Value) -> tuple[Text, ...]:
    return tuple(part for part in items_of(value) if isinstance(part, Text))


def _variables(fields: Fields) -> tuple[Variable, ...]:
    found: list[Variable] = []
    for entry in _mappings(fields.get("variables")):
        group, name, value = entry.get("group"), entry.get("name"), entry.get("value")
        if isinstance(group, Text):
            found.append(Variable(group, Text("", group.place), group=True))
        elif isinstance(name, Text):
            text = value if isinstance(value, Text) else Text("", name.place)
            found.append(Variable(name, text, readonly=is_true(entry.get("readonly"))))
    return tuple(found)


def _job(fields: Fields) -> Job:
    deployment = "deployment" in fields
    name = fields.get("deployment" if deployment else "job")
    environment = fields.get("environment")
    if isinstance(environment, Fields):
        environment = environment.get("name")
    return Job(
        name=name if isinstance(name, Text) else Text("", fields.place),
        fields=fields,
        deployment=deployment,
        variables=_variables(fields),
        hooks=_hooks(fields) if deployment else (("", _steps(fields)),),
        depends_on=_names(fields.get("dependsOn")),
        environment=environment if isinstance(environment, Text) else None,
    )


def _hooks(fields: Fields) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    once = fields_of(fields_of(fields.get("strategy")).get("runOnce"))
    hooks = [(hook, _steps(fields_of(once.get(hook)))) for hook in HOOKS if hook in once]
    ending = fields_of(once.get("on"))
    return (*hooks, *((hook, _steps(fields_of(ending.get(hook)))) for hook in ON_HOOKS if hook in ending))


def _steps(fields: Fields) -> tuple[Step, ...]:
    steps = fields.get("steps")
    return tuple(
        Step(str(step.names()[0]), value if isinstance(value, Text) else Text("", step.place), step)
        for step in _mappings(steps if isinstance(steps, Items) else None)
        if len(step)
        for value in (step.pairs[0][1],)
    )
