"""A run of a pipeline from the command line: folders, approvals, the emulator, the summary and the exit code."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from local_azure.cli import lifecycle
from local_azure.cli.approvals import Approver, pages
from local_azure.cli.client_environment import client_environment
from local_azure.cli.warm import PreloadedSteps
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.pipelines.check.whole import check
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.expand.pipeline import repository_root
from local_azure.pipelines.language.queue_facts import QueueFacts
from local_azure.pipelines.run.pipeline_run import PipelineRun
from local_azure.pipelines.run.run_state import CANCELED, FAILED, RunState
from local_azure.pipelines.run.tasks import unsupported

EXIT_FAILED, EXIT_REFUSED, EXIT_TIMED_OUT, EXIT_CANCELED = 1, 3, 124, 130


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about one run."""

    approve: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    ask: bool = False
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
    pipeline = Pipeline(expanded.tree)
    problems = problems or list(unsupported(pipeline))
    if problems:
        click.echo("\n".join([*map(str, problems), f"{file}: refused; nothing ran."]), err=True)
        return EXIT_REFUSED
    state.create()
    build_id, folder = _new_folder(state.root / "pipelines")
    host, approver = _Host(state, options), Approver(options.approve, options.reject, ask=options.ask)
    run = RunState(
        repository_root(file), folder, host.write, host.emulator, approver.decide, build_id, options.parallel,
        options.verbose,
    )  # fmt: skip
    run.say(f"run {build_id} of {expanded.file} ({facts.reason}, {facts.branch}), kept in {folder}")
    with _interruptible(run):
        try:
            result = PipelineRun(pipeline, facts, run).run()
        except KeyboardInterrupt:  # the second Ctrl-C: what was reached is kept and shown all the same
            result = CANCELED
    shutil.rmtree(folder / "work", ignore_errors=True)
    document = _document(run, result)
    (folder / "result.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    to_print = [page for page in pages(run) if options.pages and page not in approver.shown]
    click.echo(json.dumps(document, indent=2) if options.as_json else "\n".join(_summary(run, result, to_print)))
    if host.started:
        click.echo("local_azure goes on running; stop it with: python -m local_azure down", err=True)
    return _exit_code(run, result)


def _new_folder(root: Path) -> tuple[int, Path]:
    """The next build id, and its folder."""
    root.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in root.iterdir() if path.name.isdigit()), default=0)
    while True:
        number += 1
        try:
            (root / str(number)).mkdir()
        except FileExistsError:
            continue
        return number, root / str(number)


class _Host:
    """What a run needs of this machine: a terminal and the emulator."""

    def __init__(self, state: StateFolder, options: RunOptions) -> None:
        self._state = state
        self._options = options
        self._preloaded = PreloadedSteps(state) if options.warm else None
        if self._preloaded:
            self._preloaded.begin()
        self.started = False

    def write(self, line: str) -> None:
        """Show a line of progress."""
        click.echo(line, err=self._options.as_json)

    def emulator(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of an Azure client: it leads to the emulator, which is started when needed."""
        info, started = lifecycle.ensure(self._state)
        self.started = self.started or started
        client = client_environment(environment, self._state, info) | dict(self._options.azure)
        return self._preloaded.environment(info, client) if self._preloaded else client


@contextmanager
def _interruptible(run: RunState) -> Iterator[None]:
    """Ctrl-C cancels the run; steps with always() still run. A second one ends it at once."""

    def cancel(_: int, __: object) -> None:
        if run.canceled.is_set():
            raise KeyboardInterrupt
        run.canceled.set()
        run.write("canceled by Ctrl-C; once more ends it at once")

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _document(run: RunState, result: str) -> dict[str, object]:
    return {
        "result": result, "build_id": run.build_id, "build_number": run.build_number, "results": run.results,
        "rejected": run.rejected, "issues": [list(issue) for issue in run.issues], "tags": run.tags,
        "artifacts": run.artifacts.names(), "kept": [str(path) for path in run.kept], "folder": str(run.folder),
    }  # fmt: skip


def _summary(run: RunState, result: str, to_print: list[Path]) -> Iterator[str]:
    yield from (f"\n{path.read_text(encoding='utf-8').strip()}" for path in to_print)
    yield f"\nRun {run.build_number}: {result}"
    yield from (f"  {name}: {outcome}" for name, outcome in run.results.items() if "." not in name)
    yield from (f"  {kind} in {label}: {text}" for kind, label, text in run.issues)
    yield from (f"  Not approved: environment {name}; nothing was deployed to it." for name in run.rejected)
    yield from (f"  Page: {path}" for path in pages(run))
    if run.artifacts.names():
        yield f"  Artifacts: {', '.join(run.artifacts.names())}"
    yield f"  Kept in {run.folder}"


def _exit_code(run: RunState, result: str) -> int:
    if run.rejected:
        return EXIT_REFUSED
    if run.canceled.is_set():
        return EXIT_CANCELED
    if run.timed_out:
        return EXIT_TIMED_OUT
    return EXIT_FAILED if result == FAILED else 0
