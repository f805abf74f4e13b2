"""One call of the command line: its streams, settings, build and workspaces, each made when it is first asked for."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # `--help` loads nothing of what a verb needs
    from azure_ml.errors import ExplainedError
    from azure_ml.workspace import Workspace
    from ml_service.audit.events.kinds import Attempt
    from ml_service.audit.events.witness import Witness
    from ml_service.audit.serving import View
    from ml_service.azure_devops.approvals import Ask
    from ml_service.output.agent import Agent
    from ml_service.output.closing import Closing, Ending
    from ml_service.output.console import Terminal
    from ml_service.output.webhook import Event, Notice
    from ml_service.production.candidates.recording import Desk
    from ml_service.production.site import Site
    from ml_service.settings.build import Build
    from ml_service.settings.variables import AgentSettings, Settings

INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
ForAgent = Annotated[
    bool | None,
    typer.Option(
        "--pipeline-variables/--no-pipeline-variables",
        help="Print logging commands for Azure Pipelines: output variables, build tags, summary. "
        "Default: on if TF_BUILD is set.",
    ),
]


@dataclass
class Session:
    """What a verb works with; each part is made when it is first asked for."""

    terminal: Terminal
    for_agent: bool | None = None
    """None: if a build agent runs this process."""
    verb: str = "command"
    """What its page is called."""
    exit_code: int = 0
    """What the process ends with when nothing fails."""
    ending: Ending | None = None
    """How it ends, where `ends` was called or a failure has ended it."""
    has_page: bool | None = None
    """Whether the build gets a page of this command; None: of a failure only."""
    events: list[Event] = field(default_factory=list)
    """What people are notified of when the command has ended; a failure adds its own."""
    attempt: Attempt | None = None
    """What the command was asked to do, where the ledger shall tell that it was refused."""

    def ends(self, happened: str, todo: str = "", *, page: bool | None = None) -> None:
        """Say what the command has done and what to do next. page: show it on the summary of the build too."""
        from ml_service.output.closing import Ending

        self.ending, self.has_page = Ending(happened, todo), page

    def attempts(self, target: str, *, reason: str = "", refused_as: str = "", **evidence: str) -> None:
        """From here on the ledger tells where this command is refused. refused_as: kind of that event."""
        from ml_service.audit.events.kinds import REQUEST_REFUSED, Attempt
        from ml_service.production.chain.entry import utc_now

        kind = refused_as or REQUEST_REFUSED
        self.attempt = Attempt(self.verb, target, utc_now(), reason.strip(), evidence, kind)

    @cached_property
    def witness(self) -> Witness:
        """Who writes events to the ledger."""
        from ml_service.audit.events.witness import Witness

        return Witness(self.workspace, self.settings, self.build, self.terminal.note)

    @cached_property
    def closing(self) -> Closing:
        """What the command ends with; made when exit code and ending are known."""
        from ml_service.output.closing import Ending, closing

        return closing(_live(self), self.ending or Ending("done"), self.exit_code)

    @cached_property
    def settings(self) -> Settings:
        """The settings; reading them reports everything that is missing at once."""
        from ml_service.settings import variables

        return variables.load()

    @cached_property
    def agent_settings(self) -> AgentSettings:
        """What the build agent tells; there is always some answer, also where the other settings are missing."""
        from ml_service.settings.variables import AgentSettings

        return AgentSettings()

    @cached_property
    def build(self) -> Build:
        """Which build this is."""
        from ml_service.settings.build import current_build

        return current_build(self.agent_settings)

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace, signed in."""
        from ml_service.settings import workspaces

        settings = self.settings
        self.terminal.note(f"opening workspace {settings.azureml_workspace_name}")
        return workspaces.open_training(settings)

    @cached_property
    def production(self) -> Workspace:
        """The production workspace, signed in."""
        from ml_service.settings import workspaces

        settings = self.settings
        if settings.has_production:
            self.terminal.note(f"opening workspace {settings.azureml_production_workspace_name}")
        return workspaces.open_production(settings)

    @cached_property
    def agent(self) -> Agent:
        """The build agent that reads our logging commands."""
        from ml_service.output.agent import Agent

        listens = bool(self.agent_settings.tf_build) if self.for_agent is None else self.for_agent
        folder = self.agent_settings.agent_tempdirectory or tempfile.gettempdir()
        files = (self.agent_settings.github_output, self.agent_settings.github_step_summary)
        outputs, summary = (Path(name) if name else None for name in files)
        return Agent(self.terminal, listens, Path(folder), outputs, summary)

    @cached_property
    def ask(self) -> Ask:
        """How the approval of a build is read."""
        from ml_service.azure_devops.approvals import reader_of
        from ml_service.github import approvals as github

        repository = github.open_repository(self.settings)
        if repository is not None:
            return github.reader_of(repository, self.terminal.note)
        return reader_of(self.settings, self.terminal.note)

    @cached_property
    def desk(self) -> Desk:
        """Who writes down what becomes of candidates."""
        from ml_service.production.candidates.recording import Desk

        return Desk(self.workspace, self.settings, self.build, self.ask, self.terminal.note)

    @cached_property
    def site(self) -> Site:
        """Both workspaces and the problem, for the verbs of production."""
        from forecasting.problem.problem_file import Problem
        from ml_service.production.site import Site

        production = self.production  # reports a missing setting before anything is signed in
        return Site(
            training=self.workspace,
            production=production,
            settings=self.settings,
            build=self.build,
            terminal=self.terminal,
            problem=Problem(self.settings.problem_file).series.name,
        )

    @cached_property
    def view(self) -> View:
        """Both workspaces for the verbs that only read; a person who may train may have no role in production."""
        from azure_ml.errors import AzureMlError
        from forecasting.problem.problem_file import Problem
        from ml_service.audit.serving import View

        production = None
        if self.settings.has_production:
            try:
                production = self.production
            except AzureMlError as error:
                self.terminal.note(f"production is not shown: {error}")
        problem = Problem(self.settings.problem_file).series.name
        return View(self.workspace, production, self.settings, self.build, self.terminal, problem, self.ask)


