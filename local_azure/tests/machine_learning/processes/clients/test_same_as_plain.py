"""A preloaded program sees, prints and ends with what a plainly started one does."""

from __future__ import annotations

import pytest
from client_machine import PRELUDE, Machine  # type: ignore[import-not-found]

FACTS = """
import sys
names = {k: v for k, v in globals().items() if k.startswith("__") and k not in ("__builtins__", "__spec__")}
names["__loader__"] = str(names["__loader__"]).split(" object")[0]
print(names, type(__builtins__))
print(__spec__ and (__spec__.name, __spec__.origin, __spec__.cached, __spec__.parent))
print(sys.argv, sys.orig_argv[1:], sys.path, sys.flags, sys.executable, sys.prefix, sys.exec_prefix, sys.warnoptions)
for s in (sys.stdin, sys.stdout, sys.stderr):
    print(s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, type(s.buffer), s.isatty())
    print(s.seekable(), s.buffer.name, s.buffer.mode, s.newlines, getattr(s.buffer, "raw", s.buffer).closefd)
print(sys.modules["__main__"].__dict__ is globals(), sys.dont_write_bytecode, sys.getswitchinterval())
"""


@pytest.mark.parametrize("option", [[], ["-u"]])
def test_a_script(machine: Machine, option: list[str]) -> None:
    machine.both([*option, machine.script(FACTS), "a", "-x", ""])


def test_a_script_in_a_folder_and_by_a_link(machine: Machine) -> None:
    machine.both([machine.script(FACTS + "import beside", "inner/program.py")])
    (machine.folder / "inner/beside.py").write_text("print(__file__)")
    machine.both(["inner/program.py"])
    (machine.folder / "link.py").symlink_to("inner/program.py")
    machine.both(["./link.py"])
    machine.both([str(machine.folder / "link.py")])


def test_a_module(machine: Machine) -> None:
    machine.script(FACTS, "package/__main__.py")
    machine.script(FACTS, "package/module.py")
    (machine.folder / "package/__init__.py").write_text("import sys; print(sys.argv, __name__)")
    machine.both(["-m", "package", "a"])
    machine.both(["-u", "-m", "package.module"])


def test_a_text(machine: Machine) -> None:
    machine.both(["-c", PRELUDE + FACTS, "-c", "b"])


@pytest.mark.parametrize("words", [["-"], ["-", "a"], []])
def test_standard_input(machine: Machine, words: list[str]) -> None:
    machine.both(words, stdin=(PRELUDE + FACTS).encode())
