"""Documents that projects hand over and the studio knows how to show: an approval card, a status board.

The studio knows their form only, from the schemas in docs/; which program of which project has written them does not
matter. A document that lacks a key, or has another shape where a template looks into it, is shown as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

DocumentKind = Literal["approval_card", "status_board", ""]
_CARD = {"kind", "problem", "title", "proposed", "target", "improvement", "asked", "if_approved", "if_rejected"}
_BOARD = {"problem", "moment", "agreement", "test", "candidates", "data"}


@dataclass(frozen=True)
class _Shape:
    """What the templates look into, by paths. objects are needed; the others may be absent or null."""

    objects: tuple[str, ...]
    optional_objects: tuple[str, ...]
    lists: tuple[str, ...]
    lists_of_objects: tuple[str, ...]

    def fits(self, found: dict[str, Any]) -> bool:
        """Tell whether the templates can show a document."""
        return (
            all(isinstance(_at(found, path), dict) for path in self.objects)
            and all(isinstance(_at(found, path), dict | None) for path in self.optional_objects)
            and all(isinstance(_at(found, path), list | None) for path in (*self.lists, *self.lists_of_objects))
            and all(isinstance(row, dict) for path in self.lists_of_objects for row in _at(found, path) or ())
        )


def _at(found: Any, path: str) -> Any:
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


_CARD_SHAPE = _Shape(
    objects=("proposed", "target", "improvement", "asked"),
    optional_objects=("target.tags", "serves_now", "serves_now.version", "verdict"),
    lists=("warnings",),
    lists_of_objects=("earlier",),
)
_BOARD_SHAPE = _Shape(
    objects=("agreement", "data"),
    optional_objects=("tags", "serves", "serves.version", "production", "test", "drift", "accuracy"),
    lists=("production.models", "test.models"),
    lists_of_objects=("candidates", "schedules"),
)


def kind_of_document(found: Any) -> DocumentKind:
    """Tell what a JSON document is."""
    if not isinstance(found, dict) or found.get("schema_version") != 1:
        return ""
    if found.keys() >= _CARD and _CARD_SHAPE.fits(found):
        return "approval_card"
    if found.keys() >= _BOARD and _BOARD_SHAPE.fits(found):
        return "status_board"
    return ""


def board_in(found: Any) -> Any:
    """Return the board inside the answer of `status --json`, else what was given."""
    if isinstance(found, dict) and isinstance(found.get("board"), dict):
        return found["board"]
    return found
