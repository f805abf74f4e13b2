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


def shown_duration(start: str, end: str) -> str:
    """The time between two moments in its largest unit, such as `3 days` or `2 minutes`; empty where one is none."""
    first, last = _moment(start), _moment(end)
    if first is None or last is None:
        return ""
    seconds = max((last - first).total_seconds(), 0)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = int(seconds // length)
        if number:
            return f"{number} {unit}{'s' * (number != 1)}"
    return "less than a minute"


def _moment(text: str) -> datetime | None:
    """In UTC, which is also meant where no zone is named."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
