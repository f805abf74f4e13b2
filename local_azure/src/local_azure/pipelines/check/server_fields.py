"""What the service reads before a job runs: environments, pools, service connections, triggers.

It resolves them with the variables that it knows then, and takes anything else for the name itself.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping

from local_azure.pipelines.check.macros import is_known, macros_of
from local_azure.pipelines.expand.model import Pipeline, Step, Variable
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.language.tree import Fields, Items, Problem, Text, Value, fields_of, nearest

# Inputs of tasks that name a service connection, in lower case: main names and aliases.
_CONNECTIONS = (
    "azuresubscription",
    "connectedservicename",
    "connectedservicenamearm",
    "connectedservicenameselector",
    "azureresourcemanagerconnection",
    "azuresubscriptionendpoint",
    "azuresubscriptionforacr",
    "dockerregistryserviceconnection",
    "dockerregistryendpoint",
    "kubernetesserviceconnection",
    "kubernetesserviceendpoint",
    "serviceconnection",
)
_ROOT = "pipeline-level and queue-time variables"


def is_connection(name: str) -> bool:
    """Return whether an input of a task names a service connection."""
    return name.lower() in _CONNECTIONS


def server_field_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Yield every text that the service would take literally."""
    yield from _root_block_faults(pipeline)
    root = {name.lower(): name for name in (*facts.predefined(), *facts.variables)}
    root |= _names(pipeline.variables, facts)
    late = {variable.name.lower() for variable in pipeline.variables if variable.run_time is not None}
    early = {name: spelling for name, spelling in root.items() if name not in late}
    for stage, job in pipeline.jobs():
        local = _names([*stage.variables, *job.variables], facts)
        if fields_of(job.fields.get("strategy")).has("matrix"):
            local["*"] = "*"
        if job.environment is not None:
            yield from _faults(job.environment, "environment", early, _ROOT)
        for text in _texts(job.pool):
            yield from _faults(text, "pool", ChainMap(local, root), f"{_ROOT} and those of its stage and job")
        for step in job.steps:
            yield from _connection_faults(step, root)


def _names(variables: Iterable[Variable], facts: QueueFacts) -> dict[str, str]:
    """Return the names of variables, lower case to spelling; `*` where a group was not given."""
    found: dict[str, str] = {}
    for variable in variables:
        if not variable.group:
            found[variable.name.lower()] = str(variable.name)
        elif variable.name in facts.groups:
            found |= {name.lower(): name for name in facts.groups[variable.name]}
        else:
            found["*"] = "*"
    return found


def _faults(text: Text, what: str, known: Mapping[str, str], allowed: str) -> Iterator[Problem]:
    # What is left of the name of an environment could not be resolved.
    unknown = [macro for macro in macros_of(text) if what == "environment" or not is_known(macro.name, known)]
    if what == "environment" and "$[" in text:
        yield Problem(
            text.location, f"'{text}' is not an environment name: $[ ] is not evaluated in it. Use {_ROOT}."
        )
    elif unknown and "*" not in known:
        name, location = unknown[0]
        advice = nearest(name, known.values())
        if name.lower() in known:
            advice = f"The variable '{name}' refers to itself or its value is too long."
        elif not advice.startswith("Did you mean"):
            advice = f"Define '{name}' there, or write ${{{{ }}}}."
        reason = f"the service expands it before the job starts and knows only {allowed}"
        yield Problem(location, f"The {what} '{text}' cannot be resolved: {reason}. {advice}")


def _texts(value: Value) -> Iterator[Text]:
    if isinstance(value, Text):
        yield value
    elif isinstance(value, Items):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, Fields):
        for _, part in value:
            yield from _texts(part)


def _connection_faults(step: Step, root: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in step.inputs:
        if isinstance(value, Text) and is_connection(name):
            yield from _faults(value, "service connection", root, _ROOT)


def _root_block_faults(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield macros and run-time expressions in what is read before there is a run."""
    blocks = [(key, pipeline.fields.get(key)) for key in ("trigger", "pr", "schedules")]
    blocks.append(("resources.repositories", fields_of(pipeline.fields.get("resources")).get("repositories")))
    for key, block in blocks:
        for text in _texts(block):
            unread = [(f"$({name})", location) for name, location in macros_of(text)]
            if "$[" in text:
                unread.append((str(text), text.location))
            for written, location in unread:
                fault = (
                    f"Variables are not expanded in '{key}': {written} would stay as it is. Write the literal value."
                )
                yield Problem(location, fault)
