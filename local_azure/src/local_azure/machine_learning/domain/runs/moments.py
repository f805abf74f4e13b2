"""Times that clients send, brought into the one form in which they are kept and compared as text."""

from __future__ import annotations

import datetime as dt

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.errors import bad_request


def normalise_time(text: object) -> str:
    """An ISO 8601 time (`T` or blank between; no offset means UTC) as UTC with microseconds; raises a 400."""
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError as error:
        raise bad_request(f"'{text}' is not a time; expected ISO 8601, such as 2026-01-31T10:00:00Z.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return timestamp(moment.astimezone(dt.UTC))
