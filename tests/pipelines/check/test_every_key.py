"""Every key that the schema accepts is honored, refused by name, or ignored for a reason that is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_azure.pipelines.check.key_support import HONORED, IGNORED, KEYS, REFUSED
from local_azure.pipelines.check.schema.service_schema import SCHEMA_FILE

Faults = Callable[..., list[str]]
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["definitions"]
# Parts of KEYS, with the definition of the schema and the key by which its alternatives are chosen.
PARTS = {
    "pipeline": ("pipeline", None),
    "stage": ("stage", "stage"),
    "job": ("job", "job"),
    "deployment": ("job", "deployment"),
    "step": ("step", None),
    "strategy": ("jobStrategy", None),
    "deployment strategy": ("deploymentStrategy", None),
    "runOnce": ("runOnceDeploymentStrategy", None),
    "hook": ("deployHook", None),
    "on": ("onSuccessOrFailureHook", None),
    "environment": ("deploymentEnvironment", None),
    "pool": ("pool", None),
    "workspace": ("jobWorkspace", None),
    "variable": ("variable", None),
}


def keys_of(definition: str, mark: str | None) -> set[str]:
    """The keys that the schema accepts in one part."""
    schema = SCHEMA[definition]
    found: set[str] = set(schema.get("properties", {}))
    for option in schema.get("anyOf", []):
        resolved = SCHEMA["task"] if option.get("$ref") == "#/definitions/task" else option
        properties = set(resolved.get("properties", {}))
        if mark is None or mark in properties:
            found |= properties
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_key_of_the_schema_is_classified(part: str) -> None:
    assert set(KEYS[part]) == keys_of(*PARTS[part])


def test_the_table_has_no_other_part_and_gives_reasons() -> None:
    assert set(KEYS) == set(PARTS)
    for part, keys in KEYS.items():
        for key, support in keys.items():
            assert support.verdict in (HONORED, IGNORED, REFUSED), (part, key)
            assert support.verdict == HONORED or len(support.reason) > 10, (part, key)


BASE = {
    "pipeline": "ADDED\nsteps:\n- bash: echo\n",
    "stage": "stages:\n- stage: A\n  ADDED\n  jobs: [{job: J, steps: [{bash: echo}]}]\n",
    "job": "jobs:\n- job: J\n  ADDED\n  steps: [{bash: echo}]\n",
    "deployment": "jobs:\n- deployment: J\n  ADDED\n  environment: e\n"
    "  strategy: {runOnce: {deploy: {steps: [{bash: echo}]}}}\n",
    "step": "steps:\n- bash: echo\n  ADDED\n",
    "strategy": "jobs:\n- job: J\n  strategy:\n    ADDED\n  steps: [{bash: echo}]\n",
    "deployment strategy": "jobs:\n- deployment: J\n  environment: e\n  strategy:\n    ADDED\n",
    "environment": "jobs:\n- deployment: J\n  environment:\n    name: e\n    ADDED\n"
    "  strategy: {runOnce: {deploy: {steps: [{bash: echo}]}}}\n",
    "hook": "jobs:\n- deployment: J\n  environment: e\n"
    "  strategy:\n    runOnce:\n      deploy:\n        ADDED\n        steps: [{bash: echo}]\n",
}
# Values that the schema accepts, where a plain text is none.
VALUES = {
    "trigger": "manual", "checks": "[{type: x}]", "matrix": "{a: {B: c}}", "services": "{a: b}", "parallel": "'2'",
    "maxParallel": "'2'", "rolling": "{deploy: {steps: [{bash: echo}]}}", "strategy": "{parallel: 2}",
    "canary": "{deploy: {steps: [{bash: echo}]}}", "lfs": "true", "submodules": "true", "persistCredentials": "true",
    "workspaceRepo": "true", "phases": "[{phase: a, steps: [{bash: echo}]}]", "queue": "x", "server": "'true'",
    "pool": "server",
}  # fmt: skip
# Keys of steps that stand beside another first key, and first keys of steps.
CHECKOUT = ("lfs", "submodules", "path", "persistCredentials", "sparseCheckoutDirectories", "sparseCheckoutPatterns")
FIRST = ("powershell", "pwsh", "downloadBuild", "getPackage", "upload", "reviewApp")
OF_REFUSED_STEPS = ("errorActionPreference", "ignoreLASTEXITCODE")
REFUSED_KEYS = [
    (part, key)
    for part, keys in KEYS.items()
    for key, support in keys.items()
    if support.verdict == REFUSED and key not in OF_REFUSED_STEPS
]


def _with_key(part: str, key: str) -> str:
    added = f"{key}: {VALUES.get(key, 'x')}"
    if part == "step" and key in FIRST:
        return f"steps:\n- {added}\n"
    text = BASE[part].replace("ADDED", added)
    if part == "step" and key in (*CHECKOUT, "workspaceRepo"):
        return text.replace("bash: echo", "checkout: self")
    if part == "pipeline" and key in ("phases", "queue", "server"):
        return text if key != "phases" else f"{added}\n"
    return text


@pytest.mark.parametrize(("part", "key"), REFUSED_KEYS)
def test_a_refused_key_is_named(faults: Faults, part: str, key: str) -> None:
    found = faults(_with_key(part, key))
    assert any(f"'{key}'" in fault and "not supported" in fault for fault in found), found


def test_a_manual_stage_is_refused_at_its_line_and_an_automatic_one_is_not(faults: Faults) -> None:
    text = "stages:\n- stage: A\n  trigger: automatic\n  jobs: [{job: J, steps: [{bash: echo}]}]\n"
    assert faults(text) == []
    (found,) = faults(text.replace("automatic", "manual"))
    assert found.startswith("azure-pipelines.yml:3: 'trigger' of stage A is not supported locally: ")
    assert "by hand" in found


def test_defaults_that_are_written_out_are_no_fault(faults: Faults) -> None:
    keys = "lfs: false, submodules: false, persistCredentials: false, clean: true, fetchDepth: 1, fetchTags: false"
    assert faults(f"steps:\n- {{checkout: self, {keys}}}\n- bash: echo\n") == []


@pytest.mark.parametrize("key", ["strategy: {matrix: {a: {B: c}}}", "container: c", "services: {a: b}"])
def test_keys_of_a_job_at_the_root_belong_to_the_job(faults: Faults, key: str) -> None:
    found = faults(f"{key}\nsteps:\n- bash: echo\n")
    assert len(found) == 1
    assert "not supported locally" in found[0]