def demand_version(option: str, text: str | None, *words: str) -> None:
    """Raises: InvalidRequestError where a text that is given is neither a version nor one of the words."""
    if text and text not in words and not (text.isdecimal() and int(text) >= 1):
        from ml_service.errors import InvalidRequestError

        raise InvalidRequestError(
            f"{option} {text} is not a version", expected=f"a number from 1, or {' or '.join(words)}"
        )


def given(reason: str, option: str = "--reason") -> str:
    """A reason as it is recorded; empty where none is given. Raises: InvalidRequestError."""
    from ml_service.settings.override import demand_recordable, text_of

    text = text_of(reason)
    demand_recordable(option, text)
    return text


@contextmanager
def session(as_json: bool, for_agent: bool | None = None, *, verb: str = "command") -> Iterator[Session]:
    """Run one verb, close it with what is live, what happened and what to do next, and end the process.

    Failures that are not bugs of this program are shown as a message. The SDK prints its progress to standard output,
    where our result belongs: what it prints is dropped.
    """
    from ml_service.output.closing import Ending, of_error
    from ml_service.output.console import Terminal
    from ml_service.output.failures import explain

    opened = Session(Terminal(as_json=as_json), for_agent, verb)
    with redirect_stdout(io.StringIO()):
        try:
            yield opened
        except KeyboardInterrupt:
            opened.exit_code = INTERRUPTED
            opened.ending = Ending("interrupted; a run that was submitted continues")
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            opened.exit_code, opened.ending = known.exit_code, of_error(known)
            _record_refusal(opened, known)
            _notify_of(opened, known)
        _close(opened)
    raise typer.Exit(opened.exit_code)


def _notify_of(opened: Session, known: ExplainedError) -> None:
    from ml_service.output.webhook import events_of_error

    opened.events += events_of_error(known)


def _record_refusal(opened: Session, known: ExplainedError) -> None:
    """Let the ledger tell of a refused request, as far as the workspace can be opened."""
    from ml_service.output.failures import explain

    if opened.attempt is None:
        return
    try:
        opened.witness.record_refusal(opened.attempt, known)
    except Exception as error:
        if explain(error) is None:
            raise
        opened.terminal.note("note: the ledger does not tell of this: the workspace cannot be opened")


def _anchor(opened: Session) -> None:
    """Note the last entry of the ledger elsewhere: in a tag, the log and the summary of the build."""
    from ml_service.output.failures import explain

    if "witness" not in vars(opened) or not opened.agent.listens:
        return
    try:
        last = opened.witness.last()
    except Exception as error:
        if explain(error) is None:
            raise
        opened.terminal.note("note: the last entry of the ledger cannot be read, so this build does not note it")
        return
    if last is not None:
        opened.terminal.say(f"ledger     entry {last.sequence}, sha256 {last.sha256}")
        opened.agent.tag(last.tag)


def _close(opened: Session) -> None:
    """Print the closing of a command, show it on a page of the build, and notify people where they asked for it."""
    _anchor(opened)
    failed = bool(opened.exit_code)
    opened.terminal.close(opened.closing.lines, failed=failed)
    has_page = failed if opened.has_page is None else opened.has_page
    if has_page and "settings" in vars(opened):  # without them nobody knows whether an agent listens
        opened.agent.page(opened.verb, opened.closing, failed=failed)
    if "settings" in vars(opened) and opened.settings.notification_webhook.get_secret_value():
        _notify(opened)


def _notify(opened: Session) -> None:
    """Send what happened to the webhook; a receiver that is dead costs seconds and changes nothing."""
    from ml_service.output.webhook import event_of_failure, send

    failure = event_of_failure(opened.verb, opened.exit_code)
    events = dict.fromkeys([*opened.events, *([failure] if failure else [])])
    url = opened.settings.notification_webhook.get_secret_value()
    for line in send(url, [_notice(opened, event) for event in events]):
        opened.terminal.note(line)


def _notice(opened: Session, event: Event) -> Notice:
    from ml_service.output.webhook import Notice
    from ml_service.settings.build import build_url

    workspace = vars(opened).get("workspace")
    return Notice(
        event=event,
        subject=opened.settings.problem_file.stem,
        closing=opened.closing,
        build=opened.build.build_id,
        commit=opened.build.commit,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        link=build_url(opened.settings, opened.build.build_id),
        workspace=workspace.banner if workspace else "",
    )


def _live(opened: Session) -> str:
    """What is live, as far as the workspaces can tell that this command has opened."""
    parts: dict[str, Any] = vars(opened)
    training, production = parts.get("workspace"), parts.get("production")
    if training is None and production is None:
        from ml_service.output.closing import NOT_OPENED

        return NOT_OPENED
    from ml_service.audit.live_now import live_now

    return live_now(opened.settings, training, production)
