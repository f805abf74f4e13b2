"""What a process that has imported already could not be: options, variables, modules and packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_machine import PRELUDE, Machine, wait_for_imports  # type: ignore[import-not-found]

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import StateFolder

FLAGS = "import sys; print(sys.flags, sys.warnoptions, sys._xoptions, sys.path)"


@pytest.mark.parametrize(
    "options",
    [["-O"], ["-OO"], ["-B"], ["-E"], ["-I"], ["-S"], ["-s"], ["-P"], ["-W", "error"], ["-Werror"], ["-X", "dev"],
     ["-Xutf8"], ["-q"], ["-b"], ["-d"], ["-uB"], ["-u", "-B"], ["-x"]],
)  # fmt: skip
def test_options(machine: Machine, options: list[str]) -> None:
    machine.plainly([*options, machine.script(FLAGS)])


@pytest.mark.parametrize(
    "name, value, source",
    [
        ("PYTHONHASHSEED", "7", "print(hash('text'))"),
        ("PYTHONWARNINGS", "error", FLAGS),
        ("PYTHONUTF8", "1", FLAGS),
        ("PYTHONOPTIMIZE", "1", FLAGS),
        ("PYTHONIOENCODING", "latin-1", "import sys; print(sys.stdout.encoding)"),
        ("PYTHONNOUSERSITE", "1", FLAGS),
        ("LC_ALL", "C", "import sys; print(sys.stdout.errors, sys.getfilesystemencoding())"),
        ("TZ", "Asia/Tokyo", "import time; print(time.tzname, time.localtime(0))"),
        ("OMP_NUM_THREADS", "2", "import os; print(os.environ['OMP_NUM_THREADS'])"),
        ("OPENBLAS_NUM_THREADS", "2", "import numpy, os; print(len(os.listdir('/proc/self/task')))"),
        ("REQUESTS_CA_BUNDLE", "/nowhere", "print(1)"),
        ("SSL_CERT_FILE", "/nowhere", "print(1)"),
        ("CURL_CA_BUNDLE", "/nowhere", "print(1)"),
        ("AZUREML_CURRENT_CLOUD", "AzureChinaCloud", "print(1)"),
        ("HBI_WORKSPACE_JOB", None, "import azureml.telemetry.logger._abstract_event_logger as m; print(m.HBI_MODE)"),
        ("AZUREML_LOG_DEPRECATION_WARNING_ENABLED", "true", "print(1)"),
        ("AML_APP_ROOT", "/app", "from azureml.core.model import MODELS_DIR as d; print(d)"),
        ("HOME", "/nowhere", "from azureml._base_sdk_common.common import USER_PATH as p; print(p)"),
        ("TMPDIR", "/", "import tempfile; print(tempfile.gettempdir())"),
        ("PANDAS_COPY_ON_WRITE", "0", "print(1)"),
        ("TYPER_USE_RICH", "0", "print(1)"),
        ("VIRTUAL_ENV", "/nowhere", "print(1)"),
        ("COVERAGE_PROCESS_START", "/nowhere/.coveragerc", "print(1)"),
    ],
)  # fmt: skip
def test_variables_that_act_at_import(machine: Machine, name: str, value: str | None, source: str) -> None:
    changed = machine.with_variables(**{name: value})
    changed.plainly([changed.script(source)])


@pytest.mark.parametrize(
    "name, value",
    [("PYTHONUNBUFFERED", "1"), ("PYTHONUNBUFFERED", ""), ("NO_COLOR", "1"), ("ANYTHING", "1"), ("TERM", "dumb")],
)
def test_variables_that_do_not(machine: Machine, name: str, value: str) -> None:
    changed = machine.with_variables(**{name: value})
    changed.both([changed.script("import sys; print(sys.stdout.write_through, sys.stderr.line_buffering)")])


def test_own_modules_are_found_on_pythonpath(machine: Machine, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"module_{name}.py").write_text("print(__file__)")
    path = os.pathsep.join([str(tmp_path / "one"), "two", "", "/nowhere", str(tmp_path / "one")])
    found = machine.with_variables(PYTHONPATH=path)
    source = "import sys; print(sys.path); import module_one, module_two"
    found.both([found.script(source)])
    found.both(["-c", PRELUDE + source])


@pytest.mark.parametrize(
    "path",
    ["requests.py", "requests/__init__.py", "numpy/__init__.py", "json/__init__.py", "yaml.so", "azure/own.py"],
)
@pytest.mark.parametrize("place", ["beside", "on the path"])
def test_a_module_that_hides_a_preloaded_one(machine: Machine, path: str, place: str) -> None:
    folder = machine.folder if place == "beside" else machine.folder / "path"
    (folder / path).parent.mkdir(parents=True) if "/" in path else folder.mkdir(exist_ok=True)
    (folder / path).write_text("mine = 1\n")
    changed = machine.with_variables(PYTHONPATH=str(folder) if place == "on the path" else "")
    name = path.partition(".")[0].partition("/")[0]
    source = f"import os\ntry:\n    import {name}\n    print(list({name}.__path__), hasattr({name}, 'mine'))\n"
    changed.plainly([changed.script(source + "except Exception as error: print(type(error))")])
    changed.plainly(["-c", PRELUDE + "print(1)"])


def test_what_looks_like_a_module_and_hides_nothing(machine: Machine) -> None:
    for name in ("json", "logging", "secrets"):
        (machine.folder / name).mkdir()  # without __init__.py: the module of that name comes first
    for name in ("requests.txt", "numpy.csv"):
        (machine.folder / name).touch()
    machine.both([machine.script("import json, numpy, requests; print(json.__file__, requests.__file__)")])


def test_a_distribution_with_plugins(machine: Machine) -> None:
    metadata = machine.folder / "own.egg-info"
    metadata.mkdir()
    points = metadata / "entry_points.txt"
    points.write_text("[console_scripts]\nown = own:main\n")
    machine.both(["-c", PRELUDE])
    points.write_text("[console_scripts]\nown = own:main\n\n[pydantic]\nown = own:plugin\n")
    machine.plainly(["-c", PRELUDE])


def test_sitecustomize_on_pythonpath(machine: Machine) -> None:
    (machine.folder / "sitecustomize.py").write_text("print('customized')")
    changed = machine.with_variables(PYTHONPATH=str(machine.folder))
    assert b"customized" in changed.plainly(["-c", PRELUDE]).out


@pytest.mark.parametrize("module", ["json.tool", "pip", "venv", "pytest", "pydoc"])
def test_modules_that_start_plainly(machine: Machine, module: str) -> None:
    environment = {**machine.environment, "ASKED": "1"}
    before = machine.log()
    done = subprocess.run(["python", "-m", module, "-h"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"RuntimeWarning" not in done.stderr
    preloaded = "is among the preloaded ones" in machine.log()[len(before) :]
    assert preloaded == (module in ("json.tool", "pydoc"))


def test_another_interpreter_that_comes_first(machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "python").write_text('#!/bin/sh\necho other "$@"\n')
    (other / "python").chmod(0o700)
    scripts, _, rest = machine.environment["PATH"].partition(os.pathsep)
    for path in (f"{scripts}:{other}:{rest}", f"{other}:{scripts}:{rest}"):
        done = subprocess.run(
            ["python", "a"], env={**machine.environment, "PATH": path}, capture_output=True, check=False
        )
        assert done.stdout == b"other a\n"


def test_scripts_of_two_folders_find_the_interpreter(machine: Machine, tmp_path: Path) -> None:
    """As where `exec --warm` runs inside of another one, on another state folder."""
    second = tmp_path / "second"
    shutil.copytree(machine.state.client_processes / "bin", second)
    path = f"{second}{os.pathsep}{machine.environment['PATH']}"
    assert machine.with_variables(PATH=path).run(["-c", PRELUDE]).parent == machine.parent


def layered(home: Path) -> Path:
    """A virtual environment above this one; returns its folder of packages."""
    packages = home / f"lib/python3.{sys.version_info.minor}/site-packages"
    packages.mkdir(parents=True)
    (home / "bin").mkdir()
    base = Path(sys.executable).resolve()
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to(base)
    (home / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    below = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "below.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in below))
    return packages


WHERE = """
import sys, site, sysconfig
print(sys.prefix, sys.exec_prefix, sys.base_prefix, sys.executable, sys.path, site.PREFIXES)
print(sysconfig.get_paths(), sysconfig.get_config_var("prefix"))
"""


def test_the_environment_of_a_job(machine: Machine, tmp_path: Path) -> None:
    packages = layered(tmp_path / "home")
    python = str(tmp_path / "home/bin/python")
    arguments = [str(machine.state.client_processes), python, machine.script(WHERE)]
    shim = Path(sys.modules["local_azure.machine_learning.processes.clients.shim"].__file__ or "")
    ended = []
    for extra in (False, True):
        (packages / "own.py").touch() if extra else None
        for command in ([python, machine.folder / "program.py"], [sys.executable, "-IS", str(shim), *arguments]):
            environment = {**machine.environment, "REPORT": "2"}
            ended.append(
                subprocess.run(command, env=environment, cwd=machine.folder, capture_output=True, check=True)
            )
    assert ended[0].stdout == ended[1].stdout == ended[2].stdout == ended[3].stdout
    assert [int(end.stderr) == machine.parent for end in ended] == [False, True, False, False]


@pytest.fixture
def own_machine(tmp_path: Path) -> Iterator[Machine]:
    """A server and parent whose packages a test can change: those of an environment above this one."""
    layered(tmp_path / "home")
    python = tmp_path / "home/bin/python"
    state = StateFolder(tmp_path / "state")
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path.endswith("local_azure/src"))
    yield prepare_with(python, state, environment, tmp_path)
    lifecycle.stop(state)


def prepare_with(python: Path, state: StateFolder, environment: dict[str, str], folder: Path) -> Machine:
    """`exec --warm` by another interpreter; returns when its parent has imported."""
    words = [str(python), "-m", "local_azure", "--state", str(state.root), "exec", "--warm", "--", "env", "-0"]
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    assert "--warm" not in done.stderr
    variables = dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)
    wait_for_imports(state)
    return Machine(state, variables, folder)


@pytest.mark.campaign
def test_a_parent_that_does_not_fit_any_more(own_machine: Machine, tmp_path: Path) -> None:
    state, python = own_machine.state, tmp_path / "home/bin/python"
    kept = ("PATH", "PYTHONPATH")
    environment = {**os.environ, **{name: own_machine.environment[name] for name in kept}}
    first = own_machine.parent
    assert own_machine.run(["-c", PRELUDE]).parent == first, own_machine.log()
    assert prepare_with(python, state, environment, tmp_path).parent == first, "nothing has changed"

    environment["TZ"] = "Asia/Tokyo"
    machine = prepare_with(python, state, environment, tmp_path)
    second = machine.parent
    assert second != first
    ended = machine.run(["-c", PRELUDE + "import time; print(time.tzname)"])
    assert (ended.parent, ended.out) == (second, b"('JST', 'JST')\n"), machine.log()

    (tmp_path / f"home/lib/python3.{sys.version_info.minor}/site-packages/installed.py").write_text("version = 2")
    ended = machine.run(["-c", PRELUDE + "import installed; print(installed.version)"])
    assert (ended.parent != second, ended.out) == (True, b"2\n")
    assert "installed packages have changed" in machine.log()
    assert prepare_with(python, state, environment, tmp_path).parent != second, "the next exec replaces it"


def test_another_interpreter_than_the_servers(machine: Machine, tmp_path: Path) -> None:
    layered(tmp_path / "home")
    python = tmp_path / "home/bin/python"
    source = "import os, sys; print(sys.prefix, sys.executable, os.getppid())"
    words = [
        str(python),
        "-m",
        "local_azure",
        "--state",
        str(machine.state.root),
        "exec",
        "--warm",
        "--",
        "python",
        "-c",
        source,
    ]
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path.endswith("local_azure/src"))
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == [str(tmp_path / "home"), str(python)]
    assert f"--warm has no effect here: the server runs on {sys.executable}, this command on {python}" in done.stderr
