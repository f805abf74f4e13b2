"""The command line and the variables of a step, from its interface and the mounts of its data. Pure.

Source: the forms of arguments that `azureml-pipeline-core` writes, as listed in the class StructuredArgument's users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_azure.machine_learning.domain.access.addresses import CLOUD_NAME, Addresses
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.storage.store import Document

# Anywhere in a word: users write f"folder={output.arg_val}".
_REFERENCE = re.compile(r"(?:DatasetOutputConfig:|DatasetConsumptionConfig:|\$AZUREML_DATAREFERENCE_)(\w+)")
_BY_PARAMETER = "$AML_PARAMETER_"
RUN_TOKEN_LEEWAY_SECONDS = 300


def _path(paths: dict[str, str], name: str, step: Step) -> str:
    if name not in paths:
        raise bad_request(
            f"Step '{step.name}' has an argument for '{name}', which is neither an input nor an output."
        )
    return paths[name]


def _literal(text: str, step: Step, paths: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda found: _path(paths, found.group(1), step), text)


def _word(argument: Document, step: Step, paths: dict[str, str]) -> str:
    kind, value = str(argument["ValueType"]).lower(), argument.get("Value")
    if kind in ("literal", "0"):
        return _literal(str(value), step, paths)
    if kind in ("parameter", "1"):
        return "" if step.parameters.get(str(value)) is None else str(step.parameters[str(value)])
    if kind in ("input", "output", "2", "3"):
        return _path(paths, str(value), step)
    if kind in ("nestedlist", "4"):
        return "".join(_word(nested, step, paths) for nested in argument["NestedArgumentList"])
    raise not_implemented(f"an argument of kind {argument['ValueType']}")


def command_line(step: Step, paths: dict[str, str]) -> list[str]:
    """Return the words behind the name of the script or command.

    paths: mounts of inputs and outputs, by port (of a direct input: its id).
    """
    given = step.parameters.get("Arguments")
    if step.module.get("StepType") == "ModuleStep" and given:  # the step's own, in place of those of its module
        return [_listed(word, step, paths) for word in given.split(",")]
    return [_word(argument, step, paths) for argument in step.interface.get("Arguments") or []]


def _listed(word: str, step: Step, paths: dict[str, str]) -> str:
    """Return one of the arguments that the client writes as one text, with commas in between."""
    name = word.removeprefix(_BY_PARAMETER)
    if name == word:
        return _literal(word, step, paths)
    # In the name of the variable, the client writes what is not a letter, digit or underscore as an underscore.
    values = {re.sub(r"\W", "_", parameter): value for parameter, value in step.parameters.items()}
    return "" if values.get(name) is None else str(values[name])


@dataclass(frozen=True)
class RunIdentity:
    """Which run a process belongs to: workspace, experiment, its own id and that of the run at the top."""

    workspace: Workspace
    experiment_name: str
    run_id: str
    root_run_id: str


def run_variables(
    identity: RunIdentity, experiment_id: str, token: str, token_expiry: int, base_url: str
) -> dict[str, str]:
    """Return the variables that make a process a submitted run for the SDK (`Run.get_context()`)."""
    workspace = identity.workspace
    return {
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription,
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": identity.experiment_name,
        "AZUREML_EXPERIMENT_ID": experiment_id,
        "AZUREML_WORKSPACE_ID": workspace.id,
        "AZUREML_RUN_ID": identity.run_id,
        "AZUREML_ROOT_RUN_ID": identity.root_run_id,
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(token_expiry - RUN_TOKEN_LEEWAY_SECONDS),
        "AZUREML_SERVICE_ENDPOINT": base_url,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{base_url}/discovery",
        "AZUREML_EXPERIMENT_SCOPE": f"{workspace.arm_id}/experiments/{identity.experiment_name}",
        "AZUREML_WORKSPACE_SCOPE": workspace.arm_id,
        "AZUREML_CURRENT_CLOUD": CLOUD_NAME,
        "HBI_WORKSPACE_JOB": "true",
    }


def sign_in_variables(addresses: Addresses, secret: str) -> dict[str, str]:
    """Return the variables by which a script that signs in by itself gets a token of its run, never at Azure."""
    return {
        "ARM_CLOUD_METADATA_URL": addresses.clouds(secret),
        "MSI_ENDPOINT": addresses.managed_identity(secret),
    }


def data_variables(step: Step, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """Return the variables of data and parameters; they fill `run.input_datasets` and `run.output_datasets`."""
    variables: dict[str, str] = {}
    for name, value in {**inputs, **outputs}.items():
        variables[f"AZUREML_DATAREFERENCE_{name}"] = variables[name] = value
    variables["AZUREML_DATASET_ENVIRONMENT_VARS"] = ",".join(f"{name}:{step.input_mode(name)}" for name in inputs)
    variables["AZUREML_DATASET_FILE_OUTPUTS"] = ";".join(outputs)
    for parameter in step.interface.get("Parameters") or []:
        if parameter.get("SetEnvironmentVariable"):
            name = parameter.get("EnvironmentVariableOverride") or f"AML_PARAMETER_{parameter['Name']}"
            variables[name] = str(step.parameters.get(parameter["Name"]))
    return {**step.configured_variables(), **variables}


def time_limit(step: Step) -> float | None:
    """Return the seconds that a step may take (`max_run_duration_seconds`), or None."""
    seconds = step.run_configuration.get("maxRunDurationSeconds")
    return float(seconds) if seconds else None
