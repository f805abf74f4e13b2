"""Signals, job control and the terminal reach a preloaded program as they reach a plainly started one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from client_machine import Machine  # type: ignore[import-not-found]

HANDLER = """
import os, signal, sys
def heard(number, _):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    if number in (signal.SIGTERM, signal.SIGQUIT): sys.exit(40)
for number in (1, 2, 3, 10, 12, 14, 15, 28, 34):
    signal.signal(number, heard)
os.write(1, b"ready %d\\n" % os.getpid())
while True: signal.pause()
"""


def lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Lines of a program's output."""
    assert process.stdout
    for line in process.stdout:
        yield line.decode().strip()


@pytest.mark.parametrize("plain", [False, True])
def test_signals_to_the_started_process(machine: Machine, plain: bool) -> None:
    with machine.start([machine.script(HANDLER)], plain=plain, variables={"REPORT": "1"}) as process:
        said = lines(process)
        assert "ready" in next(said)
        for number in (1, 2, 10, 12, 14, 28, 15):
            process.send_signal(number)
            assert next(said) == signal.Signals(number).name
        assert process.wait(10) == 40


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGKILL])
def test_a_signal_that_ends_it(machine: Machine, number: int) -> None:
    source = "import os, time\nprint('ready', os.getpid(), flush=True)\ntime.sleep(60)"
    ended = []
    for plain in (False, True):
        with machine.start([machine.script(source)], plain=plain, variables={"REPORT": "2"}) as process:
            pid = int(next(lines(process)).split()[1])
            time.sleep(0.2)  # until it sleeps
            process.send_signal(number)
            _, err = process.communicate(timeout=10)
            ended.append((process.returncode, err.lstrip(b"0123456789")))
            gone(pid)
    assert ended[0] == ended[1]
    assert ended[0][0] == -number


def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(descriptor):
        assert select.select([descriptor], [], [], 10)[0], f"process {pid} lives on"


class Terminal:
    """A pseudo-terminal with a program as the leader of its session, or below a shell."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid, self._master = pid, master
        self.said = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def until(self, text: str) -> str:
        """Read what is shown until a text comes; returns what came before and with it."""
        deadline = time.monotonic() + 20
        while text not in self.said:
            assert select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0], self.said
            try:
                self.said += os.read(self._master, 4096).decode(errors="replace")
            except OSError as error:  # everybody has left the terminal
                raise AssertionError(self.said) from error
        found, _, self.said = self.said.partition(text)
        return found + text

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def wait(self) -> int:
        """The exit code of the leader."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextmanager
def terminal(machine: Machine, words: list[str], *, plain: bool = False) -> Iterator[Terminal]:
    """A program at a terminal of 30 rows and 100 columns."""
    environment = {**machine.environment, "REPORT": "1", "TERM": "dumb", "PS1": "shell> "}
    if plain:
        environment["PATH"] = environment["PATH"].partition(os.pathsep)[2]
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
        os.chdir(machine.folder)
        os.execvpe(words[0], words, environment)  # noqa: S606 - a program of these tests
    try:
        yield Terminal(pid, master)
    finally:
        os.close(master)


BOTH = pytest.mark.parametrize("plain", [False, True])


def report(machine: Machine, screen: Terminal, plain: bool) -> None:
    """Check who started the program: the first thing that it says."""
    parent = int(screen.until("ready")[: -len("ready")])
    assert (parent == machine.parent) == (not plain)


@BOTH
def test_a_terminal_is_one(machine: Machine, plain: bool) -> None:
    source = (
        "import os, sys\nprint('ready')\nprint([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)])\n"
        "print(os.get_terminal_size(), sys.stdout.line_buffering, os.ttyname(0) == os.ttyname(2))\n"
        "name = input('name? ')\nprint('hello', name)\n"
        "import getpass; secret = getpass.getpass('secret? '); print(len(secret))\n"
        "try: input('more? ')\nexcept EOFError: print('no more')\n"
    )
    with terminal(machine, ["python", machine.script(source)], plain=plain) as screen:
        report(machine, screen, plain)
        screen.until("[True, True, True]")
        screen.until("columns=100, lines=30) True True")
        screen.until("name? ")
        screen.type("Ada\n")
        screen.until("hello Ada")
        screen.until("secret? ")
        screen.type("hidden\n")
        assert "hidden" not in screen.until("6\r\n")
        screen.until("more? ")
        screen.type("\x04")
        screen.until("no more")
        assert screen.wait() == 0


