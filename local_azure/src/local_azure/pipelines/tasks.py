"""Checks of `task:` steps against the one definition that their name selects."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from local_azure.pipelines.schema import Schema, ServiceSchema
from local_azure.pipelines.tree import Fields, Problem, Text, fields_of, nearest, place_of

_STEP_KEYS = (
    "task", "displayName", "name", "condition", "continueOnError", "enabled", "env", "inputs",
    "retryCountOnTaskFailure", "timeoutInMinutes",
)  # fmt: skip


@dataclass(frozen=True)
class TaskInputs:
    """Inputs of a task that the schema does not define; from Microsoft's documentation, state of November 2026."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


EXTRA_TASKS = {
    "publishcodecoverageresults@2": TaskInputs(("summaryFileLocation",), ("pathToSources", "failIfCoverageEmpty")),
    "azuremljobwaittask@1": TaskInputs(
        ("serviceConnection", "resourceGroupName", "azureMLWorkspaceName", "azureMLJobName")
    ),
}
_EXTRA_NAMES = ("PublishCodeCoverageResults@2", "AzureMLJobWaitTask@1")


@lru_cache(maxsize=1)
def service_schema() -> ServiceSchema:
    """The schema that the package check-jsonschema carries; the package itself is slow to import, so it is not."""
    found = importlib.util.find_spec("check_jsonschema")
    if found is None or found.origin is None:
        raise FileNotFoundError("The package check-jsonschema, which holds Microsoft's schema, is not installed.")
    path = Path(found.origin).parent / "builtin_schemas" / "vendor" / "azure-pipelines.json"
    return ServiceSchema(json.loads(path.read_bytes()), task_faults)


def task_faults(step: Fields, schema: ServiceSchema) -> Iterator[Problem]:
    """The faults of one `task:` step."""
    task = step.get("task")
    if not isinstance(task, Text) or "${{" in task:
        return
    for key in step.names():
        if key not in _STEP_KEYS and "${{" not in key:
            yield Problem(key.place, f"A task step has no '{key}'.", nearest(key, _STEP_KEYS))
    inputs = step.get("inputs")
    if inputs is not None and inputs != "" and not isinstance(inputs, Fields):
        if not (isinstance(inputs, Text) and inputs.startswith("${{")):
            yield Problem(place_of(inputs, step.place), "'inputs' must be a mapping.", "Write name: value below it.")
        return
    extra = EXTRA_TASKS.get(task.lower())
    definition = schema.tasks.get(task.lower())
    if extra is not None:
        yield from _extra_faults(step, task, extra)
    elif definition is None:
        yield from _unknown(task, schema)
    else:
        described = definition["properties"].get("inputs", {})
        yield from _input_faults(step, task, canonical_inputs(fields_of(inputs), described), described, schema)


def _unknown(task: Text, schema: ServiceSchema) -> Iterator[Problem]:
    names = [*schema.task_names, *_EXTRA_NAMES]
    name, _, version = task.partition("@")
    versions = [known.partition("@")[2] for known in names if known.lower().startswith(f"{name.lower()}@")]
    if versions and version:
        known = ", ".join(sorted(set(versions)))
        yield Problem(task.place, f"The task {name} has no version {version}.", f"It has: {known}.")
    elif versions:
        yield Problem(task.place, f"The task '{task}' names no version.", f"Write {name}@{max(versions, key=int)}.")
    else:
        yield Problem(task.place, f"There is no task '{task}'.", nearest(task, names))


def canonical_inputs(inputs: Fields, described: Schema) -> Fields:
    """The inputs under their first names: they are written without regard to case, and some have aliases."""
    names: dict[str, str] = {}
    for name, schema in described.get("properties", {}).items():
        names[name.lower()] = name
        for alias in schema.get("aliases", []):
            names.setdefault(alias.lower(), name)
    pairs = [(Text(names.get(key.lower(), key), key.place), value) for key, value in inputs]
    return Fields(pairs, inputs.place)


def _input_faults(
    step: Fields, task: Text, inputs: Fields, described: Schema, schema: ServiceSchema
) -> Iterator[Problem]:
    place = step.key("inputs").place if "inputs" in step else step.place
    known = described.get("properties", {})
    for key, value in inputs:
        if key not in known and "${{" not in key:
            if described.get("additionalProperties") is False:
                yield Problem(key.place, f"{task} has no input '{key}'.", nearest(key, known))
        elif key in known:
            yield from schema.faults(value, known[key], place_of(value, key.place), f"The input '{key}' of {task}")
    for name in described.get("required", []):
        if name not in inputs and not any("${{" in key for key in inputs.names()):
            yield Problem(place, f"{task} needs the input '{name}'.", "Add it under 'inputs'.")
    yield from _documented_only(task, inputs)


def _documented_only(task: Text, inputs: Fields) -> Iterator[Problem]:
    """What only the documentation requires."""
    if task.lower() == "azurecli@2":
        location = str(inputs.get("scriptLocation") or "scriptPath")
        wanted = {"inlinescript": "inlineScript", "scriptpath": "scriptPath"}.get(location.lower())
        if wanted and wanted not in inputs:
            what = f"{task} with scriptLocation {location} needs '{wanted}'."
            yield Problem(task.place, what, "The default of scriptLocation is scriptPath.")
    if task.lower() == "publishtestresults@2" and "testResultsFiles" not in inputs:
        yield Problem(task.place, f"{task} without 'testResultsFiles' looks for **/TEST-*.xml.", "Name the files.")


def _extra_faults(step: Fields, task: Text, extra: TaskInputs) -> Iterator[Problem]:
    inputs = fields_of(step.get("inputs"))
    legal = (*extra.required, *extra.optional)
    for key in inputs.names():
        if key.lower() not in (name.lower() for name in legal):
            yield Problem(key.place, f"{task} has no input '{key}'.", nearest(key, legal))
    for name in extra.required:
        if inputs.lookup(name) is None:
            yield Problem(task.place, f"{task} needs the input '{name}'.", "Add it under 'inputs'.")
