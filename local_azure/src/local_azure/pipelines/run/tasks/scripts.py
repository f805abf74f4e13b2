"""Bash@3, CmdLine@2 and AzureCLI@2: the script really runs, against local_azure where it is an Azure client."""

from pathlib import Path

from local_azure.pipelines.run.step_context import Inputs, Script, StepContext, TaskEmulation, TaskError


def _run_script(context: StepContext, inputs: Inputs) -> bool:
    return context.run_script(context, _script(context, inputs))


def _run_azure_cli(context: StepContext, inputs: Inputs) -> bool:
    context.log.say(f"Task emulation: the connection '{inputs.get('azureSubscription')}' connects to local_azure.")
    script_type = inputs.get("scriptType", "bash")
    if script_type.lower() != "bash":
        raise TaskError(f"scriptType {script_type} cannot run here; use bash.")
    return context.run_script(context, _script(context, inputs)._replace(azure=True))


def _script(context: StepContext, inputs: Inputs) -> Script:
    """Return the script of a step; an inline one is written to a temporary file."""
    path = _inline_script(context, inputs) if _is_inline(inputs) else _script_file(context, inputs)
    return Script(path, inputs.get("workingDirectory", ""), inputs.get("arguments", ""))


def _is_inline(inputs: Inputs) -> bool:
    has_text = bool(inputs.get("script", inputs.get("inlineScript")))
    default = "inline" if has_text else ""
    return inputs.get("targetType", inputs.get("scriptLocation", default)).startswith("inline")


def _inline_script(context: StepContext, inputs: Inputs) -> Path:
    folder = context.folders.temporary
    path = folder / f"script-{len(list(folder.iterdir()))}.sh"
    path.write_text(inputs.get("script", inputs.get("inlineScript", "")), encoding="utf-8")
    return path


def _script_file(context: StepContext, inputs: Inputs) -> Path:
    path = context.folders.sources / inputs.get("filePath", inputs.get("scriptPath", ""))
    if not path.is_file():
        raise TaskError(f"The script {path} does not exist.")
    return path


BASH = TaskEmulation("Bash@3", _run_script, ("targetType", "filePath", "arguments", "script", "workingDirectory"))
CMD_LINE = TaskEmulation("CmdLine@2", _run_script, ("script", "workingDirectory"))
AZURE_CLI = TaskEmulation(
    "AzureCLI@2",
    _run_azure_cli,
    (
        "azureSubscription",
        "scriptType",
        "scriptLocation",
        "scriptPath",
        "inlineScript",
        "arguments",
        "workingDirectory",
        "useGlobalConfig",
        "visibleAzLogin",
        "keepAzSessionActive",
    ),
)
