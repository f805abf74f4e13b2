"""Read documents that a service has answered with: a part that has another form is an error, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_service.errors import FaultError

Document = Mapping[str, Any]
_SHOWN = 100


def at(document: object, *path: str) -> Any:
    """What a document has at a path of keys; None where it has nothing there."""
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def demand_mapping(document: object, *path: str) -> None:
    """Raises: FaultError where a document has no object at a path."""
    found = at(document, *path)
    if not isinstance(found, Mapping):
        raise _other_form(path, found, "an object")


def number_at(document: object, *path: str) -> int:
    """The whole number at a path, also one that is written as text. Raises: FaultError."""
    found = at(document, *path)
    if isinstance(found, bool) or not str(found).strip().lstrip("-").isdecimal():
        raise _other_form(path, found, "a whole number")
    return int(found)


def text_at(document: object, *path: str) -> str:
    """The text or number at a path, as text. Raises: FaultError where there is none, or an empty one."""
    found = at(document, *path)
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise _other_form(path, found, "a text")
    return str(found)


def records_at(document: object, *path: str, may_lack: bool = False) -> tuple[Document, ...]:
    """The objects of the list at a path. Raises: FaultError for another form, and for none unless it may lack."""
    found = at(document, *path)
    if found is None and may_lack:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _other_form(path, found, "a list of objects")
    return tuple(found)


def texts_at(document: object, *path: str) -> tuple[str, ...]:
    """The texts of the list at a path; none where there is no list. Raises: FaultError for anything else."""
    found = at(document, *path)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _other_form(path, found, "a list of texts")
    return tuple(found)


def _other_form(path: tuple[str, ...], found: object, expected: str) -> FaultError:
    return FaultError(
        f"a service answered with a document that lacks {'.'.join(path)}, or has something else there",
        found=repr(found)[:_SHOWN],
        expected=expected,
        todo="repeat the command; if it stays like this, the service has changed its interface",
    )