@BOTH
def test_single_keys(machine: Machine, plain: bool) -> None:
    source = (
        "import sys, termios, tty\nbefore = termios.tcgetattr(0)\ntty.setcbreak(0)\nprint('ready', flush=True)\n"
        "key = sys.stdin.read(1)\ntermios.tcsetattr(0, termios.TCSADRAIN, before)\nprint('key', repr(key))\n"
    )
    with terminal(machine, ["python", machine.script(source)], plain=plain) as screen:
        report(machine, screen, plain)
        screen.type("x")
        screen.until("key 'x'")
        assert screen.wait() == 0


@BOTH
def test_ctrl_c_reaches_it_and_its_children_once(machine: Machine, plain: bool) -> None:
    child = "import signal, time\\ntry: time.sleep(60)\\nexcept KeyboardInterrupt: print('child heard', flush=True)"
    source = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', \"{child}\"])\ntime.sleep(.5)\nword = b'ready'\n"
        "heard = 0\nend = time.time() + 1.5\nwhile time.time() < end:\n"
        "    try: os.write(1, word); word = b''; time.sleep(.1)\n    except KeyboardInterrupt: heard += 1\n"
        "child.wait()\nprint('heard', heard)\nraise KeyboardInterrupt"
    )
    with terminal(machine, ["python", machine.script(source)], plain=plain) as screen:
        report(machine, screen, plain)
        screen.type("\x03")
        screen.until("child heard")
        screen.until("heard 1")
        screen.until("KeyboardInterrupt")
        assert screen.wait() == -signal.SIGINT


@BOTH
def test_ctrl_backslash_and_a_new_size(machine: Machine, plain: bool) -> None:
    with terminal(machine, ["python", machine.script(HANDLER)], plain=plain) as screen:
        report(machine, screen, plain)
        screen.resize(40, 90)
        screen.until("SIGWINCH")
        screen.type("\x1c")
        screen.until("SIGQUIT")
        assert screen.wait() == 40


@BOTH
def test_stopped_and_continued_by_a_shell(machine: Machine, plain: bool) -> None:
    source = (
        "import os, signal, sys\nsigns = []\nsignal.signal(signal.SIGCONT, lambda *_: os.write(1, b'continued\\n'))\n"
        "os.write(1, b'ready')\nprint('line', sys.stdin.readline().strip())\n"
    )
    name = machine.script(source)
    with terminal(machine, ["bash", "--norc", "--noprofile", "-i"], plain=plain) as screen:
        screen.until("shell> ")
        screen.type(f"python {name}\n")
        screen.until(f"python {name}\r\n")
        report(machine, screen, plain)
        screen.type("\x1a")
        screen.until("Stopped")
        screen.until("shell> ")
        screen.type("jobs -l\n")
        screen.until("Stopped")
        screen.type("fg\n")
        screen.until("continued")
        screen.type("typed\n")
        screen.until("line typed")
        screen.type("exit 5\n")
        assert screen.wait() == 5


@BOTH
def test_hanging_up(machine: Machine, plain: bool, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    source = (
        f"import signal, sys, os\ndef hung(*_): open({str(seen)!r}, 'w').write(str(os.getpid())); sys.exit()\n"
        "signal.signal(signal.SIGHUP, hung)\nos.write(1, b'ready %d\\n' % os.getpid())\nsignal.pause()"
    )
    with terminal(machine, ["python", machine.script(source)], plain=plain) as screen:
        report(machine, screen, plain)
        pid = int(screen.until("\n"))
    screen.wait()
    gone(pid)
    assert seen.read_text() == str(pid)


def test_in_the_background_of_a_terminal(machine: Machine) -> None:
    """A program that reads there is stopped by the terminal, which only a plain start gets."""
    with terminal(machine, ["bash", "--norc", "--noprofile", "-i"]) as screen:
        screen.until("shell> ")
        screen.type('python -c "$SOURCE" &\n'.replace("$SOURCE", "import sys; sys.stdin.readline()"))
        screen.until("shell> ")
        screen.type("sleep 1; jobs\n")
        screen.until("Stopped")
        screen.type("kill -9 %1; echo ended\n")
        screen.until("\nended")
        os.kill(screen.pid, signal.SIGKILL)
        screen.wait()
