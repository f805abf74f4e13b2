"""What a step leaves behind, and what it prints: neither outlives the step nor holds it up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.run.agent.output_lines import MOST_LINE_CHARACTERS, Line, OutputLines
from local_azure.pipelines.run.agent.processes import Ending, run_command

Run = Callable[..., Any]


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _alive(pid)


@pytest.mark.parametrize("output", ["", ">/dev/null 2>&1"])
def test_a_detached_child_ends_with_its_step(run: Run, tmp_path: Path, output: str) -> None:
    started = time.monotonic()
    outcome = run(
        f"""
        steps:
        - bash: |
            setsid bash -c 'echo $$ > {tmp_path}/pid; exec sleep 60' {output} &
            until [ -s {tmp_path}/pid ]; do sleep 0.05; done
            echo done
        """
    )

    assert outcome.code == 0
    assert "done\n" in outcome.logs["__default.Job"]
    assert time.monotonic() - started < 30
    assert _gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("script", ["wait", "kill -9 $PPID"])
def test_timeouts_end_detached_children_too(run: Run, tmp_path: Path, script: str) -> None:
    started = time.monotonic()
    outcome = run(
        f"""
        steps:
        - bash: |
            trap '' INT TERM
            setsid bash -c 'trap "" INT TERM; echo $$ > {tmp_path}/pid; exec sleep 40' &
            until [ -s {tmp_path}/pid ]; do sleep 0.05; done
            {script}
          timeoutInMinutes: 0.02
        """
    )

    assert outcome.code == 1
    assert time.monotonic() - started < 30
    if script == "wait":
        assert _gone(int((tmp_path / "pid").read_text()))


def test_a_canceled_command_ends_although_others_hold_its_output(tmp_path: Path) -> None:
    canceled = threading.Event()
    threading.Timer(0.5, canceled.set).start()
    _, ending = run_command(
        ["bash", "-c", "setsid sleep 40 & exit_at=1; sleep 40"],
        tmp_path, dict(os.environ), lambda _: None, deadline=time.monotonic() + 30, canceled=canceled,
    )  # fmt: skip
    assert ending is Ending.CANCELED


def test_output_of_the_background_is_read_for_a_while(run: Run) -> None:
    log = run("steps:\n- bash: '(sleep 0.5; echo late) & echo early'\n").logs["__default.Job"]
    assert "early\n" in log
    assert "late\n" in log


def test_exit_codes_and_the_environment_pass_the_supervisor(tmp_path: Path) -> None:
    lines: list[Line] = []
    environment = {"PATH": os.environ["PATH"], "LANG": "C", "ODD": "\udcff"}
    script = 'env -0 | tr "\\0" "\\n"; kill -9 $$'
    code, _ = run_command(
        ["bash", "-c", script],
        tmp_path, environment, lines.append, deadline=time.monotonic() + 30, canceled=threading.Event(),
    )  # fmt: skip
    assert code == 128 + 9
    assert {line.text.partition("=")[0] for line in lines} <= {"PATH", "LANG", "ODD", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize("length", [MOST_LINE_CHARACTERS, MOST_LINE_CHARACTERS + 1])
def test_long_lines_are_cut(length: int) -> None:
    lines = OutputLines()
    found = [*lines.add(b"x" * length), *lines.add(b"\nnext\r"), *lines.add(b"\nlast"), *lines.end()]
    assert [(len(line.text), line.left_out) for line in found] == [
        (MOST_LINE_CHARACTERS, length - MOST_LINE_CHARACTERS), (4, 0), (4, 0),
    ]  # fmt: skip


def test_a_line_of_many_beginnings_of_commands_takes_no_time(run: Run) -> None:
    started = time.monotonic()
    outcome = run(
        """
        steps:
        - bash: |
            head -c 400000 /dev/zero | sed 's/\\x0/##vso[a.b /g'; echo
            echo after
        """
    )
    assert "after\n" in outcome.logs["__default.Job"]
    assert time.monotonic() - started < 20


def test_a_command_that_was_cut_fails_its_step(run: Run) -> None:
    outcome = run(f"steps:\n- bash: printf '##vso[task.setvariable variable=a]%0{MOST_LINE_CHARACTERS}d' 1\n")
    assert outcome.code == 1
    assert "the logging command exceeds" in outcome.logs["__default.Job"].lower()


def test_a_second_ctrl_c_ends_steps_with_always(run: Run) -> None:
    timers = [threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)) for seconds in (1, 5)]
    for timer in timers:
        timer.start()
    started = time.monotonic()
    outcome = run("steps:\n- bash: exec sleep 60\n- bash: exec sleep 61\n  condition: always()\n")
    assert outcome.code == 130
    assert time.monotonic() - started < 40
