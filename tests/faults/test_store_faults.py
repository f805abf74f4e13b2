"""The store: a full disk, a failing commit, older and newer schemas, clocks that go backwards, turns of writers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure.machine_learning.domain.runs import run_documents
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.lost_store import refuse_lost_store
from local_azure.machine_learning.storage.migrations import MIGRATIONS, Migration, StoreTooNewError
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.machine_learning.storage.store import Store

# What a server of schema 1 wrote; stands here as it was, whatever becomes of the migrations.
VERSION_1 = """
CREATE TABLE entity (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '', parent TEXT NOT NULL DEFAULT '',
    doc TEXT NOT NULL,
    UNIQUE (workspace, kind, id)
);
CREATE INDEX entity_name ON entity (workspace, kind, name, seq);
CREATE INDEX entity_parent ON entity (workspace, kind, parent, seq);
CREATE INDEX run_started ON entity (
    workspace, name, coalesce(json_extract(doc, '$.startTimeUtc'), json_extract(doc, '$.createdUtc')), seq
) WHERE kind = 'run';
CREATE TABLE metric (
    workspace TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL,
    columns TEXT NOT NULL, properties TEXT NOT NULL,
    PRIMARY KEY (workspace, run_id, name)
);
CREATE TABLE metric_value (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL, doc TEXT NOT NULL
);
CREATE INDEX metric_value_run ON metric_value (workspace, run_id, name, created, seq);
INSERT INTO entity (workspace, kind, id, doc) VALUES ('w', 'model', 'm:1', '{"version": 1}');
PRAGMA user_version=1;
"""
# What version 1 wrote itself.
_OF_CREATION = {
    "runUuid", "rootRunUuid", "parentRunId", "parentRunUuid", "experimentId", "userId", "token", "status", "name",
    "startTimeUtc", "endTimeUtc", "displayName", "description", "hidden", "dataContainerId", "runType", "scriptName",
    "target", "properties", "error",
}  # fmt: skip
MEGABYTE = "x" * 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be."""
    return tmp_path / "store.sqlite"


def version(path: Path) -> int:
    """The schema version that a store says it has."""
    with sqlite3.connect(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def put(store: Store, key: str, text: str = "") -> None:
    """Write one document."""
    store.put("w", "k", key, {"text": text})


def test_a_full_disk_is_a_507_that_names_path_and_bytes_and_reads_go_on(path: Path) -> None:
    store = Store(path)
    put(store, "before")
    with store.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection().execute(f"PRAGMA max_page_count={pages + 10}")
    with pytest.raises(ApiError) as refused, store.transaction():
        put(store, "half of it")
        put(store, "too much", MEGABYTE)
    assert refused.value.status == 507
    assert str(path) in refused.value.message
    assert f"{path.stat().st_size} bytes now" in refused.value.message
    assert store.get("w", "k", "before") == {"text": ""}
    assert store.get("w", "k", "half of it") is None, "all or nothing"
    store._connection().execute("PRAGMA max_page_count=1000000")
    put(store, "after", MEGABYTE)
    assert store.rows("PRAGMA integrity_check")[0][0] == "ok"
    store.close()


class FailingCommit:
    """A connection whose disk is full at the very end of a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.fail = True

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)

    def execute(self, sql: str, *more: object) -> sqlite3.Cursor:
        """As SQLite's own."""
        if sql == "COMMIT" and self.fail:
            raise sqlite3.OperationalError("disk I/O error")
        return self.connection.execute(sql, *more)  # type: ignore[arg-type]


def test_a_commit_that_fails_leaves_no_open_transaction_behind(path: Path) -> None:
    store = Store(path)
    failing = FailingCommit(store._connection())
    store._local.connection = failing
    with pytest.raises(sqlite3.OperationalError):
        put(store, "lost")
    failing.fail = False
    put(store, "kept")  # would be taken for a part of the transaction that never ended, and be lost with it
    other = Store(path)
    assert other.get("w", "k", "kept") is not None
    assert other.get("w", "k", "lost") is None
    store._local.connection = failing.connection
    for one in (store, other):
        one.close()


def test_a_store_of_version_1_is_opened_and_brought_up_to_date(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1)
    store = Store(path)
    assert store.get("w", "model", "m:1") == {"version": 1}
    assert version(path) == MIGRATIONS[-1].number
    store.insert("w", "model", "m:2", {"version": 2})
    assert [doc["version"] for doc in store.find("w", "model")] == [1, 2]
    store.close()


def test_runs_of_version_1_get_the_keys_of_the_service_and_keep_their_own(path: Path) -> None:
    run = {
        "runId": "r",
        "runNumber": 7,
        "createdUtc": "t",
        "createdBy": {"userName": "u"},
        "warnings": [],
        "tags": {},
    }
    run |= {"heartbeatEnabled": False, "inputDatasets": [{"a": 1}], "runDefinition": {"b": 1.5}}
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1)
        add = "INSERT INTO entity (workspace, kind, id, doc) VALUES ('w', ?, ?, ?)"
        documents = [("run", "r", json.dumps(run)), ("run", "odd", "[1]"), ("experiment", "torn", "{")]
        connection.executemany(add, documents)
    store = Store(path)
    found = store.get("w", "run", "r")
    assert found is not None
    new = run_documents.new_run("r", "e", None, None)
    assert found.keys() >= new.keys() - run.keys() - {"rootRunId", *_OF_CREATION}
    kept = ("runNumber", "createdBy", "inputDatasets", "runDefinition", "tags")
    assert {key: found[key] for key in kept} == {key: run[key] for key in kept}
    assert (found["warnings"], found["parameters"], found["revision"]) == (None, {}, 1)
    assert (found["lastModifiedUtc"], found["lastModifiedBy"]) == ("t", run["createdBy"])
    assert "heartbeatEnabled" not in found
    assert store.rows("SELECT doc FROM entity WHERE id IN ('odd', 'torn') ORDER BY id")[0]["doc"] == "[1]"
    store.close()


