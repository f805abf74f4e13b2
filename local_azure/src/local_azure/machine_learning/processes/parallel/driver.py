"""The driver of a parallel run: mini-batches to workers, retries, limits on failures, the result, the logs."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from local_azure.machine_learning.processes.parallel import batches, entry_script, settings
from local_azure.machine_learning.processes.parallel.batches import MiniBatch
from local_azure.machine_learning.processes.parallel.settings import MOST_PROCESSES, Settings, SettingsError
from local_azure.machine_learning.processes.parallel.worker import Done, result_file, work
from local_azure.machine_learning.processes.step import sign_in

FORK = multiprocessing.get_context("fork")


class AbortedError(Exception):
    """The run cannot continue; the message says why."""


@dataclass
class _Worker:
    """A worker process. batch: what it is busy with; deadline: when that must have ended."""

    process: ForkProcess
    connection: Connection
    batch: MiniBatch | None = None
    deadline: float | None = None
    is_ready: bool = False


@dataclass
class _Tally:
    """What has been done so far. failed: mini-batches that have failed for good; lost: items without a result."""

    batches: int
    done: int = 0
    failed: int = 0
    lost: int = 0
    errors: list[str] = field(default_factory=list)


class Driver:
    """Runs all mini-batches of a step."""

    def __init__(self, wanted: Settings, plan: list[MiniBatch]) -> None:
        self._settings = wanted
        self._waiting = deque(plan)
        self._tries = dict.fromkeys((batch.index for batch in plan), 0)
        self._tally = _Tally(len(plan))
        self._workers: dict[Connection, _Worker] = {}
        self._started = 0

    def run(self) -> None:
        """Run to the end; raises an AbortedError where too much has failed."""
        try:
            self._start_worker()
            while self._tally.done + self._tally.failed < self._tally.batches:
                self._turn()
            self._check_percent()
            self._end_workers()
        finally:
            for worker in self._workers.values():
                worker.process.kill()
            self._report()
        self._write_result()

    def _start_others(self) -> None:
        """Start the other workers once init() of the first has returned: they find what it has downloaded.

        Entry scripts call Model.get_model_path, and of two processes at a time one would read half of a file.
        """
        for _ in range(min(self._process_count(), self._tally.batches) - 1):
            self._start_worker()

    def _process_count(self) -> int:
        asked = self._settings.processes
        if asked > MOST_PROCESSES:
            sys.stdout.write(
                f"process_count_per_node is {asked}; at most {MOST_PROCESSES} processes are started here.\n"
            )
        return min(asked, MOST_PROCESSES)

    def _start_worker(self) -> None:
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=work, args=(self._settings, self._started, theirs, os.getpid()))
        process.start()
        theirs.close()
        self._started += 1
        self._workers[ours] = _Worker(process, ours)

    def _turn(self) -> None:
        """Wait for the next answer or deadline, and act on it."""
        deadlines = [worker.deadline for worker in self._workers.values() if worker.deadline is not None]
        left = max(min(deadlines) - time.monotonic(), 0) if deadlines else None
        for connection in wait(list(self._workers), left):
            self._hear(self._workers[connection])  # type: ignore[index]
        now = time.monotonic()
        for worker in list(self._workers.values()):
            if worker.deadline is not None and worker.deadline <= now:
                self._lose(worker, f"run() took longer than run_invocation_timeout, {self._settings.timeout:g} s")

    def _hear(self, worker: _Worker) -> None:
        try:
            answer: Any = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker, "the process of the entry script ended while run() was called")
            return
        if isinstance(answer, Done):
            self._conclude(worker, answer)
        elif answer != "ready":
            raise AbortedError(f"The entry script '{self._settings.entry_script}' could not be started: {answer}")
        elif self._started == 1:
            self._start_others()
        worker.is_ready = True
        self._give_work(worker)

    def _give_work(self, worker: _Worker) -> None:
        if not self._waiting:
            return
        batch = self._waiting.popleft()
        self._tries[batch.index] += 1
        worker.batch, worker.deadline = batch, time.monotonic() + self._settings.timeout
        worker.connection.send(batch)

    def _lose(self, worker: _Worker, reason: str) -> None:
        """Replace a worker that has ended or hangs; its mini-batch has failed once more."""
        if not worker.is_ready:
            raise AbortedError(
                f"The entry script '{self._settings.entry_script}' ended the process before init() had returned."
            )
        worker.process.kill()
        worker.process.join()
        del self._workers[worker.connection]
        worker.connection.close()
        if worker.batch is not None:
            self._conclude(worker, Done(worker.batch.index, error=reason))
        if self._waiting:
            self._start_worker()

    def _conclude(self, worker: _Worker, done: Done) -> None:
        """Count a call of run(); a failed one is tried again as often as `run_max_try` says."""
        batch, worker.batch, worker.deadline = worker.batch, None, None
        if batch is None:
            return
        if not done.error:
            self._tally.done += 1
            self._tally.lost += max(batch.size - done.rows, 0)
        else:
            attempt = f"attempt {self._tries[batch.index]} of {self._settings.tries}"
            self._tally.errors.append(f"Mini-batch {batch.index}, {attempt}: {done.error}")
            sys.stdout.write(f"{self._tally.errors[-1]}\n")
            if self._tries[batch.index] < self._settings.tries:
                self._waiting.append(batch)
                self._wake(worker)
                return
            self._tally.failed += 1
            self._tally.lost += batch.size
        self._check_counts()

    def _wake(self, losing: _Worker) -> None:
        """Give a mini-batch that is tried again to a worker that waits, if another one does."""
        for worker in self._workers.values():
            if worker is not losing and worker.is_ready and worker.batch is None:
                self._give_work(worker)
                return

    def _check_counts(self) -> None:
        limits, tally = self._settings, self._tally
        if limits.error_threshold >= 0 and tally.lost > limits.error_threshold:
            raise AbortedError(
                f"{tally.lost} input items have no result; error_threshold allows {limits.error_threshold}. "
                "Correct run(), or raise error_threshold (-1 ignores all failures)."
            )
        if limits.failed_batches >= 0 and tally.failed > limits.failed_batches:
            raise AbortedError(
                f"{tally.failed} mini-batches have failed; allowed_failed_count allows {limits.failed_batches}."
            )

    def _check_percent(self) -> None:
        percent = 100 * self._tally.failed / self._tally.batches
        if percent > self._settings.failed_percent:
            raise AbortedError(
                f"{percent:.1f}% of the mini-batches have failed; "
                f"allowed_failed_percent allows {self._settings.failed_percent:g}%."
            )

    def _end_workers(self) -> None:
        """Let each worker send what it has logged, and end."""
        for worker in self._workers.values():
            worker.connection.send(None)
        for worker in self._workers.values():
            worker.process.join()

    def _report(self) -> None:
        tally = self._tally
        words = (
            f"{tally.batches} mini-batches: {tally.done} processed, {tally.failed} failed; "
            f"{tally.lost} input items without a result; {self._started} worker processes."
        )
        sys.stdout.write(f"{words}\n")
        entry_script.LOGS.mkdir(exist_ok=True)
        (entry_script.LOGS / "job_progress_overview.txt").write_text(words + "\n", encoding="utf-8")
        if tally.errors:
            text = "\n".join(tally.errors) + "\n"
            (entry_script.LOGS / "job_error.txt").write_text(text, encoding="utf-8")

    def _write_result(self) -> None:
        """Join the rows of all mini-batches, in the order of the inputs."""
        if not self._settings.appends_rows or self._settings.output is None:
            return
        self._settings.output.mkdir(parents=True, exist_ok=True)
        with (self._settings.output / self._settings.result_name).open("wb") as target:
            for index in range(self._tally.batches):
                if result_file(index).exists():
                    with result_file(index).open("rb") as rows:
                        shutil.copyfileobj(rows, target)


def _plan(wanted: Settings) -> list[MiniBatch]:
    """Return the mini-batches; raises an AbortedError where there are none or the inputs cannot be read."""
    batches.FOLDER.mkdir()
    if wanted.kind == settings.FILES and not wanted.partition_keys:
        plan = batches.of_files(wanted)
    else:
        reader = FORK.Process(target=_read, args=(wanted,))
        reader.start()
        reader.join()
        if reader.exitcode:
            raise AbortedError("The inputs of the step could not be read; the log has the reason.")
        plan = batches.planned()
    if not plan:
        raise AbortedError("The inputs of the step hold no data, so there are no mini-batches.")
    return plan


def _read(wanted: Settings) -> None:
    code = 1
    try:
        batches.plan_datasets(wanted)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # threads of the SDK would keep the process


def enter(message: dict[str, Any], _listener: int | None) -> int:
    """Run a parallel step in the current directory, the snapshot; returns its exit code. message: its "arguments"."""
    sign_in.adopt()
    try:
        wanted = settings.parse(message["arguments"])
        if not Path(wanted.entry_script).is_file():
            raise AbortedError(f"The snapshot has no file '{wanted.entry_script}'.")
        Driver(wanted, _plan(wanted)).run()
    except (AbortedError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
