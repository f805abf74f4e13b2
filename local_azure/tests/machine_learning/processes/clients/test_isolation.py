"""What programs of one parent share, and what they must not: random numbers, keys, tokens, modules, open files."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

from client_machine import PRELUDE, Machine  # type: ignore[import-not-found]

from local_azure.machine_learning.processes.clients.parent import BOOTSTRAP

RANDOM = """
import random, uuid, tempfile, secrets, numpy, multiprocessing, json, ssl
names = tempfile._get_candidate_names()
drawn = [random.random(), str(uuid.uuid4()), str(uuid.uuid1()), next(names), secrets.token_hex(8)]
drawn += [numpy.random.rand(), numpy.random.default_rng().random(), ssl.RAND_bytes(8).hex()]
print(json.dumps([*drawn, multiprocessing.current_process().authkey.hex()]))
"""


def test_no_two_programs_draw_the_same_numbers(machine: Machine) -> None:
    drawn = [json.loads(machine.run(["-c", PRELUDE + RANDOM]).out) for _ in range(3)]
    for values in zip(*drawn, strict=True):
        assert len(set(values)) == 3, values


def test_fixed_seeds_give_the_same_numbers_as_plainly(machine: Machine) -> None:
    source = (
        "import random, numpy; random.seed(1); numpy.random.seed(1); print(random.random(), numpy.random.rand(3))"
    )
    machine.both([machine.script(source)])


MULTIPROCESSING = """
import multiprocessing, os, sys
def work(x):
    return x * x, __name__, sys.argv, "numpy" in sys.modules
if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            found = pool.map(work, range(3))
            print(method, [part[:3] for part in found])
    queue = multiprocessing.get_context("spawn").Queue()
    queue.put(1); print(queue.get())
