"""What the SDK does slowly in a plain process is done, or shortened, in the preloaded one."""

from __future__ import annotations

from client_machine import Machine  # type: ignore[import-not-found]

from local_azure.machine_learning.processes import sdk_polling

# Takes as long as the first flush of a queue whose one task is not done at the first look.
UPLOAD = """
import time
from concurrent.futures import ThreadPoolExecutor
import azureml.core
from azureml._common.async_utils import TaskQueue, WorkerPool
with WorkerPool() as pool:
    started = time.perf_counter()
    with TaskQueue(worker_pool=pool) as queue:
        queue.add(time.sleep, 0.03)
    print(time.perf_counter() - started)
"""


def test_the_sdk_does_not_wait_a_quarter_of_a_second_for_an_upload(machine: Machine) -> None:
    words = [machine.script(UPLOAD)]
    plain, preloaded = machine.run(words, plain=True), machine.run(words)
    assert preloaded.parent == machine.parent, preloaded.err
    assert float(plain.out) > 0.25
    assert float(preloaded.out) < 0.2


def test_every_module_of_the_sdk_that_polls_is_shortened(machine: Machine) -> None:
    program = machine.script(
        f"import sys, time\nfor name in {sdk_polling.MODULES!r}:\n"
        "    clock = sys.modules[name].time\n    print(type(clock).__name__, clock.time is time.time, clock.sleep)"
    )
    ended = machine.run([program])
    assert ended.code == 0, ended.err
    lines = ended.out.decode().splitlines()
    assert len(lines) == len(sdk_polling.MODULES)
    assert all(line.startswith("PollingClock True <bound method PollingClock.sleep") for line in lines)


def test_the_modules_of_all_files_are_known(machine: Machine) -> None:
    """`inspect.stack`, which the SDK's logger calls, otherwise resolves the paths of three thousand modules."""
    ended = machine.run(
        [machine.script("import inspect, azureml.core; print(azureml.core.__file__ in inspect.modulesbyfile)")]
    )
    assert ended.out == b"True\n", ended.err
