"""A run of a pipeline from the command line: folders, approvals, the emulator, the summary and the exit code."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from local_azure.cli import exit_codes, lifecycle
from local_azure.cli.approvals import Approver
from local_azure.cli.client_environment import JOB_TOKEN, client_environment, is_under_exec
from local_azure.cli.output.terminal import show
from local_azure.cli.warm import PreloadedSteps
from local_azure.cli.workspace.studio_command import where
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.expand.expansion import repository_root
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.builds.record import REHEARSAL, Decision
from local_azure.pipelines.run.builds.server import ServedBuilds, serving
from local_azure.pipelines.run.pipeline_runner import PipelineRunner
from local_azure.pipelines.run.record import RunRecord
from local_azure.pipelines.run.results import Result
from local_azure.pipelines.run.run_state import Question, RunState
from local_azure.pipelines.run.tasks.steps import unsupported

_MOST_NAMES = 10_000


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about one run."""

    approve: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    comment: str = ""
    approver: str = REHEARSAL
    ask: bool = False
    studio: bool = False
    azure: Mapping[str, str] = field(default_factory=dict)
    verbose: bool = False
    parallel: int = 2
    as_json: bool = False
    pages: bool = False
    warm: bool = False


def run_file(
    state: StateFolder, file: Path, parameters: Mapping[str, str], facts: QueueFacts, options: RunOptions
) -> int:
    """Check and run one pipeline; returns the exit code."""
    expanded, problems = check(file, parameters, facts)
    pipeline = Pipeline(expanded.tree, facts)
    problems = problems or list(unsupported(pipeline))
    if problems:
        show("\n".join([*map(str, problems), f"{file}: refused; nothing ran."]), err=True)
        return exit_codes.REFUSED
    lifecycle.make_folder(state)
    record = _new_record(state.pipeline_runs)
    with serving(state.pipeline_runs) as served:
        host = _Host(state, options, record.masker, served)
        queued = {"file": str(file.absolute()), "parameters": dict(parameters), "azure": dict(options.azure)}
        run = RunState(repository_root(file), record, host, served, options.parallel, options.verbose, queued)
        run.say(f"run {record.build_id} of {expanded.file} ({facts.reason}, {facts.branch}), kept in {record.folder}")
        result = _result(PipelineRunner(pipeline, facts, run), run)
    record.build.end(result)
    shutil.rmtree(record.folder / "work", ignore_errors=True)
    document = json.dumps(record.document(result), indent=2)
    record.write_result(document)
    show(document if options.as_json else "\n".join(_summary(record, result, host.pages_to_print(record))))
    if host.started:
        click.echo("local_azure keeps running; stop it with: python -m local_azure down", err=True)
    if not is_under_exec(os.environ) and (info := state.running_server()):  # exec knows whether the server stays
        click.echo(where(info), err=True)
    return _exit_code(run, result)


def _result(runner: PipelineRunner, run: RunState) -> Result:
    with _interruptible(run):
        try:
            return runner.run()
        except KeyboardInterrupt:  # the second Ctrl-C: keep and show the results so far
            return Result.CANCELED


def _new_record(root: Path) -> RunRecord:
    """Create the record of a run with the next build id."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = max((int(path.name) for path in root.iterdir() if path.name.isdigit()), default=0)
    while True:
        number += 1
        try:
            (root / str(number)).mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunRecord(root / str(number), number)


class _Host:
    """What a run needs from this machine: a terminal, the emulator and an approver."""

    def __init__(self, state: StateFolder, options: RunOptions, masker: Masker, served: ServedBuilds) -> None:
        self._state = state
        self._masker = masker
        self._served = served
        self._options = options
        self._approver = Approver(
            options.approve,
            options.reject,
            ask=options.ask,
            wait=options.studio,
            person=options.approver,
            comment=options.comment,
        )
        self._preloaded = PreloadedSteps(state) if options.warm else None
        if self._preloaded:
            self._preloaded.begin()
        self.started = False

    def write(self, line: str) -> None:
        """Show a line of progress."""
        show(line, err=self._options.as_json)

    def azure_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return variables that point an Azure client at the emulator, which is started when needed."""
        info, started = lifecycle.ensure(self._state)
        self._masker.add(info.token)
        self._masker.add(info.studio_token)
        self.started = self.started or started
        client = client_environment(environment, self._state, info) | dict(self._options.azure)
        if environment.get(JOB_TOKEN) == self._served.token:  # only steps that map it get it
            client[JOB_TOKEN] = self._served.token
        return self._preloaded.environment(info, client) if self._preloaded else client

    def next_revision(self, name: str) -> int:
        """Return the next `$(Rev:r)` of a run name; above the cap, the oldest name is forgotten."""
        with (self._state.root / "run_names.json").open("a+", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            counts = _counts(stream.read())
            count = counts.pop(name, 0) + 1
            kept = [*counts.items(), (name, count)][-_MOST_NAMES:]
            stream.truncate(0)
            stream.write(json.dumps(dict(kept)))
        return count

    def approve(self, run: RunState, question: Question) -> Decision | None:
        """Decide whether the stage may deploy to the environment."""
        return self._approver.decide(run, question)

    def pages_to_print(self, record: RunRecord) -> list[Path]:
        """Return the pages to print: with --pages, those not yet shown with a question about an approval."""
        if not self._options.pages:
            return []
        return [page for page in record.summaries() if page not in self._approver.shown]


def _counts(text: str) -> dict[str, int]:
    """Return how often each name was used; an unreadable file resets all counts."""
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: count for name, count in document.items() if type(count) is int and count > 0}


@contextmanager
def _interruptible(run: RunState) -> Iterator[None]:
    """Cancel the run on Ctrl-C; steps with always() still run. A second Ctrl-C ends it at once."""

    def cancel(_: int, __: object) -> None:
        if run.canceled.is_set():
            run.aborted.set()
            raise KeyboardInterrupt
        run.canceled.set()
        run.host.write("canceled by Ctrl-C; press Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _summary(record: RunRecord, result: Result, to_print: list[Path]) -> Iterator[str]:
    yield from (f"\n{path.read_text(encoding='utf-8').strip()}" for path in to_print)
    yield f"\nRun {record.masker.mask(record.build_number)}: {result}"
    yield from (f"  {name}: {outcome}" for name, outcome in record.results.items() if "." not in name)
    yield from (f"  {kind} in {label}: {text}" for kind, label, text in record.issues)
    yield from (f"  Not approved: environment {name}; nothing was deployed to it." for name in record.rejected)
    yield from (f"  Page: {path}" for path in record.summaries())
    if record.artifacts.names():
        yield f"  Artifacts: {', '.join(record.artifacts.names())}"
    yield f"  Kept in {record.folder}"


def _exit_code(run: RunState, result: Result) -> int:
    if run.record.rejected:
        return exit_codes.REFUSED
    if run.canceled.is_set():
        return exit_codes.CANCELED
    if run.record.timed_out:
        return exit_codes.TIMED_OUT
    return exit_codes.FAILED if result is Result.FAILED else 0
