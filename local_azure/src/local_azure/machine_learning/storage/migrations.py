"""Numbered changes of the database: each is applied once, in one transaction with its record.

The record is SQLite's `user_version`, which a transaction covers like any table: a server that is killed in between
finds the store either before or after a change. A change that has been released is never edited; a further one is
added behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Migration:
    """`number` is the version that the store has afterwards; `sql` holds statements, separated by semicolons."""

    number: int
    summary: str
    sql: str


MIGRATIONS = (
    Migration(
        1,
        "documents and metric values",
        """
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
            workspace TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL,
            doc TEXT NOT NULL
        );
        CREATE INDEX metric_value_run ON metric_value (workspace, run_id, name, created, seq)
        """,
    ),
    Migration(
        2,
        "runs and experiments have all keys of the service; no warnings are null",
        """
        -- what cannot be read stays: it is refused where it is asked for, and not at the start
        UPDATE entity SET doc = json_insert(
            json_remove(doc, '$.heartbeatEnabled'),
                '$.tokenExpiryTimeUtc', json('null'), '$.lastStartTimeUtc', json('null'),
                '$.currentComputeTime', json('null'), '$.computeDuration', json('null'),
                '$.effectiveStartTimeUtc', json('null'), '$.duration', json('null'),
                '$.cancelationReason', json('null'), '$.currentAttemptId', json('null'),
                '$.scheduleId', json('null'), '$.runTypeV2', json('null'),
                '$.runDefinition', json('null'), '$.jobSpecification', json('null'),
                '$.primaryMetricName', json('null'), '$.createdFrom', json('null'),
                '$.cancelUri', json('null'), '$.completeUri', json('null'),
                '$.diagnosticsUri', json('null'), '$.computeRequest', json('null'),
                '$.compute', json('null'), '$.retainForLifetimeOfWorkspace', json('null'),
                '$.queueingInfo', json('null'), '$.inputs', json('null'), '$.outputs', json('null'),
                '$.actionUris', json('{}'), '$.parameters', json('{}'), '$.settings', json('{}'),
                '$.services', json('{}'), '$.uniqueChildRunComputeTargets', json('[]'),
                '$.inputDatasets', json('[]'), '$.outputDatasets', json('[]'), '$.revision', 1,
                '$.statusRevision', 0, '$.lastModifiedUtc', json_extract(doc, '$.createdUtc'),
                '$.lastModifiedBy', json_extract(doc, '$.createdBy')
        ) WHERE kind = 'run' AND CASE WHEN json_valid(doc) THEN json_type(doc) = 'object' END;
        UPDATE entity SET doc = json_set(doc, '$.warnings', json('null'))
            WHERE kind = 'run' AND CASE WHEN json_valid(doc) THEN json_type(doc) = 'object' END
            AND json_extract(doc, '$.warnings') = '[]';
        UPDATE entity SET doc = json_insert(
            doc, '$.latestCreatedRunId', json('null'), '$.latestCreatedRunCreatedUtc', json('null')
        ) WHERE kind = 'experiment' AND CASE WHEN json_valid(doc) THEN json_type(doc) = 'object' END
        """,
    ),
)


class StoreTooNewError(Exception):
    """The store was written by a newer version of this program."""


def migrate(
    path: Path,
    transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
    migrations: tuple[Migration, ...] = MIGRATIONS,
) -> None:
    """Bring the store at `path` to the newest version; raises StoreTooNewError and changes nothing when it is newer.

    transaction: begins one that writes; two servers cannot be here at once, because the state folder is locked.
    """
    newest = migrations[-1].number
    for migration in migrations:
        with transaction() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > newest:
                raise StoreTooNewError(
                    f"{path} was written by a newer version (schema {version}; this one knows {newest}). Use that "
                    "version, or another state folder."
                )
            if version < migration.number:
                for statement in migration.sql.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={migration.number}")
