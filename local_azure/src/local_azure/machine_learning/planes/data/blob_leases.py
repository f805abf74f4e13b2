"""Lease Blob: the five actions, as the headers of a request ask for them.

Caller: `BlobLeaseClient` of azure-storage-blob. Source: Azure Storage REST, "Lease Blob".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from starlette.responses import Response

from local_azure.machine_learning.clock import Uptime, uptime
from local_azure.machine_learning.domain.data.blob_access import leases
from local_azure.machine_learning.domain.data.blob_access.conditions import Conditions, invalid_header, lease_id
from local_azure.machine_learning.domain.data.blob_access.leases import Lease
from local_azure.machine_learning.domain.data.blobs import Blob
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.planes.data.blob_headers import answer_headers, version_headers

_DURATION = "x-ms-lease-duration"
_BREAK_PERIOD = "x-ms-lease-break-period"
_ID = "x-ms-lease-id"
_PROPOSED = "x-ms-proposed-lease-id"
_STATUSES = {"acquire": 201, "renew": 200, "change": 200, "release": 200, "break": 202}


def put_lease(call: Call, blob: Blob) -> Response:
    """Carry out the action of a request; raises a 400, 404, 409 or 412."""
    headers = call.request.headers
    action = headers.get("x-ms-lease-action", "").lower()
    if action not in _STATUSES:
        raise invalid_header("x-ms-lease-action", action, f"one of {', '.join(_STATUSES)}")

    def alter(held: Lease | None, now: Uptime) -> Lease | None:
        return _altered(action, headers, held, now)

    if action not in ("acquire", "break"):
        _required(headers, _ID)  # before the blob is looked up, as for every header
    conditions = Conditions.of_headers({key: value for key, value in headers.items() if key != _ID})
    lease = blob.change_lease(conditions, alter)
    more = {}
    if action == "break" and lease:
        more["x-ms-lease-time"] = str(math.ceil(lease.remaining(uptime())))
    elif lease:
        more[_ID] = lease.id
    return Response(status_code=_STATUSES[action], headers=answer_headers(call.request, version_headers(blob), more))


def _altered(action: str, headers: Mapping[str, str], held: Lease | None, now: Uptime) -> Lease | None:
    if action == "acquire":
        return leases.acquire(held, lease_id(headers, _PROPOSED), _duration(headers), now)
    if action == "break":
        return leases.broken(held, _break_period(headers), now)
    held_id = _required(headers, _ID)
    if action == "renew":
        return leases.renew(held, held_id, now)
    if action == "change":
        return leases.change(held, held_id, _required(headers, _PROPOSED), now)
    leases.release(held, held_id)
    return None


def _required(headers: Mapping[str, str], header: str) -> str:
    found = lease_id(headers, header)
    if found is None:
        raise ApiError(400, "MissingRequiredHeader", f"This action on a lease needs the header {header}.")
    return found


def _duration(headers: Mapping[str, str]) -> int:
    """Seconds of a new lease; without the header it has no end."""
    text = headers.get(_DURATION, str(leases.INFINITE))
    if text == str(leases.INFINITE):
        return leases.INFINITE
    if re.fullmatch(r"[0-9]{1,3}", text) and leases.SHORTEST_SECONDS <= int(text) <= leases.LONGEST_SECONDS:
        return int(text)
    expected = f"{leases.SHORTEST_SECONDS} to {leases.LONGEST_SECONDS} seconds, or {leases.INFINITE} for no end"
    raise invalid_header(_DURATION, text, expected)


def _break_period(headers: Mapping[str, str]) -> int | None:
    text = headers.get(_BREAK_PERIOD)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,3}", text) and int(text) <= leases.MOST_BREAK_SECONDS:
        return int(text)
    raise invalid_header(_BREAK_PERIOD, text, f"0 to {leases.MOST_BREAK_SECONDS} seconds")
