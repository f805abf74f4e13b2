"""Full disks and unwritable folders under a real server: named, undone, and over as soon as there is room."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.faults.fault_server import Machine, await_true, number_in, scope

MEGABYTE = 1024 * 1024
SERVER = [sys.executable, "-m", "local_azure.machine_learning.server", "--state"]
WAITS = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[2])
(folder / "partial").write_text(str(os.getpid()))
(folder / "partial").replace(folder / "step")
while not (folder / "go").exists():
    time.sleep(0.05)
"""


@contextmanager
def files_of_at_most(size: int, pid: int) -> Iterator[None]:
    """A process whose files cannot grow beyond a size, as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def started(machine: Machine, process: subprocess.Popen[bytes]) -> Machine:
    """Sign in at a server that was started in a way of its own."""
    machine.info = await_true(machine.state.running_server, "the server")
    await_true(lambda: process.poll() is None and machine.sign_in(), "an answer")
    return machine


def test_a_blob_that_does_not_fit_is_refused_and_the_others_stay(machine: Machine) -> None:
    assert machine.blob("PUT", "kept", data=b"here").status_code == 201
    with files_of_at_most(2 * MEGABYTE, machine.info.pid):
        for query in ("", "comp=block&blockid=AAAA"):
            answer = machine.blob("PUT", "large", query=query, data=bytes(3 * MEGABYTE))
            assert answer.status_code == 507
            assert answer.headers["x-ms-error-code"] == "InsufficientStorage"
            assert f"'large' ({3 * MEGABYTE} bytes)" in answer.text
            assert str(machine.state.blobs) in answer.text
        assert machine.blob("HEAD", "large").status_code == 404
        assert machine.blob("GET", "kept").content == b"here"
        assert machine.blob("PUT", "small", data=b"fits").status_code == 201
    assert list((machine.state.blobs / ".partial").iterdir()) == []
    assert machine.blob("PUT", "large", data=bytes(3 * MEGABYTE)).status_code == 201


def test_what_cannot_fit_is_refused_before_it_is_sent(machine: Machine) -> None:
    free = shutil.disk_usage(machine.state.root).free
    container, signature = machine.signature()
    connection = HTTPConnection("127.0.0.1", machine.info.http_port, timeout=20)
    connection.putrequest("PUT", f"/{container}/huge?{signature}")
    connection.putheader("Content-Length", str(10 * free))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 507
    assert f"({10 * free} bytes)".encode() in answer.read()
    connection.close()


def test_a_store_that_cannot_grow_refuses_writes_and_answers_reads(machine: Machine) -> None:
    machine.create_run("before")
    path = f"/history/v1.0{scope()}/experiments/faults/runs/refused"
    with files_of_at_most(4096, machine.info.pid):
        answer = machine.send("PATCH", path, {"runId": "refused"})
        assert answer.status_code == 507
        assert answer.json()["code"] == "InsufficientStorage"
        assert str(machine.state.database) in answer.json()["message"]
        assert "bytes free" in answer.json()["message"]
        assert machine.run("before")["runId"] == "before"
    assert machine.send("GET", f"/history/v1.0{scope()}/runs/refused").status_code == 404
    machine.create_run("after")
    machine.kill()
    machine.start()
    assert machine.run("after")["runId"] == "after"


def test_the_end_of_a_run_waits_for_room(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(WAITS)
    run_id = machine.submit("plain", first="secrets", folder=str(tmp_path))
    step = number_in(tmp_path / "step")
    with files_of_at_most(4096, machine.info.pid):
        (tmp_path / "go").touch()
        await_true(lambda: not Path(f"/proc/{step}").exists(), "the end of the step")
        time.sleep(1)
        assert machine.pipeline_state(run_id) == "running"
    assert machine.ended(run_id) in ("finished", "failed")
    assert machine.steps(run_id)[0]["status"] == "Completed"
    assert machine.ended(machine.submit("plain", folder=str(tmp_path))) == "finished"


@contextmanager
def with_mount(published: Path, folder: Path, mount: str) -> Iterator[Machine]:
    """A server that has a mount of its own at its blobs, which the shell sees as $BLOBS."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount something")
    shutil.copytree(published, folder / "state")
    (folder / "state" / "ports.json").unlink()
    machine = Machine(folder / "state")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *SERVER, str(machine.state.root)]
    environment = {**os.environ, "BLOBS": str(machine.state.blobs)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        yield started(machine, process)
        machine.stop()


@pytest.fixture
def small_disk(published: Path, tmp_path: Path) -> Iterator[Machine]:
    """A server whose blobs lie on a real file system of 16 MB."""
    with with_mount(published, tmp_path, 'mount -t tmpfs -o size=16m none "$BLOBS"') as machine:
        yield machine


def test_a_real_full_file_system(small_disk: Machine) -> None:
    free = 16 * MEGABYTE
    refused = small_disk.blob("PUT", "known", data=bytes(17 * MEGABYTE))
    assert (refused.status_code, f"({17 * MEGABYTE} bytes)" in refused.text) == (507, True)
    unmeasured = small_disk.blob("PUT", "unmeasured", data=iter([bytes(MEGABYTE)] * 17))
    assert unmeasured.status_code == 507
    assert "bytes free" in unmeasured.text
    assert small_disk.blob("HEAD", "unmeasured").status_code == 404
    assert small_disk.blob("PUT", "fits", data=bytes(free // 2)).status_code == 201
    assert len(small_disk.blob("GET", "fits").content) == free // 2


@pytest.fixture
def unwritable(published: Path, tmp_path: Path) -> Iterator[Machine]:
    """A server that may read the artifacts and not write them."""
    container = next(path.name for path in (published / "blobs").glob("azureml-*") if "blobstore" not in path.name)
    bind = f'mount --bind "$BLOBS/{container}" "$BLOBS/{container}" && mount -o remount,ro,bind "$BLOBS/{container}"'
    with with_mount(published, tmp_path, bind) as machine:
        yield machine


def test_an_unwritable_folder_is_named(unwritable: Machine) -> None:
    artifact = f"/artifact/v2.0{scope()}/artifacts/content/ExperimentRun/dcid.x/outputs/file.txt"
    answer = unwritable.send("POST", artifact, {"some": "bytes"})
    assert answer.status_code == 400
    assert answer.headers["x-ms-error-code"] == "StorageNotWritable"
    assert "Read-only file system" in answer.text
    assert str(unwritable.state.blobs) in answer.text
    run_id = unwritable.submit("plain", folder=".")
    assert unwritable.ended(run_id) == "failed"
    assert "Read-only file system" in unwritable.step_error(run_id)
    assert unwritable.blob("PUT", "elsewhere", data=b"x").status_code == 201


@pytest.mark.parametrize("spoil", ["store.sqlite", "blobs", "certificates"])
def test_a_state_folder_that_cannot_be_used_is_named_at_the_start(tmp_path: Path, spoil: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if spoil == "store.sqlite":
        (state / spoil).mkdir()
    else:
        (state / spoil).write_text("a file")
    done = subprocess.run([*SERVER, str(state)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert str(state) in done.stderr
    assert "Traceback" not in done.stderr
