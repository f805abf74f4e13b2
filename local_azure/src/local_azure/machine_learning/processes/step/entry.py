"""Entry of a forked child that runs a step: a script, or a command, with the secret of the step.

A command that is Python runs in this very process, anything else in a shell.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any, NoReturn

from local_azure.machine_learning.processes.step import sign_in
from local_azure.machine_learning.processes.step.script import run_module, run_script

# The client splits a command into words, so quotes are gone; operators are recognized by their form.
_OPERATORS = frozenset(("&&", "||", "|", ";", "&", "<", ">", ">>", "2>", "2>&1", "(", ")"))
# A folder with a sitecustomize: what a shell starts in this interpreter ends as a script of ours would.
_STARTUP = Path(__file__).parent / "startup"


def enter(message: dict[str, Any], _listener: int | None) -> int:
    """Run the step and return its exit code; message holds "script" or "command", and "arguments"."""
    sign_in.adopt()
    if "command" in message:
        return run_command([message["command"], *message["arguments"]])
    return run_script(message["script"], message["arguments"])


def _shell_word(word: str) -> str:
    if word in _OPERATORS or word.endswith(";"):
        return word
    if "$" in word:
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`") + '"'
    return shlex.quote(word)


def shell_line(words: list[str]) -> str:
    """The command as a shell reads it: operators and variables as they are, all else literally."""
    return " ".join(map(_shell_word, words))


def _is_plain(words: list[str]) -> bool:
    return not any(word in _OPERATORS or word.endswith(";") or "$" in word for word in words)


def _into_shell(words: list[str]) -> NoReturn:
    interpreter = str(Path(sys.executable).parent)  # `python` is this one, whatever else there is
    os.environ["PATH"] = os.pathsep.join(filter(None, (interpreter, os.environ.get("PATH", ""))))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_STARTUP), os.environ.get("PYTHONPATH", ""))))
    os.execvp("/bin/sh", ["sh", "-c", shell_line(words)])  # noqa: S606 - the command is the user's own


def run_command(words: list[str]) -> int:
    """Run a command in the current directory, the snapshot; returns its exit code, or never, in a shell."""
    if words[0] in ("python", "python3") and len(words) > 1 and _is_plain(words):
        if words[1] == "-m" and len(words) > 2:
            return run_module(words[2], words[3:])
        if not words[1].startswith("-"):
            return run_script(words[1], words[2:])
    _into_shell(words)
