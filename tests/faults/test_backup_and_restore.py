"""How docs/state_folder.md says that a state folder is backed up and restored."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.faults.fault_server import Machine, scope


def copy(words: list[str]) -> None:
    """Run a command of the page."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def fill(machine: Machine) -> None:
    """Something in the database and something among the blobs."""
    machine.create_run("kept", tags={"a": "b"})
    machine.post(f"/credential/v2.0{scope()}/secrets", {"name": "kept", "value": "of the vault"}, "PUT")
    assert machine.blob("PUT", "kept/data.csv", data=b"x\n1\n", headers={"x-ms-blob-type": "BlockBlob"}).ok


def assert_whole(machine: Machine, folder: Path) -> None:
    """All of it is there, and the server works."""
    assert machine.run("kept")["tags"] == {"a": "b"}
    assert machine.get(f"/credential/v2.0{scope()}/secrets/kept")["value"] == "of the vault"
    assert machine.blob("GET", "kept/data.csv").content == b"x\n1\n"
    assert machine.ended(machine.submit("plain", folder=str(folder))) == "finished"
    assert machine.state.root.stat().st_mode & 0o077 == 0
    assert (machine.state.database).stat().st_mode & 0o077 == 0


def test_a_stopped_folder_is_copied_and_brought_back(machine: Machine, tmp_path: Path) -> None:
    fill(machine)
    machine.stop()
    archive, other = tmp_path / "backup.tar.gz", tmp_path / "elsewhere"
    copy(["tar", "-C", str(machine.state.root), "-czf", str(archive), "."])
    other.mkdir(mode=0o700)
    copy(["tar", "-C", str(other), "-xpzf", str(archive)])
    restored = Machine(other).start()
    try:
        assert_whole(restored, tmp_path)
    finally:
        restored.stop()
    machine.start()
    machine.create_run("later")


def test_a_folder_is_copied_after_a_kill_with_the_journal_of_its_database(machine: Machine, tmp_path: Path) -> None:
    fill(machine)
    machine.kill()
    journal = machine.state.root / "store.sqlite-wal"
    assert journal.stat().st_size > 0, "what was acknowledged last is only there"
    other = tmp_path / "elsewhere"
    copy(["cp", "-a", str(machine.state.root), str(other)])
    restored = Machine(other).start()
    try:
        assert_whole(restored, tmp_path)
    finally:
        restored.stop()
