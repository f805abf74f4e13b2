"""The one database: every acknowledged fact is in it, and survives a kill -9.

Each object of a plane is a JSON document found by (workspace, kind, id). `name` and `parent` are the two further
ways in which the planes look things up (a run by its experiment and by its parent run, a model version by its name);
`seq` gives the order of creation, which clocks cannot. Metric values have tables of their own because they only grow.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, Unpack

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.errors import bad_request, conflict, not_found
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.migrations import MIGRATIONS, Migration, migrate
from local_azure.machine_learning.storage.threads import refuse_event_loop

Document = dict[str, Any]


class _FairLock:
    """A fair FIFO lock: SQLite lets writers poll, and with fifty of them some wait for seconds."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        turn = threading.Lock()
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite has rolled back itself when the disk is full
        connection.execute("ROLLBACK")


MAX_DOCUMENT_BYTES = 48 * 1024 * 1024  # more than any request brings: what grows without end is stopped here


def _text(document: object) -> str:
    """A document as it is stored; raises a 400 for what could not be read again."""
    try:
        text = strict_json.text(document)
    except ValueError as error:
        raise bad_request(f"This cannot be stored: {error}.", "InvalidDocument") from error
    if len(text) > MAX_DOCUMENT_BYTES:
        message = f"This cannot be stored: the object would take {len(text)} bytes; at most {MAX_DOCUMENT_BYTES} fit."
        raise bad_request(message, "InvalidDocument")
    return text


class Where(TypedDict, total=False):
    """Which documents of a kind, and how many in which order; `after` continues behind that number."""

    name: str | None
    parent: str | None
    newest_first: bool
    after: int | None
    limit: int | None


class Store:
    """Documents in SQLite: a connection a thread, writers one at a time, durable when a write returns."""

    def __init__(self, path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._turns = _FairLock()
        migrate(path, self.transaction, migrations)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=30, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Close every thread's connection; the store is not used afterwards."""
        for connection in self._connections:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. BEGIN IMMEDIATE, because a deferred one fails with "locked" when it starts to write.

        May be nested: the outermost one commits. Raises an ApiError of status 507 when the disk is full.
        """
        refuse_event_loop()
        connection = self._connection()
        if connection.in_transaction:
            yield connection
            return
        with self._turns, self._disk_faults():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def _disk_faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise storage_faults.of_database(error, self._path) or error from error

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Run one statement that reads."""
        return self._connection().execute(sql, parameters).fetchall()

    def get(self, workspace: str, kind: str, key: str) -> Document | None:
        """The document, or None."""
        found = self.rows("SELECT doc FROM entity WHERE workspace=? AND kind=? AND id=?", (workspace, kind, key))
        return json.loads(found[0]["doc"]) if found else None

    def require(self, workspace: str, kind: str, key: str, label: str | None = None) -> Document:
        """The document; raises a 404 that names it."""
        found = self.get(workspace, kind, key)
        if found is None:
            raise not_found(label or kind.capitalize(), key)
        return found

    def require_named(self, workspace: str, kind: str, name: str, label: str) -> Document:
        """The oldest document of a name; raises a 404 that names it."""
        found = self.find(workspace, kind, name=name, limit=1)
        if not found:
            raise not_found(label, name)
        return found[0]

    def insert(self, workspace: str, kind: str, key: str, doc: Document, *, name: str = "", parent: str = "") -> None:
        """Create; raises a 409 when the key exists."""
        try:
            with self.transaction() as connection:
                connection.execute(
                    "INSERT INTO entity (workspace, kind, id, name, parent, doc) VALUES (?,?,?,?,?,?)",
                    (workspace, kind, key, name, parent, _text(doc)),
                )
        except sqlite3.IntegrityError as error:
            raise conflict(f"{kind} '{key}' exists already.") from error

    def put(self, workspace: str, kind: str, key: str, doc: Document, *, name: str = "", parent: str = "") -> None:
        """Create or replace; a replaced document keeps its place in the order."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO entity (workspace, kind, id, name, parent, doc) VALUES (?,?,?,?,?,?) "
                "ON CONFLICT (workspace, kind, id) DO UPDATE "
                "SET doc=excluded.doc, name=excluded.name, parent=excluded.parent",
                (workspace, kind, key, name, parent, _text(doc)),
            )

    def update(self, workspace: str, kind: str, key: str, change: Callable[[Document], None]) -> Document:
        """Read, change in place and write in one transaction; raises a 404 when absent. Returns the new document."""
        with self.transaction() as connection:
            doc = self.require(workspace, kind, key)
            change(doc)
            connection.execute(
                "UPDATE entity SET doc=? WHERE workspace=? AND kind=? AND id=?",
                (_text(doc), workspace, kind, key),
            )
        return doc

    def delete(self, workspace: str, kind: str, key: str) -> bool:
        """Remove; False when there was nothing."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "DELETE FROM entity WHERE workspace=? AND kind=? AND id=?", (workspace, kind, key)
            )
        return cursor.rowcount > 0

    def find(self, workspace: str, kind: str, **where: Unpack[Where]) -> list[Document]:
        """Documents in the order of creation."""
        return [doc for _, doc in self.find_numbered(workspace, kind, **where)]

    def find_numbered(self, workspace: str, kind: str, **where: Unpack[Where]) -> list[tuple[int, Document]]:
        """(seq, document) pairs; `after` continues behind that seq, in the direction of reading."""
        clauses = ["workspace=?", "kind=?"]
        parameters: list[object] = [workspace, kind]
        for column in ("name", "parent"):
            value = where.get(column)
            if value is not None:
                clauses.append(f"{column}=?")
                parameters.append(value)
        newest_first = where.get("newest_first", False)
        if where.get("after") is not None:
            clauses.append("seq<?" if newest_first else "seq>?")
            parameters.append(where["after"])
        sql = f"SELECT seq, doc FROM entity WHERE {' AND '.join(clauses)} ORDER BY seq"  # noqa: S608 - fixed words only
        sql += " DESC" if newest_first else ""
        if where.get("limit") is not None:
            sql += " LIMIT ?"
            parameters.append(where["limit"])
        return [(row["seq"], json.loads(row["doc"])) for row in self.rows(sql, tuple(parameters))]
