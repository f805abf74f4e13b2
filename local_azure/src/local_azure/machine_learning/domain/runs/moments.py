"""Times that clients send, brought into the one form in which they are kept and compared as text."""

from __future__ import annotations

import datetime as dt

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.errors import bad_request


def normalise_time(text: object) -> str:
    """An ISO 8601 time (`T` or blank between; no offset means UTC) as UTC with microseconds; raises a 400."""
    try:
        moment = dt.datetime.fromisoformat(str(text))
        moment = (moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise bad_request(
            f"'{str(text)[:40]}' is not a time; expected ISO 8601, such as 2026-01-31T10:00:00Z."
        ) from error
    return timestamp(moment)
