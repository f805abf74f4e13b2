"""What a step prints never stops the server: every byte of a log is looked at in linear time, off the event loop."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.storage.store import Store
from tests.faults.fault_server import Machine, number_in
from tests.processor_time import least_seconds

MEGABYTE = 1_000_000
SILENCE_SECONDS = 0.2
ATTEMPTS = (
    3  # on a machine that is busy with other things one may be slow; a server that is stopped is slow each time
)
HERE = Path(__file__).parent

SEGMENT = "a" * 12
WORST = {
    "beginnings of tokens": "eyJ",
    "beginnings of tokens, with boundaries": "/eyJ",
    "heads of tokens": f"eyJ{SEGMENT}.",
    "two parts of a token": f"eyJ{SEGMENT}.eyJ{SEGMENT}.-/",
    "one long word": "a",
    "dashes": "-",
    "dots": ".",
    "signatures": "sig=",
    "short signatures": "sig=abc&",
    "account keys": "AccountKey=",
    "beginnings of a secret": "canary/",
    "a secret that meets itself": "zz",
    "new lines": "\n",
}


@pytest.fixture
def redactor(tmp_path: Path) -> Redactor:
    """One that knows some secrets."""
    store = Store(tmp_path / "store.sqlite")
    for number, secret in enumerate(
        ["canary/4711", "z" * 500, "z" * 499 + "y", *(f"other-{n}-é" for n in range(20))]
    ):
        store.put("w", "secret", str(number), {"value": secret})
    workspaces = SimpleNamespace(all=lambda: [SimpleNamespace(id="w")])
    return Redactor(store, cast(Any, workspaces), "start-token-1")


def seconds(redactor: Redactor, path: Path, text: str, enough: float) -> float:
    """How long a text is masked, as a log and as a text."""

    def mask() -> None:
        path.write_text(text, encoding="utf-8")
        list(redactor.read(path, 0, path.stat().st_size))
        redactor.scrub(path)
        redactor.text(text)

    return least_seconds(mask, enough)


@pytest.mark.parametrize("kind", WORST)
def test_anything_is_masked_in_linear_time(redactor: Redactor, tmp_path: Path, kind: str) -> None:
    """A quadratic pattern shows here already, before a megabyte would take minutes."""
    assert seconds(redactor, tmp_path / "log", WORST[kind] * (MEGABYTE // 20 // len(WORST[kind])), 2) < 2


@pytest.mark.parametrize(
    "kind",
    [
        "two parts of a token",
        *(pytest.param(kind, marks=pytest.mark.campaign) for kind in WORST if kind != "two parts of a token"),
    ],
)
def test_a_megabyte_of_anything_is_masked_in_seconds(redactor: Redactor, tmp_path: Path, kind: str) -> None:
    assert seconds(redactor, tmp_path / "log", WORST[kind] * (MEGABYTE // len(WORST[kind])), 30) < 30


@contextmanager
def probe(machine: Machine, folder: Path) -> Iterator[Callable[[], float]]:
    """Measures the server's longest silence from another process until it is asked for it."""
    stop = folder / "stop"
    words = [
        sys.executable,
        str(HERE / "probe_of_answers.py"),
        f"{machine.info.base_url}/metadata/endpoints",
        str(stop),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"

        def longest() -> float:
            stop.touch()
            return float(process.communicate(timeout=60)[0])

        try:
            yield longest
        finally:
            stop.touch()


def silence(machine: Machine, folder: Path, line: str) -> float:
    """Print a megabyte without a line break in a step, read it while it runs and afterwards; the longest silence."""
    (folder / "program.py").write_text(
        f"import os, pathlib, sys, time\nfolder = pathlib.Path(sys.argv[2])\n"
        f"sys.stdout.write({line!r} * ({MEGABYTE} // {len(line)}))\nsys.stdout.flush()\n"
        "(folder / 'partial').write_text(str(os.getpid()))\n(folder / 'partial').replace(folder / 'step')\n"
        "while not (folder / 'go').exists():\n    time.sleep(0.02)\nraise SystemExit(3)\n"
    )
    with probe(machine, folder) as longest:
        run_id = machine.submit("plain", first="secrets", folder=str(folder))
        number_in(folder / "step")
        assert len(machine.step_log(run_id)) > MEGABYTE * 0.99
        (folder / "go").touch()
        assert machine.ended(run_id) == "failed"
        assert len(machine.step_log(run_id)) > MEGABYTE * 0.99
        return longest()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "two parts of a token",
        *(
            pytest.param(kind, marks=pytest.mark.campaign)
            for kind in ("beginnings of tokens", "one long word", "signatures")
        ),
    ],
)
def test_a_megabyte_without_a_line_break_does_not_stop_the_server(shared: Machine, tmp_path: Path, kind: str) -> None:
    measured = []
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        measured.append(silence(shared, folder, WORST[kind]))
        print(f"{kind}: longest silence {measured[-1]:.3f} s")  # noqa: T201
        if measured[-1] < SILENCE_SECONDS:
            break
    assert min(measured) < SILENCE_SECONDS, measured
