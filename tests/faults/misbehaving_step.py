"""What a step can do to its server: `misbehaving_step.py BEHAVIOUR FOLDER`, with process ids left in FOLDER."""

import os
import pathlib
import runpy
import signal
import subprocess
import sys
import time

behaviour, folder = sys.argv[1], pathlib.Path(sys.argv[2])


def note(name: str, pid: int) -> None:
    """Leave a process id for the test."""
    partial = folder / f"{name}.partial"
    partial.write_text(str(pid))
    partial.replace(folder / name)


def sleeper() -> int:
    """A process that outlives its parent unless somebody ends it."""
    return subprocess.Popen(["sleep", "600"]).pid


sys.stdout.write(f"behaviour {behaviour}\n")
if behaviour == "sleep":
    note("grandchild", sleeper())
    note("step", os.getpid())
    time.sleep(600)
elif behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("grandchild", sleeper())
    note("step", os.getpid())
    time.sleep(600)
elif behaviour == "leave":
    note("grandchild", sleeper())
elif behaviour in ("daemon", "detached"):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note("grandchild", os.getpid())
            time.sleep(600)
        os._exit(0)
    os.wait()
    while not (folder / "grandchild").exists():
        time.sleep(0.01)
    if behaviour == "detached":
        note("step", os.getpid())
        time.sleep(600)
elif behaviour == "chatter":
    for number in range(200_000):
        sys.stdout.write(f"line {number} of many that nobody will read\n")
    sys.exit(3)
elif behaviour.startswith("exit"):
    sys.exit(int(behaviour.removeprefix("exit")))
elif behaviour.startswith("signal"):
    sys.stdout.flush()
    os.kill(os.getpid(), int(behaviour.removeprefix("signal")))
elif behaviour == "links":
    (folder / "precious").mkdir()
    (folder / "precious" / "file.txt").write_text("mine")
    pathlib.Path("outputs").symlink_to(folder / "precious")
    pathlib.Path("logs").mkdir()
    pathlib.Path("logs/link.txt").symlink_to(folder / "precious" / "file.txt")
    pathlib.Path("logs/linked").symlink_to(folder / "precious")
elif behaviour == "secrets":
    runpy.run_path(str(folder / "program.py"))
