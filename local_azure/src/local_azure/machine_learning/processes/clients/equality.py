"""Whether a preloaded process would behave as a plain start: each reason against it, as text for the log."""

from __future__ import annotations

import importlib.machinery
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.processes.clients.interpreter import Start
from local_azure.machine_learning.processes.clients.program import Program, python_path_entries
from local_azure.machine_learning.processes.clients.request import Request, parse_limits, parse_status

if TYPE_CHECKING:
    from local_azure.machine_learning.processes.clients.preload import Preloaded

# Variables that act while a process starts or imports, so that setting them later is too late:
# read by the interpreter, the dynamic linker and native libraries, where no trace of the imports sees it.
_PREFIXES = (
    "PYTHON", "LC_", "LD_", "GLIBC_", "MALLOC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTOBLAS_", "BLIS_",
    "NUMEXPR_", "VECLIB_", "ARROW_", "OPENSSL_",
)  # fmt: skip
# Read by Python code at import, now or in another version of the packages.
_NAMES = (
    "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "TEMP", "TMP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "AZUREML_CURRENT_CLOUD", "HBI_WORKSPACE_JOB",
)  # fmt: skip
# Each program's own: path and standard streams are made anew, and nothing is looked for on the PATH during an import.
OWN = ("PYTHONPATH", "PYTHONUNBUFFERED", "PATH")
# Of /proc/self/status: what a process keeps over fork and cannot, or should not, take on afterwards.
_IDENTITY = (
    "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed",
    "Mems_allowed",
)  # fmt: skip
# Limits that have had their effect when memory was laid out or taken.
_AT_START = ("Max stack size", "Max address space", "Max data size", "Max resident set")
_METADATA = (".dist-info", ".egg-info")
_GROUP = re.compile(r"^\[([^\]]+)\]", re.MULTILINE)
_SUFFIXES = tuple(importlib.machinery.all_suffixes())


def acts_at_start(name: str) -> bool:
    """Whether a program with another value of this variable needs a process of its own."""
    return name not in OWN and (name in _NAMES or name.startswith(_PREFIXES))


def parent_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a parent is started with for programs with this environment: no token, nothing but what acts at start."""
    return {"PATH": os.defpath} | {name: value for name, value in environment.items() if acts_at_start(name)}


def objections(request: Request, preloaded: Preloaded, start: Start | None, program: Program | None) -> Iterator[str]:
    """Why only a plain start is right; nothing when a preloaded process is equal."""
    if start is None:
        yield f"{request.interpreter} is not the preloaded interpreter, or has packages of its own"
        return
    if program is None:
        yield "the script is not a source file"
        return
    yield from _process_objections(request)
    yield from _variable_objections(request, preloaded, start)
    if not preloaded.is_current(thoroughly=request.kind != "run"):
        yield "installed packages have changed"
    yield from _shadow_objections(request, preloaded, program)


def _process_objections(request: Request) -> Iterator[str]:
    own = parse_status(Path("/proc/self/status").read_text(encoding="ascii"))
    for name in _IDENTITY:
        if request.status.get(name) != own.get(name):
            yield f"{name} of the process differs"
    if request.priority != os.getpriority(os.PRIO_PROCESS, 0):
        yield "the priority differs"
    limits = parse_limits(Path("/proc/self/limits").read_text(encoding="ascii"))
    for name in _AT_START:
        if request.limits.get(name) != limits.get(name):
            yield f"the limit '{name}' differs"


def _variable_objections(request: Request, preloaded: Preloaded, start: Start) -> Iterator[str]:
    asked = {os.fsdecode(name) for name in request.environment}
    for name in sorted(preloaded.variables | {name for name in asked | set(os.environ) if acts_at_start(name)}):
        if name not in OWN and request.variable(name) != os.environ.get(name):
            yield f"the variable {name} differs, which acts at import"
    active = request.variable("VIRTUAL_ENV")
    if active and Path(active).resolve() not in (Path(start.prefix).resolve(), Path(sys.prefix).resolve()):
        yield "another virtual environment is active"


def _shadow_objections(request: Request, preloaded: Preloaded, program: Program) -> Iterator[str]:
    """Modules of the user's own that a plain start would find before the preloaded ones."""
    if program.kind == "-m" and program.name.partition(".")[0] in preloaded.tops:
        yield f"the module {program.name} is among the preloaded ones"
    for place in (program.place or ".", *python_path_entries(request.variable("PYTHONPATH"))):
        if Path(place).is_file():
            yield f"{place} on PYTHONPATH is a file"
        elif Path(place).is_dir():
            yield from (f"{name} in {place} would change what is preloaded" for name in _shadows(place, preloaded))


def _shadows(place: str, preloaded: Preloaded) -> Iterator[str]:
    with os.scandir(place) as entries:
        for entry in entries:
            name = entry.name.partition(".")[0]
            hides = name in preloaded.tops and _is_module(entry, name, preloaded)
            if hides or (entry.name.endswith(_METADATA) and _has_plugins(entry)):
                yield entry.name


def _has_plugins(entry: os.DirEntry[str]) -> bool:
    """Whether a distribution announces more than commands, so that an import may load it."""
    try:
        text = Path(entry.path, "entry_points.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(set(_GROUP.findall(text)) - {"console_scripts", "gui_scripts"})


def _is_module(entry: os.DirEntry[str], name: str, preloaded: Preloaded) -> bool:
    if entry.name != name:
        return entry.name[len(name) :] in _SUFFIXES
    if not entry.is_dir():
        return False
    return name in preloaded.namespaces or any(Path(entry.path, f"__init__{suffix}").exists() for suffix in _SUFFIXES)
