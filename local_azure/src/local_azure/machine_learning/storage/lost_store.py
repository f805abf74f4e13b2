"""Refuses a state folder whose database is gone while its data is still there.

SQLite makes an empty database where it finds none, and deletes a journal (-wal) that is beside an empty one, with
all that it may hold. A copy that went wrong, or a file that somebody removed, would so turn into the loss of every
acknowledged fact, without a word.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from local_azure.machine_learning.storage.state import StateFolder


class StoreLostError(Exception):
    """The database is missing or empty beside data that it described."""

    def __init__(self, database: Path, how: str, beside: Path) -> None:
        super().__init__(
            f"The database {database} is {how}, but {beside} holds data of it. Nothing was changed. Bring the file "
            f"back from a backup (with {database.name}-wal, if there is one); or, to begin with nothing, move "
            f"{database.parent} away."
        )


def refuse_lost_store(state: StateFolder) -> None:
    """Raise StoreLostError for a database that was there once; do nothing for a new folder."""
    journal = state.database.with_name(f"{state.database.name}-wal")
    has_journal = journal.is_file() and journal.stat().st_size > 0
    how = _emptiness(state.database, has_journal=has_journal)
    if how is None:
        return
    if has_journal:
        raise StoreLostError(state.database, how, journal)
    for folder in (state.blobs, state.services):
        if _holds_data(folder):
            raise StoreLostError(state.database, how, folder)


def _emptiness(database: Path, *, has_journal: bool) -> str | None:
    if not database.exists():
        return "missing"
    if database.stat().st_size == 0:
        return "empty"
    if has_journal:  # what is not in the file yet is in there
        return None
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entity'").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError:  # damaged: opening it will report that
        return None
    return None if found[0] else "a database without any content"


def _holds_data(folder: Path) -> bool:
    """Whether there is a file in one of the folders that do not begin with a dot; those are the server's own."""
    if not folder.is_dir():
        return False
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return any(map(_is_or_holds_file, entries))


def _is_or_holds_file(entry: Path) -> bool:
    return entry.is_file() or any(path.is_file() for path in entry.rglob("*"))
