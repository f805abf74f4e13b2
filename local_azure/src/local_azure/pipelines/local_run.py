"""A run from the command line: folders, approvals, the emulator, the summary and the exit code."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from local_azure import lifecycle
from local_azure.client_environment import client_environment
from local_azure.machine_learning.state import StateFolder
from local_azure.pipelines.check import check
from local_azure.pipelines.model import build
from local_azure.pipelines.pipeline import repository_root
from local_azure.pipelines.queue_facts import QueueFacts
from local_azure.pipelines.report import Report
from local_azure.pipelines.run import PipelineRun
from local_azure.pipelines.run_state import GOOD, RunState
from local_azure.pipelines.standins import unsupported

EXIT_FAILED, EXIT_REFUSED, EXIT_TIMED_OUT, EXIT_CANCELED = 1, 3, 124, 130


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about one run."""

    approve: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    ask: bool = False
    verbose: bool = False
    parallel: int = 2
    as_json: bool = False
    azure: Mapping[str, str] = field(default_factory=dict)


def run_file(
    state: StateFolder, file: Path, parameters: Mapping[str, str], facts: QueueFacts, options: RunOptions
) -> int:
    """Check and run one pipeline; returns the exit code."""
    expanded, problems = check(file, parameters, facts)
    pipeline = build(expanded.tree)
    problems = problems or unsupported(pipeline)
    if problems:
        for problem in problems:
            click.echo(str(problem), err=True)
        click.echo(f"{file}: refused; nothing ran.", err=True)
        return EXIT_REFUSED
    state.create()
    build_id, folder = _new_folder(state.root / "pipelines")
    report = Report(lambda line: click.echo(line, err=options.as_json), folder / "logs", verbose=options.verbose)
    emulator = _Emulator(state, report, options.azure)
    run_state = RunState(repository_root(file), folder, report, emulator.environment)
    report.say(f"run {build_id} of {expanded.file} ({facts.reason}, {facts.branch}), kept in {folder}")
    run = PipelineRun(pipeline, facts, run_state, _Approver(options).decide, build_id, options.parallel)
    with _interruptible(run_state):
        result = run.run()
    shutil.rmtree(folder / "work", ignore_errors=True)
    document = _document(run_state, build_id, result)
    (folder / "result.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if options.as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        _summary(run_state, result)
    if emulator.started:
        click.echo("local_azure goes on running; stop it with: python -m local_azure down", err=True)
    return _exit_code(run_state, result)


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


class _Emulator:
    """Starts local_azure when a step first needs it."""

    def __init__(self, state: StateFolder, report: Report, variables: Mapping[str, str]) -> None:
        self._state = state
        self._variables = variables
        self._report = report
        self.started = False

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of a client of the emulator."""
        info, started = lifecycle.ensure(self._state)
        if started:
            self._report.say(f"  local_azure started at {info.base_url}")
        self.started = self.started or started
        return client_environment(environment, self._state, info) | dict(self._variables)


class _Approver:
    """Decides about environments: as the command line says, else by asking, else no."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._lock = threading.Lock()

    def decide(self, environment: str, stage: str) -> bool:
        """Whether the deployments of a stage to an environment may begin."""
        if environment in self._options.reject:
            return False
        if environment in self._options.approve:
            return True
        if not self._options.ask and not sys.stdin.isatty():
            click.echo(
                f"The environment {environment} waits for an approval, and there is nobody to ask: "
                f"--approve {environment} or --reject {environment} decides.",
                err=True,
            )
            return False
        with self._lock:
            return click.confirm(f"Approve {stage} to the environment {environment}?", default=False, err=True)


@contextmanager
def _interruptible(state: RunState) -> Iterator[None]:
    """Ctrl-C cancels the run; steps with always() still run. A second one ends it at once."""

    def cancel(_: int, __: object) -> None:
        if state.canceled.is_set():
            raise KeyboardInterrupt
        state.canceled.set()
        state.report.say("canceled by Ctrl-C; once more ends it at once")

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _document(state: RunState, build_id: int, result: str) -> dict[str, object]:
    return {
        "result": result, "build_id": build_id, "build_number": state.build_number, "results": state.results,
        "rejected": state.rejected, "issues": [list(issue) for issue in state.issues], "tags": state.tags,
        "artifacts": state.artifacts.names(), "kept": [str(path) for path in state.kept], "folder": str(state.folder),
    }  # fmt: skip


def _summary(state: RunState, result: str) -> None:
    for path in state.kept:
        if path.parent.parent.name == "summaries":
            click.echo(f"\n{path.read_text(encoding='utf-8').rstrip()}")
    click.echo(f"\nRun {result}.")
    for name, outcome in state.results.items():
        if "." not in name:
            click.echo(f"  {name}: {outcome}")
    for kind, label, text in state.issues:
        click.echo(f"  {kind} in {label}: {text}")
    if state.artifacts.names():
        click.echo(f"  Artifacts: {', '.join(state.artifacts.names())}")
    click.echo(f"  Logs, artifacts and summaries: {state.folder}")


def _exit_code(state: RunState, result: str) -> int:
    if state.rejected:
        return EXIT_REFUSED
    if state.canceled.is_set():
        return EXIT_CANCELED
    if state.timed_out:
        return EXIT_TIMED_OUT
    return 0 if result in GOOD or result == "Skipped" else EXIT_FAILED
