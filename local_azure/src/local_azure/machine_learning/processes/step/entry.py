"""Entry of a forked child that runs a step: a script, or a command."""

from __future__ import annotations

from typing import Any

from local_azure.machine_learning.processes.step import sign_in
from local_azure.machine_learning.processes.step.command import run_command
from local_azure.machine_learning.processes.step.script import run_script


def enter(message: dict[str, Any], _listener: int | None) -> int:
    """Run the step and return its exit code; message holds "script" or "command", and "arguments"."""
    sign_in.adopt()
    if "command" in message:
        return run_command([message["command"], *message["arguments"]])
    return run_script(message["script"], message["arguments"])
