"""What the logging commands of a step do. An unknown one fails the step: the service only warns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.pipelines.output import LoggingCommand
from local_azure.pipelines.run_state import FAILED, ISSUES, SUCCEEDED, worst
from local_azure.pipelines.tree import nearest

if TYPE_CHECKING:
    from local_azure.pipelines.job_run import JobRun

_RESULTS = {"succeeded": SUCCEEDED, "succeededwithissues": ISSUES, "failed": FAILED}


def obey(run: JobRun, command: LoggingCommand) -> None:
    """Carry out a command; raises ValueError or OSError when it cannot be, which fails the step."""
    handler = _HANDLERS.get(command.name)
    if handler is None:
        raise ValueError(f"There is no logging command '{command.name}'. {nearest(command.name, _HANDLERS)}")
    handler(run, command)


def _needed(command: LoggingCommand, name: str) -> str:
    value = command.properties.get(name, "")
    if not value:
        raise ValueError(f"{command.name} needs the property '{name}'.")
    return value


def _file(text: str) -> Path:
    path = Path(text.strip())
    if not path.is_absolute():
        raise ValueError(f"The path '{text}' must be absolute.")
    if not path.exists():
        raise FileNotFoundError(f"The path '{text}' does not exist.")
    return path


def _set_variable(run: JobRun, command: LoggingCommand) -> None:
    name, value = _needed(command, "variable"), command.message
    secret, output, readonly = (
        command.properties.get(key, "").lower() == "true" for key in ("issecret", "isoutput", "isreadonly")
    )
    if not output:
        run.table.set(name, value, secret=secret, readonly=readonly)
        return
    step = run.step.step.name
    if step is None:
        raise ValueError(f"The output '{name}' needs a step with a name.")
    run.table.declare(f"{step}.{name}", value, secret=secret, readonly=True)
    prefix = f"{run.job.name}." if run.job.deployment else ""
    run.outputs[f"{prefix}{step}.{name}"] = value


def _complete(run: JobRun, command: LoggingCommand) -> None:
    wanted = _needed(command, "result")
    if wanted.lower() not in _RESULTS:
        raise ValueError(f"'{wanted}' is no result of task.complete. {nearest(wanted, _RESULTS)}")
    run.step.outcome = worst(run.step.outcome, _RESULTS[wanted.lower()])


def _log_issue(run: JobRun, command: LoggingCommand) -> None:
    kind = _needed(command, "type").lower()
    if kind not in ("error", "warning"):
        raise ValueError(f"task.logissue has no type '{kind}'; it is error or warning.")
    run.issue(kind, command.message)


def _add_tag(run: JobRun, command: LoggingCommand) -> None:
    if ":" in command.message:
        raise ValueError(f"The build tag '{command.message}' holds a colon.")
    run.state.tags.append(command.message)


def _update_number(run: JobRun, command: LoggingCommand) -> None:
    run.state.build_number = command.message
    run.table.declare("Build.BuildNumber", command.message, readonly=True)


def _attach(run: JobRun, command: LoggingCommand) -> None:
    _needed(command, "type")
    _needed(command, "name")
    run.state.keep(run.label, _file(command.message))


def _results(run: JobRun, command: LoggingCommand) -> None:
    _needed(command, "type")
    for path in (command.properties.get("resultfiles") or command.message).split(","):
        run.state.keep(run.label, _file(path))


_HANDLERS: dict[str, Callable[[JobRun, LoggingCommand], object]] = {
    "task.setvariable": _set_variable,
    "task.setsecret": lambda run, command: run.state.masker.add(command.message),
    "task.complete": _complete,
    "task.logissue": _log_issue,
    "task.prependpath": lambda run, command: run.prepend_path(Path(command.message)),
    "task.debug": lambda run, command: run.say(f"##[debug]{command.message}"),
    "task.setprogress": lambda run, command: run.say(f"{command.properties.get('value', '')}% {command.message}"),
    "task.uploadsummary": lambda run, command: run.state.keep(run.label, _file(command.message), summary=True),
    "task.uploadfile": lambda run, command: run.state.keep(run.label, _file(command.message)),
    "task.addattachment": _attach,
    "artifact.upload": lambda run, command: run.artifacts.publish(
        _needed(command, "artifactname"), _file(command.message)
    ),
    "build.addbuildtag": _add_tag,
    "build.updatebuildnumber": _update_number,
    "build.uploadlog": lambda run, command: run.state.keep(run.label, _file(command.message)),
    "results.publish": _results,
    "codecoverage.publish": lambda run, command: run.state.keep(run.label, _file(_needed(command, "summaryfile"))),
}
