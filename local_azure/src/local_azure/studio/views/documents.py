"""Documents that projects hand over and the studio knows how to show: an approval card, a status board.

The studio knows their form only, from the schemas in docs/; which program of which project has written them does not
matter. A document that lacks a key is shown as JSON.
"""

from __future__ import annotations

from typing import Any, Literal

DocumentKind = Literal["approval_card", "status_board", ""]
_CARD = {"kind", "problem", "title", "proposed", "target", "improvement", "asked", "if_approved", "if_rejected"}
_BOARD = {"problem", "moment", "agreement", "test", "candidates", "data"}


def kind_of_document(found: Any) -> DocumentKind:
    """Tell what a JSON document is."""
    if not isinstance(found, dict) or found.get("schema_version") != 1:
        return ""
    if found.keys() >= _CARD and all(isinstance(found[key], dict) for key in ("proposed", "target", "asked")):
        return "approval_card"
    if found.keys() >= _BOARD and isinstance(found["agreement"], dict):
        return "status_board"
    return ""


def board_in(found: Any) -> Any:
    """Return the board inside the answer of `status --json`, else what was given."""
    if isinstance(found, dict) and isinstance(found.get("board"), dict):
        return found["board"]
    return found
