"""One call of the command line: its streams, settings, build and workspaces, each created on first use."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # `--help` loads none of the modules that a verb needs
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
    """The objects that a verb works with, each created on first use."""

    terminal: Terminal
    for_agent: bool | None = None
    """Whether to print logging commands; None: only if a build agent runs this process."""
    verb: str = "command"
    """Title of its page."""
    exit_code: int = 0
    """Exit code of the process if nothing fails."""
    ending: Ending | None = None
    """How it ended, once `ends` was called or a failure has ended it."""
    has_page: bool | None = None
    """Whether the build gets a page of this command; None: only for a failure."""
    events: list[Event] = field(default_factory=list)
    """Events to notify people of when the command has ended; a failure adds its own."""
    attempt: Attempt | None = None
    """The request, if a refusal of it is to be recorded in the ledger."""

    def ends(self, happened: str, todo: str = "", *, page: bool | None = None) -> None:
        """Set what the command has done and what to do next. page: also show it on the summary of the build."""
        from ml_service.output.closing import Ending

        self.ending, self.has_page = Ending(happened, todo), page

    def attempts(self, target: str, *, reason: str = "", refused_as: str = "", **evidence: str) -> None:
        """Record in the ledger if this command is refused from here on. refused_as: kind of that event."""
        from ml_service.audit.events.kinds import REQUEST_REFUSED, Attempt
        from ml_service.production.chain.entry import utc_now

        kind = refused_as or REQUEST_REFUSED
        self.attempt = Attempt(self.verb, target, utc_now(), reason.strip(), evidence, kind)

    @cached_property
    def witness(self) -> Witness:
        """The writer of events to the ledger."""
        from ml_service.audit.events.witness import Witness

        return Witness(self.workspace, self.settings, self.build, self.terminal.err)

    @cached_property
    def closing(self) -> Closing:
        """The closing lines of the command; created when exit code and ending are known."""
        from ml_service.output.closing import Ending, closing

        return closing(_live(self), self.ending or Ending("done"), self.exit_code)

    @cached_property
    def settings(self) -> Settings:
        """The settings; reading them reports all missing ones together."""
        from ml_service.settings import variables

        return variables.load()

    @cached_property
    def agent_settings(self) -> AgentSettings:
        """The settings from the build agent, which can be read even if the other settings are missing."""
        from ml_service.settings.variables import AgentSettings

        return AgentSettings()

    @cached_property
    def build(self) -> Build:
        """The current build."""
        from ml_service.settings.build import current_build

        return current_build(self.agent_settings)

    @cached_property
    def workspace(self) -> Workspace:
        """The training workspace, signed in."""
        from ml_service.settings import workspaces

        settings = self.settings
        self.terminal.err(f"opening workspace {settings.azureml_workspace_name}")
        return workspaces.open_training(settings)

    @cached_property
    def production(self) -> Workspace:
        """The production workspace, signed in."""
        from ml_service.settings import workspaces

        settings = self.settings
        if settings.has_production:
            self.terminal.err(f"opening workspace {settings.azureml_production_workspace_name}")
        return workspaces.open_production(settings)

    @cached_property
    def agent(self) -> Agent:
        """The build agent, which reads our logging commands."""
        from ml_service.output.agent import Agent

        listens = bool(self.agent_settings.tf_build) if self.for_agent is None else self.for_agent
        folder = self.agent_settings.agent_tempdirectory or tempfile.gettempdir()
        files = (self.agent_settings.github_output, self.agent_settings.github_step_summary)
        outputs, summary = (Path(name) if name else None for name in files)
        return Agent(self.terminal, listens, Path(folder), outputs, summary)

    @cached_property
    def ask(self) -> Ask:
        """The function that reads the approval of a build."""
        from ml_service.azure_devops.approvals import read_approval, reader_of
        from ml_service.azure_devops.client import open_project
        from ml_service.github import approvals as github

        repository, note = github.open_repository(self.settings), self.terminal.err
        if repository is not None:
            return reader_of(partial(github.read_approval, repository), "run", note)
        project = open_project(self.settings)
        if project is not None:
            return reader_of(partial(read_approval, project), "build", note)
        return lambda _build_id, _stage: None

    @cached_property
    def desk(self) -> Desk:
        """The objects needed to record transitions of candidates."""
        from ml_service.production.candidates.recording import Desk

        return Desk(self.workspace, self.settings, self.build, self.ask, self.terminal.err)

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
        """Both workspaces for read-only verbs; production may be missing, because the user may have no role there."""
        from azure_ml.errors import AzureMlError
        from forecasting.problem.problem_file import Problem
        from ml_service.audit.serving import View

        production = None
        if self.settings.has_production:
            try:
                production = self.production
            except AzureMlError as error:
                self.terminal.err(f"production cannot be read: {error}")
        problem = Problem(self.settings.problem_file).series.name
        return View(self.workspace, production, self.settings, self.build, self.terminal, problem, self.ask)


def demand_version(option: str, text: str | None, *words: str) -> None:
    """Raise InvalidRequestError if a text is given that is neither a version nor one of the words."""
    if text and text not in words and not (text.isdecimal() and int(text) >= 1):
        from ml_service.errors import InvalidRequestError

        raise InvalidRequestError(
            f"{option} {text} is not a version", expected=f"a number from 1, or {' or '.join(words)}"
        )


def given(reason: str, option: str = "--reason") -> str:
    """Return a reason as it is recorded, empty if none is given. Raises: InvalidRequestError."""
    from ml_service.settings.override import demand_recordable, text_of

    text = text_of(reason)
    demand_recordable(option, text)
    return text


@contextmanager
def session(as_json: bool, for_agent: bool | None = None, *, verb: str = "command") -> Iterator[Session]:
    """Run one verb, close it with what is live, what happened and what to do next, and end the process.

    Failures that are not bugs of this program are shown as a message. The SDK's progress output is dropped, because
    standard output is reserved for our result.
    """
    from ml_service.output.closing import Ending, of_error
    from ml_service.output.console import Terminal
    from ml_service.output.failures import explain

    opened, refusal = Session(Terminal(as_json=as_json), for_agent, verb), None
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
            _notify_of(opened, known)
            refusal = known if opened.attempt is not None else None
        if refusal is not None and _waits_for_nothing(opened):
            _record_refusal(opened, refusal)
            refusal = None
        _close(opened)
        if refusal is not None:
            _record_refusal(opened, refusal)
    raise typer.Exit(opened.exit_code)


def _notify_of(opened: Session, known: ExplainedError) -> None:
    from ml_service.output.webhook import events_of_error

    opened.events += events_of_error(known)


def _waits_for_nothing(opened: Session) -> bool:
    """Whether a refusal may be recorded before it is told: at a terminal nobody should wait for a slow workspace."""
    return "workspace" in vars(opened) or opened.agent.listens


def _record_refusal(opened: Session, known: ExplainedError) -> None:
    """Record a refused request in the ledger, if the workspace can be opened."""
    from ml_service.output.failures import explain

    if opened.attempt is None:
        return
    try:
        opened.witness.record_refusal(opened.attempt, known)
    except KeyboardInterrupt:
        opened.terminal.err("note: this is not recorded in the ledger, because you interrupted that")
    except Exception as error:
        if explain(error) is None:
            raise
        opened.terminal.err("note: this is not recorded in the ledger, because the workspace cannot be opened")


def _anchor(opened: Session) -> None:
    """Anchor the last entry of the ledger in a tag, the log and the summary of the build."""
    from ml_service.output.failures import explain

    if "witness" not in vars(opened) or not opened.agent.listens:
        return
    try:
        last = opened.witness.last()
    except Exception as error:
        if explain(error) is None:
            raise
        opened.terminal.err("note: the last entry of the ledger cannot be read, so this build has no anchor of it")
        return
    if last is not None:
        opened.terminal.out(f"ledger     entry {last.sequence}, sha256 {last.sha256}")
        opened.agent.tag(last.tag)


def _close(opened: Session) -> None:
    """Print the closing of a command, show it on a page of the build, and send notifications if configured."""
    _anchor(opened)
    failed = bool(opened.exit_code)
    opened.terminal.print_closing(opened.closing.lines, failed=failed)
    has_page = failed if opened.has_page is None else opened.has_page
    if has_page and "settings" in vars(opened):  # they tell whether this is a build agent
        opened.agent.page(opened.verb, opened.closing, failed=failed)
    if "settings" in vars(opened) and opened.settings.notification_webhook.get_secret_value():
        _notify(opened)


def _notify(opened: Session) -> None:
    """Send the events to the webhook; an unreachable receiver costs a few seconds and changes nothing."""
    from ml_service.output.webhook import event_of_failure, send

    failure = event_of_failure(opened.verb, opened.exit_code)
    events = dict.fromkeys([*opened.events, *([failure] if failure else [])])
    url = opened.settings.notification_webhook.get_secret_value()
    for line in send(url, [_notice(opened, event) for event in events]):
        opened.terminal.err(line)


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
    """Return what is live, as far as the workspaces opened by this command show it."""
    parts: dict[str, Any] = vars(opened)
    training, production = parts.get("workspace"), parts.get("production")
    if training is None and production is None:
        from ml_service.output.closing import NOT_OPENED

        return NOT_OPENED
    from ml_service.audit.live_now import live_now

    return live_now(opened.settings, training, production)
