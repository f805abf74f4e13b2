"""The Python program of a command line: what it is, and running it as the interpreter does."""

from __future__ import annotations

import importlib.machinery
import os
import runpy
import sys
import types
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.processes.clients.interpreter import Start


@dataclass(frozen=True)
class Program:
    """One command line.

    kind: "-m", "-c", "-" (standard input) or "script"; name: the module, the source text or the script as it is
    written. argv: sys.argv before the first line runs. place: sys.path[0].
    """

    kind: str
    name: str
    argv: list[str]
    place: str
    unbuffered: bool


def parse(arguments: list[str]) -> Program | None:
    """The program of a command line that the shim lets pass; None for what only the interpreter can run.

    To be called in the program's working directory.
    """
    unbuffered = arguments[:1] == ["-u"]
    rest = arguments[1:] if unbuffered else arguments
    first = rest[0] if rest else ""
    if first in ("", "-"):
        return Program("-", first, rest or [""], "", unbuffered)
    if first == "-m":
        return Program("-m", rest[1], ["-m", *rest[2:]], str(Path.cwd()), unbuffered)
    if first == "-c":
        return Program("-c", rest[1], ["-c", *rest[2:]], "", unbuffered)
    script = Path(first)
    if not script.is_file() or script.suffix == ".pyc":
        return None  # missing, a folder, or compiled
    return Program("script", first, rest, str(script.resolve().parent), unbuffered)


def compiled(program: Program) -> types.CodeType | None:
    """Code that can be had before anything has run, None otherwise; raises OSError, SyntaxError or ValueError."""
    if program.kind == "-c":
        return _compile(f"{program.name}\n", "<string>")
    if program.kind == "script":
        return _compile(Path(program.name).read_bytes(), _absolute(program.name))
    return None


def _absolute(name: str) -> str:
    """A script's path as the interpreter completes it, which leaves "./" where it is."""
    return name if name.startswith("/") else f"{Path.cwd()}/{name}"


def _compile(source: str | bytes, filename: str) -> types.CodeType:
    code = compile(source, filename, "exec", dont_inherit=True)
    assert isinstance(code, types.CodeType)  # noqa: S101 - "exec" makes nothing else
    return code


def _standard_input() -> bytes:
    parts = []
    while part := os.read(0, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def prepare(program: Program, start: Start, arguments: list[str], python_path: str | None) -> None:
    """Set up `sys` and a new `__main__` as a plain start has them."""
    sys.executable, sys.prefix, sys.exec_prefix = start.executable, start.prefix, start.prefix
    sys.argv, sys.orig_argv = list(program.argv), [start.executable, *arguments]
    sys.path[:] = [program.place, *dict.fromkeys([*python_path_entries(python_path), *start.path])]
    main = types.ModuleType("__main__")
    main.__annotations__ = {}
    names = vars(main)
    names["__builtins__"] = sys.modules["builtins"]
    main.__loader__ = importlib.machinery.BuiltinImporter
    if program.kind == "script":
        filename = _absolute(program.name)
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", filename)
        names |= {"__file__": filename, "__cached__": None}
    elif program.kind == "-":
        names |= {"__file__": "<stdin>", "__cached__": None}
    sys.modules["__main__"] = main


def python_path_entries(text: str | None) -> list[str]:
    """Folders of PYTHONPATH, as `site` leaves them in sys.path."""
    return [str(Path(entry).absolute()) for entry in (text or "").split(os.pathsep) if text]


def run(program: Program, code: types.CodeType | None) -> None:
    """Run it in `__main__`. Keeps nothing of it, so that its objects can end before the process does."""
    if program.kind == "-m":
        runpy._run_module_as_main(program.name)  # type: ignore[attr-defined]  # what `python -m` calls
        return
    exec(code or _compile(_standard_input(), "<stdin>"), vars(sys.modules["__main__"]))  # noqa: S102
