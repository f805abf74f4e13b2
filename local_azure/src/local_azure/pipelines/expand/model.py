"""The expanded pipeline as stages, jobs and steps."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.expand.queue_variables import QueueVariables
from local_azure.pipelines.language.tree import Fields, Text, Value, fields_of, mappings_of, texts_of

# The hooks of a deployment job: those that run in order, and those after a failure or a success.
HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")
ON_HOOKS = ("failure", "success")
SCRIPTS = ("bash", "script", "inlineScript")
# The contexts of conditions and `$[ ]` of stages and jobs, and of conditions of steps. `pipeline` and `resources` are
# contexts of the service too; nothing here can fill them, so they are refused.
CONTEXTS = ("variables", "dependencies", "stageDependencies")
STEP_CONTEXTS = ("variables",)

_NUMBER = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10})?")


def is_true(value: Value) -> bool:
    """Read a boolean that is written as text, as the service does."""
    return isinstance(value, str) and value.strip().lower() in ("true", "y", "yes", "on")


class Variable(NamedTuple):
    """A variable, or a group of them when `group` is set."""

    name: Text
    value: Text
    readonly: bool
    group: bool

    @property
    def run_time(self) -> Text | None:
        """The source of a value of the form `$[ ]`, else None."""
        match = re.fullmatch(r"\s*\$\[(.*)\]\s*", self.value, re.DOTALL)
        return Text(match[1], self.value.location) if match else None


class Part:
    """A stage, a job or a step, with the mapping that defines it."""

    def __init__(self, fields: Fields, name_key: str) -> None:
        self.fields = fields
        self.location = fields.location
        self.name = self.text(name_key) or Text("", fields.location)
        self.condition = self.text("condition")
        self.title = str(self.text("displayName") or self.name)
        self.depends_on = texts_of(fields.get("dependsOn"))
        self.continues_on_error = is_true(fields.get("continueOnError"))
        entries = map(_variable, mappings_of(fields.get("variables")))
        self.variables = [variable for variable in entries if variable is not None]

    def text(self, key: str) -> Text | None:
        """Return the text of one of its keys; None when there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, Text) else None

    def number(self, key: str, default: float) -> float:
        """Return the number of one of its keys; an invalid one counts as absent."""
        text = self.text(key) or ""
        return float(text) if _NUMBER.fullmatch(text) else default


class Step(Part):
    """One step as written; `kind` is its first key, `value` the text of that key."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields, "name")
        self.kind = str(fields[0][0])
        self.value = self.text(self.kind) or Text("", fields.location)
        self.inputs = fields_of(fields.get("inputs"))
        self.env = fields_of(fields.get("env"))
        self.script = self._script()
        self.title = self.title or self._default_title()

    def _script(self) -> Text:
        """Return the text of the script that the step runs; the empty text when it runs none."""
        if self.kind in SCRIPTS:
            return self.value
        inline = self.inputs.lookup("inlineScript") or self.inputs.lookup("script")
        return inline if isinstance(inline, Text) else Text("")

    def _default_title(self) -> str:
        if self.kind == "task":
            return str(self.value)
        return f"{self.kind}: {self.value.strip()}".splitlines()[0][:80]


class Job(Part):
    """A job or deployment job. `hooks` are (name, steps) in order of execution; a plain job has one, named ''.

    `environment` is the name as the service resolves it, `pool` also that of the stage or pipeline for a job that
    names none, `hook_pools` are texts by name of the hook.
    """

    def __init__(self, fields: Fields, pool: Value, queue: QueueVariables) -> None:
        self.deployment = fields.has("deployment")
        super().__init__(fields, "deployment" if self.deployment else "job")
        named = fields.get("environment")
        environment = named.get("name") if isinstance(named, Fields) else named
        self.environment = queue.resolve(environment) if isinstance(environment, Text) else None
        self.pool = fields.get("pool") if fields.has("pool") else pool
        self.server = self.pool == "server"
        self.hook_pools: list[tuple[str, Text]] = []
        self.hooks = self._hooks() if self.deployment else [("", _steps(fields))]
        self.steps = [step for _, steps in self.hooks for step in steps]

    def _hooks(self) -> list[tuple[str, list[Step]]]:
        once = fields_of(fields_of(self.fields.get("strategy")).get("runOnce"))
        ending = fields_of(once.get("on"))
        found = [(hook, once.get(hook)) for hook in HOOKS if once.has(hook)]
        found += [(hook, ending.get(hook)) for hook in ON_HOOKS if ending.has(hook)]
        pools = [(hook, fields_of(content).get("pool")) for hook, content in found]
        self.hook_pools = [(hook, pool) for hook, pool in pools if isinstance(pool, Text)]
        return [(hook, _steps(fields_of(content))) for hook, content in found]


class Stage(Part):
    """A stage; it depends on what is written, or on the stage before it."""

    def __init__(self, fields: Fields, before: tuple[Text, ...], pool: Value, queue: QueueVariables) -> None:
        super().__init__(fields, "stage")
        if not fields.has("dependsOn"):
            self.depends_on = before
        pool = fields.get("pool") if fields.has("pool") else pool
        self.jobs = [Job(job, pool, queue) for job in mappings_of(fields.get("jobs"))]
        self.environments = list(dict.fromkeys(str(job.environment) for job in self.jobs if job.environment))


class Pipeline(Part):
    """A whole pipeline, of an expanded tree; `facts` are those of the queued run."""

    def __init__(self, tree: Fields, facts: QueueFacts | None = None) -> None:
        super().__init__(tree, "name")
        self.stages: list[Stage] = []
        queue = QueueVariables(self.variables, facts or QueueFacts())
        for fields in mappings_of(tree.get("stages")):
            before = tuple(stage.name for stage in self.stages[-1:])
            self.stages.append(Stage(fields, before, tree.get("pool"), queue))

    def jobs(self) -> list[tuple[Stage, Job]]:
        """Return every job with its stage."""
        return [(stage, job) for stage in self.stages for job in stage.jobs]


def ancestors(parts: Sequence[Part]) -> dict[str, set[str]]:
    """Return every direct and indirect dependency of each stage or job, by names in lower case."""
    direct = {part.name.lower(): set(map(str.lower, part.depends_on)) for part in parts}
    return {name: _reachable(name, direct) for name in direct}


def _reachable(start: str, direct: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = direct.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _variable(entry: Fields) -> Variable | None:
    group, name, value = entry.get("group"), entry.get("name"), entry.get("value")
    if not isinstance(group, Text) and not isinstance(name, Text):
        return None
    named = group if isinstance(group, Text) else Text(str(name), entry.location)
    text = value if isinstance(value, Text) else Text("", entry.location)
    return Variable(named, text, is_true(entry.get("readonly")), group is not None)


def _steps(fields: Fields) -> list[Step]:
    return [Step(step) for step in mappings_of(fields.get("steps")) if step]
