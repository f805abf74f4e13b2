"""What is measured: each function does one runner's work once, in a fresh folder, and yields its times."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.comparison.samples import AGAIN, FIRST, Sample
from bench.measuring.processes import BenchError, Finished, local_azure, run, server

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data/adventureworks/daily_by_type.csv"
CLIENT = ROOT / "bench/sdk/client.py"
_STEPS = ("prepare", "train", "evaluate", "register")


def _whole(row: str, turn: str, *parts: Finished) -> Sample:
    """The sample of one or several whole processes."""
    seconds = sum(part.seconds for part in parts)
    cpu, others = sum(part.cpu for part in parts), sum(part.others for part in parts)
    return Sample(row, turn, seconds, cpu, others / seconds)


def _part(row: str, turn: str, seconds: float, whole: Finished) -> Sample:
    """The sample of a part of a process, which has been timed by the process itself."""
    return Sample(row, turn, seconds, None, whole.others / whole.seconds)


@dataclass
class Place:
    """Where one repetition works. `models`: hashes of all models so far, which must be one and the same."""

    folder: Path
    dvc_programs: Path
    models: set[str] = field(default_factory=set)

    def check_model(self, entries: list[Path]) -> None:
        """Refuse times of a run that did not register exactly one model, or another one than the others did."""
        if len(entries) != 1:
            raise BenchError(f"{len(entries)} files entry.json below {self.folder}; expected 1: the work was redone.")
        self.models.add(json.loads(entries[0].read_text(encoding="utf-8"))["sha256"])
        if len(self.models) != 1:
            raise BenchError(f"The runners trained different models: {', '.join(sorted(self.models))}.")


def dvc(place: Place) -> Iterator[Sample]:
    """`dvc repro` without a cache, and again."""
    project = place.folder
    shutil.copytree(ROOT / "bench/steps", project / "steps", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "bench/comparison/dvc.yaml", project)
    (project / "data").mkdir()
    shutil.copy(DATA, project / "data")
    # dvc keeps hashes of files outside the project too; here they go with it.
    variables = {name: str(project / ".dvc-home" / name) for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR")}
    variables |= {"PATH": f"{place.dvc_programs}{os.pathsep}{os.environ['PATH']}"}
    program = str(place.dvc_programs / "dvc")
    run([program, "init", "--no-scm", "--quiet"], project, variables)
    yield _whole("dvc", FIRST, run([program, "repro"], project, variables))
    again = run([program, "repro"], project, variables)
    if "up to date" not in again.output:
        raise BenchError(f"The second `dvc repro` did not find everything up to date:\n{again.output}")
    yield _whole("dvc", AGAIN, again)
    place.check_model(list(project.rglob("work/entry/entry.json")))


def scripts(place: Place) -> Iterator[Sample]:
    """The four scripts one after another, with no runner: what the step work itself takes."""
    work = place.folder
    folders = {name: str(work / name) for name in ("features", "model", "metrics", "entry")}
    given = {
        "prepare": {"data": str(DATA), "features": folders["features"]},
        "train": {name: folders[name] for name in ("features", "model")},
        "evaluate": {name: folders[name] for name in ("features", "model", "metrics")},
        "register": folders,
    }
    parts = []
    for step in _STEPS:
        words = [word for name, value in given[step].items() for word in (f"--{name}", value)]
        parts.append(run([sys.executable, str(ROOT / f"bench/steps/{step}.py"), *words], work))
    yield _whole("scripts", FIRST, *parts)
    place.check_model(list(work.rglob("entry.json")))


def _client(state: Path, *words: str) -> list[str]:
    return local_azure(state, "exec", *words, "--", sys.executable, str(CLIENT))


def from_nothing(place: Place, *words: str, row: str = "from_nothing") -> Iterator[Sample]:
    """local_azure with an empty state folder: start of the server, the client, stop of the server; and again."""
    state = place.folder / "state"
    for turn in (FIRST, AGAIN):
        yield _whole(row, turn, run([*_client(state, "--down", *words), "four"], place.folder))
        place.check_model(list(state.rglob("entry.json")))


def from_nothing_warm(place: Place) -> Iterator[Sample]:
    """The same with `exec --warm`, which has to preload first."""
    yield from from_nothing(place, "--warm", row="from_nothing_warm")


def server_up(place: Place, *words: str, row: str = "server_up") -> Iterator[Sample]:
    """The same client while a server is up that has never run anything; and again."""
    state = place.folder / "state"
    with server(state, place.folder, warm=bool(words)) as pids:
        for turn in (FIRST, AGAIN):
            yield _whole(row, turn, run([*_client(state, *words), "four"], place.folder, helpers=pids))
            place.check_model(list(state.rglob("entry.json")))


def server_up_warm(place: Place) -> Iterator[Sample]:
    """The same with `exec --warm`, which has preloaded before."""
    yield from server_up(place, "--warm", row="server_up_warm")


def submit_to_finished(place: Place) -> Iterator[Sample]:
    """From `submit` until the run is seen to be Finished, for the four steps and for five that log a metric."""
    state = place.folder / "state"
    with server(state, place.folder) as pids:
        for pipeline, steps in (("four", 4), ("five", 5)):
            for turn, reused in ((FIRST, 0), (AGAIN, steps)):
                done = run([*_client(state), pipeline, "--poll"], place.folder, helpers=pids)
                answer = json.loads(done.output.strip().splitlines()[-1])
                if answer["reused"] != reused:
                    raise BenchError(f"Pipeline {pipeline}: {answer['reused']} steps were reused, expected {reused}.")
                yield _part(pipeline, turn, answer["submit_to_finished"], done)
        place.check_model(list(state.rglob("entry.json")))


def product(place: Place) -> Iterator[Sample]:
    """What `make run` does, from nothing running to nothing running; and the part of it in which its run went on."""
    state = place.folder / "state"
    for turn in (FIRST, AGAIN):
        command = local_azure(state, "exec", "--down", "--", sys.executable, "-m", "ml_service", "rehearse")
        done = run(command, ROOT)
        yield _whole("rehearse", turn, done)
        found = re.search(r"^run +\S+ Finished in ([0-9.]+) s", done.output, re.MULTILINE)
        if found is None:
            raise BenchError(f"`ml_service rehearse` did not say how long its run took:\n{done.output}")
        yield _part("rehearse_run", turn, float(found.group(1)), done)


RUNNERS: dict[str, Callable[[Place], Iterator[Sample]]] = {
    "dvc": dvc,
    "scripts": scripts,
    "from_nothing": from_nothing,
    "from_nothing_warm": from_nothing_warm,
    "server_up": server_up,
    "server_up_warm": server_up_warm,
    "submit_to_finished": submit_to_finished,
    "product": product,
}
