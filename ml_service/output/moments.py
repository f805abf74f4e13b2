"""Moments as people read them; documents keep them as they are."""

from __future__ import annotations

from datetime import UTC, datetime


def shown_moment(text: str) -> str:
    """A moment such as `30 Nov 2026, 09:12 UTC`; a text that is none stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"