"""


def test_multiprocessing(machine: Machine) -> None:
    machine.both([machine.script(MULTIPROCESSING, "inner/program.py")])
    machine.script(MULTIPROCESSING, "package/tasks.py")
    machine.both(["-m", "package.tasks"])


def test_an_event_loop_and_threads(machine: Machine) -> None:
    source = (
        "import asyncio, threading\nasync def main(): return await asyncio.to_thread(threading.current_thread)\n"
        "print(asyncio.run(main()) is threading.main_thread())\n"
        "print(threading.current_thread() is threading.main_thread(), threading.active_count())\n"
        "async def run(): p = await asyncio.create_subprocess_exec('sh', '-c', 'exit 3'); print(await p.wait())\n"
        "asyncio.run(run())"
    )
    machine.both([machine.script(source)])


def test_only_third_party_modules_are_preloaded(machine: Machine) -> None:
    source = (
        "import sys, sysconfig\n"
        "places = [sysconfig.get_path(n) for n in ('stdlib', 'platstdlib', 'purelib')]\n"
        "files = {n: getattr(m, '__file__', None) or '' for n, m in sys.modules.items() if n != '__main__'}\n"
        "print([n for n, f in files.items() if f and not f.startswith(tuple(places))], 'azureml.core' in files,\n"
        "      [n for n in files if n.partition('.')[0] in ('local_azure', 'ml_service', 'forecasting')])"
    )
    ended = machine.run(["-c", PRELUDE + source])
    assert (ended.parent, ended.out) == (machine.parent, b"[] True []\n")


def test_variables_that_a_package_sets_at_import_come_with_it(machine: Machine) -> None:
    source = (
        "import os\nbefore = dict(os.environ)\nimport numpy, pandas\nprint(dict(os.environ) == before)\n"
        "os.environ['SPARK_LOCAL_IP'] = 'mine'\nimport pandera.pandas\n"
        "print({k: v for k, v in os.environ.items() if before.get(k) != v}, pandera.__spec__, pandera.__loader__)\n"
        "import importlib; importlib.reload(pandera)"
    )
    machine.both([machine.script(source)])


def test_the_server_is_reached(machine: Machine) -> None:
    source = "from azureml.core import Workspace; print(Workspace.from_config().name)"
    configuration = machine.folder / ".azureml"
    configuration.mkdir()
    facts = {"subscription_id": machine.environment["AZURE_SUBSCRIPTION_ID"]}
    facts |= {"resource_group": machine.environment["AZURE_RESOURCE_GROUP"], "workspace_name": "local-development"}
    (configuration / "config.json").write_text(json.dumps(facts))
    assert machine.both([machine.script(source)]).out == b"local-development\n"


def test_the_parent_holds_no_token(machine: Machine) -> None:
    info = machine.state.running_server()
    assert info is not None
    assert "AZUREML_SERVICE_PRINCIPAL_PASSWORD" in machine.environment
    seen = Path(f"/proc/{machine.parent}/environ").read_text()
    assert info.token not in seen
    assert not [name for name in ("ARM_CLOUD_METADATA_URL", "MSI_ENDPOINT", "PASSWORD") if name in seen]
    source = f"import os, pathlib; print({info.token!r}[:0] + str(os.environ['MSI_ENDPOINT'].count({info.token!r})))"
    assert machine.run(["-c", PRELUDE + source]).out == b"1\n", "the program has it"
    assert info.token not in (machine.state.client_processes / "parent.json").read_text()
    assert info.token not in memory(machine.parent)


def memory(pid: int) -> str:
    """What a process holds in memory that it can write, as text."""
    found = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as bytes_of:
        for line in maps:
            span, permissions, *_ = line.split()
            if permissions.startswith("rw"):
                start, end = (int(word, 16) for word in span.split("-"))
                try:
                    bytes_of.seek(start)
                    found.append(bytes_of.read(end - start).decode("latin-1"))
                except OSError:
                    continue
    return "".join(found)


def test_nobody_else_can_ask(machine: Machine) -> None:
    folder = machine.state.client_processes
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in ("socket", "secret")] == [0o600, 0o600]


def test_what_is_no_request_harms_nobody(machine: Machine) -> None:
    for data in (
        b"",
        b"x",
        b"GET / HTTP/1.1\r\n\r\n",
        (1 << 62).to_bytes(8, "big"),
        bytes(8),
        b"\0" * 7 + b"\x09" + b"a\0" * 4,
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            place = os.open(machine.state.client_processes, os.O_PATH)
            connection.connect(f"/proc/self/fd/{place}/socket")
            os.close(place)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(10)
            assert connection.recv(1) in (b"P", b"")
    assert machine.run(["-c", PRELUDE]).parent == machine.parent


def test_a_wrong_secret_gets_a_plain_start(machine: Machine) -> None:
    secret = machine.state.client_processes / "secret"
    right = secret.read_text()
    secret.write_text("0" * len(right))
    try:
        machine.plainly(["-c", PRELUDE + "print(1)"])
    finally:
        secret.write_text(right)
    assert "its secret is not ours" in machine.log()


def test_many_at_once(machine: Machine) -> None:
    source = PRELUDE + "import sys, time; time.sleep(.1); print(sys.argv[1])"
    started = [machine.start(["-c", source, str(n)], variables={"REPORT": "2"}) for n in range(20)]
    for number, process in enumerate(started):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, f"{number}\n".encode(), str(machine.parent).encode())


def test_a_module_that_starts_threads_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "threading_at_import.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    (tmp_path / "opening_at_import.py").write_text("kept = open(__file__)")
    root = next(path for path in sys.path if path.endswith("local_azure/src"))
    (tmp_path / "trusting_at_import.py").write_text("import ssl\ncontext = ssl.create_default_context()")
    names = ("json", "threading_at_import", "opening_at_import", "trusting_at_import", "csv")
    bootstrap = BOOTSTRAP.format(root=root).replace(
        "; del sys.path[0]",
        f"; sys.path[0] = {str(tmp_path)!r}; import local_azure.machine_learning.processes.clients.parent as p; "
        f"p.MODULES = {names!r}",
    )
    bootstrap = bootstrap.replace(
        "main(started_with)", "p._server_number = lambda _: print(sys.argv[5:]); main(started_with)"
    )
    done = subprocess.run(
        [sys.executable, "-c", bootstrap, str(tmp_path), "0", "0", "-"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['threading_at_import', 'opening_at_import', 'trusting_at_import']\n"
    assert done.stderr.count("not preloaded") == 3
