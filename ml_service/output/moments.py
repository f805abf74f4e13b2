"""Moments as people read them; documents keep them as they are."""

from __future__ import annotations

from datetime import UTC, datetime


def shown_moment(text: str) -> str:
    """A moment such as `30 Nov 2026, 09:12 UTC`; a text that is none stays as it is."""
    moment = _moment(text)
    return text if moment is None else f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def exact_moment(text: str) -> str:
    """A moment in UTC such as `2026-11-30 09:12:05`, for pages that say so; a text that is none stays as it is."""
    moment = _moment(text)
    return text if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
