"""Logging commands in the output of steps, and what they do. An unknown one fails its step; the service warns.

To add a command, write its function and list it in `_COMMANDS` with the properties that it needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from local_azure.pipelines.check.run_names import build_number_fault
from local_azure.pipelines.language.tree import nearest
from local_azure.pipelines.run.results import Result
from local_azure.pipelines.run.step_context import StepContext

# Outputs of one job.
MOST_OUTPUTS = 1_000
_START, _END = "##vso[", "]"
_NAME = re.compile(r"(\w+)\.(\w+)")
# In this order, each once: %AZP25 comes last.
_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
_RESULTS = {
    "succeeded": Result.SUCCEEDED,
    "succeededwithissues": Result.SUCCEEDED_WITH_ISSUES,
    "failed": Result.FAILED,
}


class LoggingCommand(NamedTuple):
    """`##vso[area.action key=value;...]message`; names are in lower case."""

    name: str
    properties: dict[str, str]
    message: str

    def flag(self, name: str) -> bool:
        """Return whether a property is true."""
        return self.properties.get(name, "").lower() == "true"


def logging_command(line: str) -> LoggingCommand | None:
    """Return the command that a line of output holds, anywhere in it."""
    start = line.find(_START)
    while start >= 0:
        inside = start + len(_START)
        name = _NAME.match(line, inside)
        if name is not None:
            end = line.find(_END, name.end())
            if end < 0:
                return None
            properties = _properties(line[name.end() : end])
            return LoggingCommand(name[0].lower(), properties, _unescaped(line[end + 1 :]))
        start = line.find(_START, inside)
    return None


def _properties(text: str) -> dict[str, str]:
    properties: dict[str, str] = {}
    for part in text.split(";"):
        key, _, value = part.partition("=")
        if part.strip():
            properties[key.strip().lower()] = _unescaped(value)
    return properties


def _unescaped(text: str) -> str:
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    return text


def obey(context: StepContext, command: LoggingCommand) -> None:
    """Carry out a command; raises ValueError or OSError when it cannot be, which fails the step."""
    if command.name not in _COMMANDS:
        raise ValueError(f"There is no logging command '{command.name}'. {nearest(command.name, _COMMANDS)}")
    known = _COMMANDS[command.name]
    for name in known.needed:
        if not command.properties.get(name):
            raise ValueError(f"{command.name} needs the property '{name}'.")
    known.obey(context, command)


def _existing(text: str) -> Path:
    path = Path(text.strip())
    if not path.is_absolute() or not path.exists():
        raise FileNotFoundError(f"The path '{text}' must be absolute and exist.")
    return path


def _set_variable(context: StepContext, command: LoggingCommand) -> None:
    name, value = command.properties["variable"], command.message
    secret = command.flag("issecret")
    if not command.flag("isoutput"):
        context.variables.set(name, value, secret=secret, readonly=command.flag("isreadonly"))
        return
    if not context.name:
        raise ValueError(f"The output variable '{name}' needs a step with a name.")
    if len(context.outputs) >= MOST_OUTPUTS:
        raise ValueError(f"Too many output variables: at most {MOST_OUTPUTS} per job; '{name}' was not set.")
    context.variables.declare(f"{context.name}.{name}", value, secret=secret)
    context.outputs[f"{context.output_prefix}{name}"] = value


def _complete(context: StepContext, command: LoggingCommand) -> None:
    wanted = command.properties["result"].lower()
    if wanted not in _RESULTS:
        raise ValueError(f"'{wanted}' is not a result of task.complete. {nearest(wanted, _RESULTS)}")
    context.worsen(_RESULTS[wanted])


def _log_issue(context: StepContext, command: LoggingCommand) -> None:
    kind = command.properties["type"].lower()
    if kind not in ("error", "warning"):
        raise ValueError(f"task.logissue has no type '{kind}'; it is error or warning.")
    context.log.issue(kind, command.message)


def _set_progress(context: StepContext, command: LoggingCommand) -> None:
    context.log.say(f"{command.properties.get('value')}% {command.message}")


def _upload_summary(context: StepContext, command: LoggingCommand) -> None:
    context.record.keep_summary(context.log.label, _existing(command.message))


def _upload_files(context: StepContext, command: LoggingCommand) -> None:
    """Keep the files that a property lists, else the file of the message."""
    files = command.properties.get("resultfiles") or command.properties.get("summaryfile") or command.message
    for path in files.split(","):
        context.record.keep_file(context.log.label, _existing(path))


def _upload_artifact(context: StepContext, command: LoggingCommand) -> None:
    context.record.artifacts.publish(command.properties["artifactname"], _existing(command.message))


def _add_tag(context: StepContext, command: LoggingCommand) -> None:
    if ":" in command.message:
        raise ValueError(f"The build tag '{command.message}' holds a colon.")
    context.record.add_tag(command.message)


def _update_number(context: StepContext, command: LoggingCommand) -> None:
    fault = build_number_fault(command.message)
    if fault:
        raise ValueError(fault)
    context.record.build_number = command.message
    context.variables.declare("Build.BuildNumber", command.message)


class _Command(NamedTuple):
    """What carries out a command, and the properties that it needs."""

    obey: Callable[[StepContext, LoggingCommand], None]
    needed: tuple[str, ...] = ()


_COMMANDS = {
    "task.setvariable": _Command(_set_variable, needed=("variable",)),
    "task.setsecret": _Command(lambda context, command: context.masker.add(command.message)),
    "task.complete": _Command(_complete, needed=("result",)),
    "task.logissue": _Command(_log_issue, needed=("type",)),
    "task.prependpath": _Command(lambda context, command: context.prepend_path(Path(command.message))),
    "task.debug": _Command(lambda context, command: context.log.say(f"##[debug]{command.message}")),
    "task.setprogress": _Command(_set_progress),
    "task.uploadsummary": _Command(_upload_summary),
    "task.uploadfile": _Command(_upload_files),
    "task.addattachment": _Command(_upload_files, needed=("type", "name")),
    "artifact.upload": _Command(_upload_artifact, needed=("artifactname",)),
    "build.addbuildtag": _Command(_add_tag),
    "build.updatebuildnumber": _Command(_update_number),
    "build.uploadlog": _Command(_upload_files),
    "results.publish": _Command(_upload_files, needed=("type",)),
    "codecoverage.publish": _Command(_upload_files, needed=("summaryfile",)),
}
