"""Send a step's output variables, build tags, summaries and warnings to its build agent.

The agent of Azure Pipelines reads logging commands from a step's output, one a line. They are printed only for an
agent, which sets TF_BUILD, or if `--pipeline-variables` asks for them. The runner of GitHub Actions names two files
instead, for output variables and for the page of the step.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_service.output.closing import Closing
from ml_service.output.console import Terminal
from ml_service.output.markdown import render

_PAGE = Path(__file__).with_name("page.md.j2")
_TABLE = Path(__file__).with_name("table.md.j2")
_IN_MESSAGE = {"%": "%AZP25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = {**_IN_MESSAGE, "]": "%5D", ";": "%3B"}


@dataclass(frozen=True)
class Agent:
    """The build agent that runs this process; prints nothing if no agent reads logging commands."""

    terminal: Terminal
    listens: bool
    folder: Path = Path()
    """Where pages are written; the agent empties it after the job."""
    outputs_file: Path | None = None
    summary_file: Path | None = None
    """Of a runner of GitHub Actions."""

    def outputs(self, values: Mapping[str, object]) -> None:
        """Set output variables of this step, which later jobs and stages read by the step's name."""
        for name, value in values.items():
            text = "" if value is None else str(value)
            self._command(f"task.setvariable variable={_escaped(name, _IN_PROPERTY)};isOutput=true", text)
            if self.outputs_file:
                _append(self.outputs_file, f"{name}={' '.join(text.split())}\n")  # a line break would begin another

    def tag(self, *tags: str) -> None:
        """Tag the build; characters that a tag may not contain become a dash."""
        for tag in tags:
            self._command("build.addbuildtag", re.sub(r"[^A-Za-z0-9._-]+", "-", tag))

    def summary(self, page: Path) -> None:
        """Show a Markdown page on the summary of the build."""
        self._command("task.uploadsummary", str(page.resolve()))
        if self.summary_file:
            _append(self.summary_file, f"{page.read_text(encoding='utf-8')}\n")

    def page(self, title: str, closing: Closing, *, failed: bool = False) -> None:
        """Show on the summary of the build how the command ended, then what it printed, then the end of a log."""
        heading = f"{title.capitalize()}{' failed' if failed else ''}"
        values = {"answers": closing.answers, "log": "\n".join(closing.log)}
        self._show(title, _PAGE, title=heading, transcript=self.terminal.transcript, **values)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table on the summary of the build."""
        self._show(title, _TABLE, title=title, columns=columns, rows=rows)

    def _show(self, name: str, template: Path, **values: object) -> None:
        if self.listens or self.summary_file:
            page = self.folder / f"{name.replace(' ', '-')}-{os.getpid()}.md"
            page.write_text(render(template, **values), encoding="utf-8")
            self.summary(page)

    def warn(self, text: str) -> None:
        """Show a warning on the build."""
        self._command("task.logissue type=warning", text)

    def _command(self, command: str, message: str) -> None:
        if self.listens:
            self.terminal.logging_command(f"##vso[{command}]{_escaped(message, _IN_MESSAGE)}")


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as content:
        content.write(text)


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