def test_an_old_store_and_a_new_one_have_the_same_schema(path: Path, tmp_path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1)
    schemas = []
    for one in (path, tmp_path / "new.sqlite"):
        store = Store(one)
        rows = store.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        schemas.append([(row["name"], "".join(row["sql"].split())) for row in rows])
        store.close()
    assert schemas[0] == schemas[1]


def test_migrations_are_applied_once_and_in_order(path: Path) -> None:
    Store(path).close()
    newest = MIGRATIONS[-1].number
    more = (
        *MIGRATIONS,
        Migration(newest + 1, "notes", "CREATE TABLE note (text TEXT); INSERT INTO note VALUES ('once')"),
        Migration(newest + 2, "more notes", "INSERT INTO note VALUES ('twice')"),
    )
    for _ in range(2):
        store = Store(path, more)
        assert [row["text"] for row in store.rows("SELECT text FROM note")] == ["once", "twice"]
        store.close()
    assert version(path) == newest + 2


def test_a_migration_that_breaks_leaves_no_trace(path: Path) -> None:
    Store(path).close()
    newest = MIGRATIONS[-1].number
    broken = Migration(newest + 1, "half", "CREATE TABLE half (text TEXT); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        Store(path, (*MIGRATIONS, broken))
    assert version(path) == newest
    store = Store(path)
    assert not store.rows("SELECT 1 FROM sqlite_master WHERE name = 'half'")
    store.close()


def test_a_newer_store_is_refused_untouched(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={MIGRATIONS[-1].number + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreTooNewError, match=str(path)):
        Store(path)
    assert path.read_bytes() == before


def test_the_order_is_that_of_creation_whatever_the_clock_says(path: Path) -> None:
    store = Store(path)
    clock = ["2026-03-29T02:59:59", "2026-03-29T01:00:00", "2026-03-29T01:00:00", "2025-01-01T00:00:00"]
    for number, moment in enumerate(clock):
        store.insert("w", "run", str(number), {"createdUtc": moment}, name="e")
    found = store.find_numbered("w", "run", name="e")
    assert [doc["createdUtc"] for _, doc in found] == clock
    seqs = [seq for seq, _ in found]
    assert seqs == sorted(set(seqs))
    store.delete("w", "run", "3")
    store.insert("w", "run", "4", {"createdUtc": clock[0]}, name="e")
    assert store.find_numbered("w", "run")[-1][0] > seqs[-1], "the number of a deleted one is not given again"
    store.close()


def test_writers_take_turns_in_the_order_of_their_coming(path: Path) -> None:
    store = Store(path)
    served: list[int] = []
    waiting = []

    def write(number: int) -> None:
        with store.transaction():
            served.append(number)

    with store.transaction():
        for number in range(8):
            thread = threading.Thread(target=write, args=(number,))
            thread.start()
            waiting.append(thread)
            while len(store._turns._waiting) <= number:
                pass
    for thread in waiting:
        thread.join()
    assert served == list(range(8))
    store.close()


# --- a store that is gone, beside data that is not


def _refused(state: Path) -> str:
    """What a start says that is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "local_azure.machine_learning.server", "--state", str(state)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def _new_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("DROP TABLE t")
    connection.close()


EMPTIED: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda store: store.write_bytes(b""),
    "another, without tables": _new_database,
}


@pytest.mark.parametrize("how", EMPTIED)
@pytest.mark.parametrize("beside", ["blobs", "services", "wal"])
def test_a_store_that_is_gone_beside_data_is_refused(tmp_path: Path, how: str, beside: str) -> None:
    if how == "another, without tables" and beside == "wal":
        pytest.skip("a journal beside a database that is there is SQLite's own affair")
    folder = StateFolder(tmp_path / "state")
    folder.create()
    store = Store(folder.database)
    put(store, "acknowledged")
    kept = folder.root / "store.sqlite-wal"
    journal = kept.read_bytes()
    store.close()
    EMPTIED[how](folder.database)
    if beside == "wal":
        kept.write_bytes(journal)
    else:
        (folder.root / beside / "azureml-x").mkdir()
        (folder.root / beside / "azureml-x" / "data.csv").write_text("a")
    before = {
        path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file() and "lock" not in path.name
    }
    said = _refused(folder.root)
    assert str(folder.database) in said
    assert "back" in said, "what to do"
    after = {path: path.read_bytes() for path in before if path.exists()}
    if how != "another, without tables":
        assert after == before, "nothing is lost by the attempt"


def test_a_new_folder_and_one_that_was_killed_before_its_store_was_there_are_not_refused(tmp_path: Path) -> None:
    for name, prepare in (("new", None), ("killed", b"")):
        folder = StateFolder(tmp_path / name)
        folder.create()
        BlobFiles(folder.blobs)  # makes its folder for partial files, no container
        if prepare is not None:
            folder.database.write_bytes(prepare)
        refuse_lost_store(folder)
        Store(folder.database).close()
        refuse_lost_store(folder)
