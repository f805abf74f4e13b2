"""A worker: imports the entry script, calls init() once and run() for each mini-batch that the driver sends."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from local_azure.machine_learning.processes.forking.child import end_with_parent
from local_azure.machine_learning.processes.parallel import batches, entry_script
from local_azure.machine_learning.processes.parallel.batches import MiniBatch
from local_azure.machine_learning.processes.parallel.settings import Settings
from local_azure.machine_learning.processes.step.script import flush_metrics


@dataclass(frozen=True)
class Done:
    """How one call of run() ended. rows: results returned; error: the last line of what it raised."""

    index: int
    rows: int = 0
    error: str = ""


@dataclass(frozen=True)
class MiniBatchContext:
    """The second argument of run(), for entry scripts that take one."""

    minibatch_index: int
    partition_key_value: dict[str, Any]
    _dataset_id: str | None

    @property
    def dataset(self) -> Any:
        """The part of the input that the mini-batch was made of."""
        if self._dataset_id is None:
            return None
        return batches.narrowed(batches.dataset(self._dataset_id), self.partition_key_value)


def result_file(index: int) -> Path:
    """Return where a worker leaves the rows of a mini-batch for the driver."""
    return batches.FOLDER / f"rows-{index}"


def work(settings: Settings, process: int, connection: Connection, parent: int) -> NoReturn:
    """Be the worker of this number until the driver sends None. Answers "ready", then a Done for each mini-batch."""
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    code = 1
    try:
        _redirect(process)
        script = _started(settings, process)
    except BaseException as error:
        _keep_trace(process)
        connection.send(f"{type(error).__name__}: {error}")
    else:
        code = _answer(script, settings, process, connection)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # threads of the SDK would keep the process


def _answer(script: ModuleType, settings: Settings, process: int, connection: Connection) -> int:
    """Work on mini-batches until the driver sends None; returns the exit code, 1 where the driver is gone."""
    try:
        connection.send("ready")
        while (batch := connection.recv()) is not None:
            connection.send(_done(script, settings, batch, process))
        flush_metrics()
    except (EOFError, OSError):
        return 1
    return 0


def _redirect(process: int) -> None:
    for stream, kind in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        path = entry_script.log_file(kind, process, f".{kind}.txt")
        with path.open("ab", buffering=0) as log:
            os.dup2(log.fileno(), stream.fileno())
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # otherwise all workers would draw the same "random" numbers


def _started(settings: Settings, process: int) -> ModuleType:
    """Import the entry script and call its init(), if it has one."""
    path = Path(settings.entry_script).absolute()
    sys.path[:0] = dict.fromkeys((str(path.parent), str(Path.cwd())))
    sys.argv = [str(path), *settings.arguments]
    entry_script.offer(process, settings.logging_level, settings.output)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"'{settings.entry_script}' is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise AttributeError(f"'{settings.entry_script}' has no function run(mini_batch)")
    if hasattr(module, "init"):
        module.init()
    return module


def _done(script: ModuleType, settings: Settings, batch: MiniBatch, process: int) -> Done:
    try:
        given = [batch.load()]
        if len(inspect.signature(script.run).parameters) > 1:
            given.append(MiniBatchContext(batch.index, batch.partition, batch.dataset_id))
        return Done(batch.index, _keep_rows(script.run(*given), settings, batch.index))
    except BaseException as error:
        _keep_trace(process)
        return Done(batch.index, error=f"{type(error).__name__}: {error}"[:1000])


def _keep_trace(process: int) -> None:
    with entry_script.log_file("error", process, ".txt").open("a", encoding="utf-8") as log:
        traceback.print_exc(file=log)


def _keep_rows(result: Any, settings: Settings, index: int) -> int:
    """Write what run() has returned, where rows are wanted; returns how many there are."""
    if isinstance(result, str | bytes | dict) or not hasattr(result, "__len__"):
        raise TypeError(f"run() must return a list, tuple, array or DataFrame, not {type(result).__name__}")
    if settings.appends_rows:
        with result_file(index).open("w", encoding="utf-8", newline="") as stream:
            if hasattr(result, "to_csv") and hasattr(result, "columns"):
                result.to_csv(stream, sep=" ", header=False, index=False)
            else:
                stream.writelines(f"{row}\n" for row in result)
    return len(result)
