"""Exit codes, tracebacks, what happens at exit, and what is inherited by and from the program."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from client_machine import PRELUDE, Machine  # type: ignore[import-not-found]

ENDINGS = {
    "nothing": "pass",
    "code": "raise SystemExit(3)",
    "large code": "import sys; sys.exit(259)",
    "negative code": "import sys; sys.exit(-1)",
    "none": "import sys; sys.exit()",
    "text": "import sys; print('out'); sys.exit('why')",
    "object": "import sys; sys.exit([1])",
    "at once": "import os; os._exit(7)",
    "exception": "def outer():\n    def inner(): 1 / 0\n    inner()\nouter()\n",
    "chained": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('x') from error",
    "unprintable": "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
    "hook": "import sys\nsys.excepthook = lambda kind, value, trace: print(kind, value, trace.tb_lineno)\n1 / 0",
    "broken hook": "import sys\ndef hook(*_): raise RuntimeError('hook')\nsys.excepthook = hook\n1 / 0",
    "hook that ends": "import sys\nsys.excepthook = lambda *_: sys.exit(9)\n1 / 0",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt caught": "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    raise SystemExit(5)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "at exit": "import atexit; atexit.register(print, 'first'); atexit.register(lambda: print('second'))",
    "failing at exit": "import atexit\n@atexit.register\ndef last(): 1 / 0\n",
    "deleted": "import os\nclass A:\n    def __del__(self): print('gone', os.getpid() > 0)\na = A()\na.me = a",
    "open file": "f = open('kept', 'w'); f.write('all' * 1000)",
    "open file in a cycle": "f = open('kept', 'w'); f.write('x'); loop = [f]; loop.append(loop)",
    "open file of a library": "import json; json.held = open('kept', 'wb'); json.held.write(b'x' * 10)",
    "thread": (
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.1), print('done'))).start()\n"
        "print('end')"
    ),
    "daemon": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "f = open('kept', 'w'); f.write('1')"
    ),
    "failing thread": "import threading\nthreading.Thread(target=lambda: 1 / 0, name='mine').start()",
    "pool": "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(print, 'pooled')",
    "executed": "import os; print('x', flush=True); os.execvp('sh', ['sh', '-c', 'echo $0 >&2; exit 6'])",
    "forked": "import os, sys\nif os.fork() == 0: print('child'); sys.exit(1)\nprint(os.wait()[1])",
    "output closed": "import sys; print('x'); sys.stdout.close()",
    "output none": "import sys; sys.stdout = None; print('x')",
    "pending output": "import sys; sys.stdout.write('no end of line'); sys.stderr.write('neither')",
}  # fmt: skip


@pytest.mark.parametrize("how", ENDINGS)
def test_endings(machine: Machine, how: str) -> None:
    kept = machine.folder / "kept"
    name = machine.script(ENDINGS[how])
    machine.run([name])
    written = kept.read_bytes() if kept.exists() else None
    kept.unlink(missing_ok=True)
    machine.run([name], plain=True)
    assert written == (kept.read_bytes() if kept.exists() else None)
    machine.both([name])


@pytest.mark.parametrize("how", ["exception", "interrupt", "code", "text"])
def test_endings_of_modules_texts_and_standard_input(machine: Machine, how: str) -> None:
    machine.script(ENDINGS[how], "module.py")
    machine.both(["-m", "module"])
    machine.both(["-c", PRELUDE + ENDINGS[how]])
    machine.both(["-"], stdin=(PRELUDE + ENDINGS[how]).encode())


def same(machine: Machine, words: list[str], **more: Any) -> None:
    """Both ways end alike; the interpreter may call itself by its full path."""
    preloaded, plain = machine.run(words, **more), machine.run(words, plain=True, **more)
    own = shutil.which("python", path=machine.environment["PATH"].partition(":")[2])
    assert own
    said = [
        [end.code, *(text.replace(own.encode(), b"python") for text in (end.out, end.err))]
        for end in (preloaded, plain)
    ]
    assert said[0] == said[1]


def test_a_fault_in_standard_input(machine: Machine) -> None:
    source = b"print('never')\nx = = 1\n"
    same(machine, ["-"], stdin=source)


def test_output_into_a_closed_pipe(machine: Machine) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    source = PRELUDE + "print('nobody reads it')"
    ended = machine.with_variables(PYTHONUNBUFFERED=None).both(["-c", source], stdout=writer)
    os.close(writer)
    assert (ended.code, b"BrokenPipeError" in ended.err) == (120, True)


@pytest.mark.parametrize(
    "words, source",
    [
        (["missing.py"], None),
        (["."], None),
        (["broken.py"], "x = = 1"),
        (["latin.py"], b"print('\xe9')"),
        (["package"], None),
        (["-m", "missing.module"], None),
        (["-c", "x = = 1"], None),
        (["-c"], None),
        (["-m"], None),
        (["--version"], None),
        (["-h"], None),
    ],
)
def test_what_cannot_start(machine: Machine, words: list[str], source: str | bytes | None) -> None:
    if source is not None:
        (machine.folder / words[0]).write_bytes(source.encode() if isinstance(source, str) else source)
    (machine.folder / "package").mkdir()
    (machine.folder / "package/__main__.py").write_text("print('folder', __file__)")
    same(machine, words)


def test_environment_and_what_children_get(machine: Machine) -> None:
    source = (
        "import os, subprocess, sys\n"
        "print(sorted((k, v) for k, v in os.environb.items() if k not in (b'PATH', b'_')))\n"
        "print(subprocess.run(['sh', '-c', 'env | grep -v ^PATH= | grep -v ^_= | sort'], stdout=-1).stdout)\n"
        "print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv, sys.prefix)'], stdout=-1))"
    )
    odd = machine.with_variables(EMPTY="", ODD="\udcff=\n x", TWO="a=b")
    odd.both([odd.script(source)])


def test_working_directory_that_is_gone(machine: Machine, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    source = PRELUDE + "import os\ntry: print(os.getcwd())\nexcept FileNotFoundError as e: print(e)"
    command = ["sh", "-c", f'cd {gone}; rmdir {gone}; exec python -c "$SOURCE"']
    done = subprocess.run(
        command, env={**machine.environment, "SOURCE": source, "REPORT": "2"}, capture_output=True, check=False
    )
    assert (done.returncode, b"No such file" in done.stdout) == (0, True)


PROCESS = """
import os, resource, signal
print(oct(os.umask(0)), os.getpriority(os.PRIO_PROCESS, 0), os.getgroups(), sorted(os.sched_getaffinity(0)))
names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
print([(name, resource.getrlimit(getattr(resource, name))) for name in names])
print([(n, signal.getsignal(n)) for n in sorted(signal.valid_signals())], signal.pthread_sigmask(0, []))
print(sorted(int(n) for n in os.listdir("/proc/self/fd") if n != os.environ["REPORT"]))
print(open("/proc/self/comm").read())
"""


def set_mask() -> None:
    os.umask(0o027)


def set_limits() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 400))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (100, 200))


def ignore_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])


@pytest.mark.parametrize("prepared", [None, set_mask, set_limits, ignore_signals, block_signals])
def test_process_state(machine: Machine, prepared: object) -> None:
    machine.both([machine.script(PROCESS)], preexec_fn=prepared)


def set_stack() -> None:
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 22, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def set_priority() -> None:
    os.nice(1)


def set_processor() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


@pytest.mark.parametrize("prepared", [set_stack, set_priority, set_processor])
def test_process_state_that_needs_a_plain_start(machine: Machine, prepared: object) -> None:
    machine.plainly([machine.script(PROCESS)], preexec_fn=prepared)


def test_open_files_keep_their_numbers(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("0123456789")
    source = (
        "import os, sys\nprint(os.read(57, 3), os.read(3, 4), sys.stdin.read(2), os.lseek(0, 0, 1))\n"
        "os.write(9, b'written')\nos.fstat(200)"
    )
    command = f"exec python {machine.script(source)} 57<input 3<input 9>output <input"
    found = []
    for path in (machine.environment["PATH"], machine.environment["PATH"].partition(":")[2]):
        done = subprocess.run(
            ["bash", "-c", command],
            env={**machine.environment, "PATH": path, "REPORT": "1"},
            cwd=machine.folder,
            capture_output=True,
            check=False,
        )
        found.append((done.returncode, done.stdout.lstrip(b"0123456789"), (machine.folder / "output").read_text()))
    assert found[0] == found[1]
    assert found[0][2] == "written"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_standard_streams(machine: Machine, closed: str) -> None:
    source = "import sys; open('seen', 'w').write(str([s is None for s in (sys.stdin, sys.stdout, sys.stderr)]))"
    environment = {**machine.environment, "SOURCE": source}
    done = subprocess.run(
        ["bash", "-c", f'exec python -c "$SOURCE" {closed}'], env=environment, cwd=machine.folder, check=False
    )
    place = ["<&-", ">&-", "2>&-"].index(closed)
    assert done.returncode == 0
    assert (machine.folder / "seen").read_text() == str([number == place for number in range(3)])
