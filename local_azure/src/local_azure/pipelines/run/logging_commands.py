"""Logging commands in the output of steps, and what they do. An unknown one fails its step; the service warns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from local_azure.pipelines.language.tree import nearest
from local_azure.pipelines.run.run_state import FAILED, ISSUES, SUCCEEDED, worst

if TYPE_CHECKING:
    from local_azure.pipelines.run.job_runner import JobRun

_COMMAND = re.compile(r"##vso\[(\w+)\.(\w+)\s*([^\]]*)\](.*)", re.DOTALL)
# In this order, each once: %AZP25 comes last.
_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
_RESULTS = {"succeeded": SUCCEEDED, "succeededwithissues": ISSUES, "failed": FAILED}


class LoggingCommand(NamedTuple):
    """`##vso[area.action key=value;...]message`; names are in lower case."""

    name: str
    properties: dict[str, str]
    message: str


def logging_command(line: str) -> LoggingCommand | None:
    """The command that a line of output holds, anywhere in it."""

    def unescaped(text: str) -> str:
        for escape, character in _ESCAPES:
            text = text.replace(escape, character)
        return text

    match = _COMMAND.search(line)
    pairs = (part.partition("=") for part in match[3].split(";") if part.strip()) if match else ()
    properties = {key.strip().lower(): unescaped(value) for key, _, value in pairs}
    return LoggingCommand(f"{match[1]}.{match[2]}".lower(), properties, unescaped(match[4])) if match else None


def obey(run: JobRun, command: LoggingCommand) -> None:
    """Carry out a command; raises ValueError or OSError when it cannot be, which fails the step."""
    if command.name not in _HANDLERS:
        raise ValueError(f"There is no logging command '{command.name}'. {nearest(command.name, _HANDLERS)}")
    needed, handler = _HANDLERS[command.name]
    for name in needed.split():
        if not command.properties.get(name):
            raise ValueError(f"{command.name} needs the property '{name}'.")
    handler(run, command)


def _file(text: str) -> Path:
    path = Path(text.strip())
    if not path.is_absolute() or not path.exists():
        raise FileNotFoundError(f"The path '{text}' must be absolute and exist.")
    return path


def _set_variable(run: JobRun, command: LoggingCommand) -> None:
    name, value, step = command.properties["variable"], command.message, run.step.name
    flags = (command.properties.get(key, "").lower() == "true" for key in ("issecret", "isoutput", "isreadonly"))
    secret, output, readonly = flags
    if not output:
        run.table.set(name, value, secret=secret, readonly=readonly)
        return
    if not step:
        raise ValueError(f"The output '{name}' needs a step with a name.")
    run.table.declare(f"{step}.{name}", value, secret=secret)
    run.outputs[f"{run.job.name}.{step}.{name}" if run.job.deployment else f"{step}.{name}"] = value


def _complete(run: JobRun, command: LoggingCommand) -> None:
    wanted = command.properties["result"].lower()
    if wanted not in _RESULTS:
        raise ValueError(f"'{wanted}' is no result of task.complete. {nearest(wanted, _RESULTS)}")
    run.outcome = worst(run.outcome, _RESULTS[wanted])


def _log_issue(run: JobRun, command: LoggingCommand) -> None:
    kind = command.properties["type"].lower()
    if kind not in ("error", "warning"):
        raise ValueError(f"task.logissue has no type '{kind}'; it is error or warning.")
    run.issue(kind, command.message)


def _add_tag(run: JobRun, command: LoggingCommand) -> None:
    if ":" in command.message:
        raise ValueError(f"The build tag '{command.message}' holds a colon.")
    run.state.tags.append(command.message)


def _update_number(run: JobRun, command: LoggingCommand) -> None:
    run.state.build_number = command.message
    run.table.declare("Build.BuildNumber", command.message)


def _keep(run: JobRun, command: LoggingCommand) -> None:
    files = command.properties.get("resultfiles") or command.properties.get("summaryfile") or command.message
    for path in files.split(","):
        run.state.keep(run.label, _file(path), summary=command.name == "task.uploadsummary")


_HANDLERS: dict[str, tuple[str, Callable[[JobRun, LoggingCommand], object]]] = {
    "task.setvariable": ("variable", _set_variable),
    "task.setsecret": ("", lambda run, command: run.state.masker.add(command.message)),
    "task.complete": ("result", _complete),
    "task.logissue": ("type", _log_issue),
    "task.prependpath": ("", lambda run, command: run.prepend_path(Path(command.message))),
    "task.debug": ("", lambda run, command: run.say(f"##[debug]{command.message}")),
    "task.setprogress": ("", lambda run, command: run.say(f"{command.properties.get('value')}% {command.message}")),
    "task.uploadsummary": ("", _keep),
    "task.uploadfile": ("", _keep),
    "task.addattachment": ("type name", _keep),
    "artifact.upload": ("artifactname", lambda run, command: run.artifacts.publish(
        command.properties["artifactname"], _file(command.message))),
    "build.addbuildtag": ("", _add_tag),
    "build.updatebuildnumber": ("", _update_number),
    "build.uploadlog": ("", _keep),
    "results.publish": ("type", _keep),
    "codecoverage.publish": ("summaryfile", _keep),
}  # fmt: skip
