"""What the documentation of tasks says about their inputs and the schema does not (as of 2026-11)."""

import re
from typing import Any, NamedTuple

from local_azure.pipelines.language.tree import Fields

# Inputs that the schema requires always and the task only for some values of others.
_REQUIRED_IN_ERROR = re.compile("helmdeploy@0 azure(SubscriptionForACR|ResourceGroupForACR|ContainerRegistry)")


class TaskInputs(NamedTuple):
    """The inputs of a task that the schema does not describe."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """Return the inputs in the words of the schema."""
        properties: dict[str, Any] = {name: {} for name in (*self.required, *self.optional)}
        return {"properties": properties, "required": list(self.required), "additionalProperties": False}


ADDED_TASKS = {
    "PublishCodeCoverageResults@2": TaskInputs(
        required=("summaryFileLocation",), optional=("pathToSources", "failIfCoverageEmpty")
    ),
    "AzureMLJobWaitTask@1": TaskInputs(
        required=("serviceConnection", "resourceGroupName", "azureMLWorkspaceName", "azureMLJobName")
    ),
}


def is_required_in_error(task: str, name: str) -> bool:
    """Return whether the schema demands an input that the task does not always need."""
    return _REQUIRED_IN_ERROR.match(f"{task.lower()} {name}") is not None


def conditionally_required(task: str, inputs: Fields) -> list[str]:
    """Return the inputs that only the documentation requires."""
    if task.lower() == "azurecli@2":
        inline = str(inputs.get("scriptLocation")).lower() == "inlinescript"
        return ["inlineScript" if inline else "scriptPath"]
    return ["testResultsFiles"] if task.lower() == "publishtestresults@2" else []
