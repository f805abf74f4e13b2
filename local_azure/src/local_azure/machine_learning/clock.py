"""Time and identifiers in the forms that the planes use."""

from __future__ import annotations

import datetime as dt
import uuid


def utc_now() -> dt.datetime:
    """The present moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def timestamp(moment: dt.datetime | None = None) -> str:
    """ISO 8601 with microseconds and offset, the form that every plane writes."""
    return (moment or utc_now()).isoformat(timespec="microseconds")


def new_id() -> str:
    """A random GUID in text form."""
    return str(uuid.uuid4())
