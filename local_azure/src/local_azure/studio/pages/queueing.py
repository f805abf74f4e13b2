"""Queue a run of Azure Pipelines YAML from a form of its typed parameters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from starlette.responses import Response

from local_azure.machine_learning.errors import bad_request, not_found
from local_azure.machine_learning.processes.forking import orphans
from local_azure.studio.pages.visit import Section, Visit, address
from local_azure.studio.reading import pipeline_runs, queueable
from local_azure.studio.reading.pipeline_runs import PipelineRun
from local_azure.studio.reading.queueable import Queueable

PAGES = Section()
START_SECONDS = 20.0
MOST_QUEUED = 8  # runs at a time that the studio has started
_SHOWN_CHARACTERS = 4_000
_AGAIN_SECONDS = 1.0
_running: dict[int, subprocess.Popen[bytes]] = {}
_guard = threading.Lock()


@PAGES.get("/queue")
def choose(visit: Visit) -> Response:
    """The pipelines that can be queued, and the form of one."""
    return _page(visit, visit.query("file"))


def _page(visit: Visit, file: str, *, refused: str = "", status: int = 200) -> Response:
    found = _offered(visit)
    chosen = _chosen(found, file) if file else None
    declared = queueable.parameters(chosen.file) if chosen else []
    return visit.page(
        "queue.html.j2",
        status,
        found=found,
        chosen=chosen,
        parameters=declared,
        left_empty={one.name for one in declared if queueable.may_stay_empty(one)},
        before=queueable.given_before(chosen.last, "parameters") if chosen else {},
        open_runs=_open_runs(visit, chosen.file) if chosen else [],
        azure=queueable.given_before(chosen.last, "azure") if chosen else {},
        refused=refused,
    )


def _open_runs(visit: Visit, file: Path) -> list[PipelineRun]:
    """Return the runs of a pipeline that wait for an approval: a person may have forgotten them."""
    waiting = pipeline_runs.waiting(visit.parts.state.pipeline_runs)
    return [run for run in waiting if run.plan.get("file") == str(file)]


def _offered(visit: Visit) -> list[Queueable]:
    return queueable.files(visit.parts.state.pipeline_runs, visit.site.projects.all())


def _chosen(found: list[Queueable], file: str) -> Queueable:
    """Return one of the offered pipelines; whatever else a form names is refused."""
    for each in found:
        if str(each.file) == file:
            return each
    raise not_found("Pipeline", file[:200], "Open the studio from the folder of its project.")


@PAGES.post("/queue")
def queue(visit: Visit) -> Response:
    """Start a run, and lead to its page."""
    chosen = _chosen(_offered(visit), visit.field("file"))
    words = [sys.executable, "-m", "local_azure", "--state", str(visit.parts.state.root), "pipelines", "run"]
    # Of what the form holds nothing may be taken for an option of its own.
    words += [str(chosen.file), "--studio", f"--branch={visit.field('branch').strip() or 'main'}"]
    for declared in queueable.parameters(chosen.file):
        value = visit.field(f"parameter:{declared.name}")
        if value or (declared.default is not None and not queueable.may_stay_empty(declared)):
            words.append(f"--parameter={declared.name}={value}")
    words += [f"--azure={line.strip()}" for line in visit.field("azure").split("\n") if line.strip()]
    with tempfile.TemporaryFile() as output:
        process = _start(words, chosen.file.parent, output)
        number = _number_of(process, visit.parts.state.pipeline_runs)
        if number is None:
            told = _end_of(output) or "The run did not start."
            return _page(visit, str(chosen.file), refused=told, status=400)
    return visit.see(address("builds", str(number)))


def _start(words: list[str], folder: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a run; what it says goes to a file that has no name, so that it ends with the run."""
    with _guard:
        _forget_ended()
        if len(_running) >= MOST_QUEUED:
            raise bad_request(f"{MOST_QUEUED} runs of the studio are in progress; wait for one to end.")
        try:
            with orphans.GUARD:
                process = subprocess.Popen(
                    words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                )
                orphans.KEPT.add(process.pid)
        except (OSError, ValueError) as error:  # a value that is too long for an argument, or holds a zero byte
            raise bad_request(f"The run cannot be started with these values: {error}") from None
        _running[process.pid] = process
    return process


def _end_of(output: IO[bytes]) -> str:
    """Return the last characters of a file that another process may still write."""
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), _SHOWN_CHARACTERS, max(0, size - _SHOWN_CHARACTERS)).decode(errors="replace")


def _number_of(process: subprocess.Popen[bytes], root: Path) -> int | None:
    """Return the number of the run that a process has begun; None where it ends without one."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        for run in pipeline_runs.newest(root, MOST_QUEUED):
            if run.plan.get("process") == process.pid:
                return run.number
        if has_ended:
            return None
        time.sleep(0.05)
    return None


def _forget_ended() -> None:
    for pid, process in list(_running.items()):
        if process.poll() is not None:
            del _running[pid]
            orphans.KEPT.discard(pid)


def cancel_all() -> None:
    """Cancel the runs that the studio has started, because the server that they use is being stopped."""
    with _guard:
        _forget_ended()
        left = list(_running.values())
    _interrupt_all(left)
    if left:  # the second one ends steps that run always(): they would start the server again
        threading.Timer(_AGAIN_SECONDS, _interrupt_all, (left,)).start()


def _interrupt_all(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
