"""The one way in which a plane says no.

The SDK retries 408, 429 and every 5xx, and rewrites 403 into a hint to log in; so a user's mistake is always answered
with another 4xx. `details` must be a list, otherwise the SDK crashes while it prints the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape  # xml.sax imports all of urllib and http
from typing import Any

COVERAGE = "local_azure/COVERAGE.md"


class ApiError(Exception):
    """An answer other than success: HTTP status, Azure error code and a sentence for a person.

    headers: what this answer has besides. has_body: whether the sentence is sent; some answers are empty.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        has_body: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.has_body = has_body


def bad_request(message: str, code: str = "UserError") -> ApiError:
    """The call cannot be carried out as it is (400)."""
    return ApiError(400, code, message)


def not_found(kind: str, name: str, hint: str = "") -> ApiError:
    """The named object does not exist in this workspace (404)."""
    return ApiError(404, "NotFound", f"{kind} '{name}' was not found in this workspace.{' ' + hint if hint else ''}")


def conflict(message: str) -> ApiError:
    """The name is taken, or the object is in use (409)."""
    return ApiError(409, "Conflict", message)


def not_implemented(what: str) -> ApiError:
    """A refusal that the SDK shows and does not retry; 501 would be retried for a minute."""
    return ApiError(400, "NotImplemented", f"local_azure does not implement {what}. See {COVERAGE} for what it does.")


def json_body(error: ApiError, request_id: str, time: str, *, pascal_case: bool = False) -> dict[str, Any]:
    """Body for every JSON plane; the flat keys at the end serve the model management plane.

    pascal_case: for the pipelines plane, whose client finds the message under no other name.
    """
    if pascal_case:
        return {
            "Error": {"Code": error.code, "Message": error.message, "Details": []},
            "Correlation": {"RequestId": request_id},
        }
    return {
        "error": {"code": error.code, "message": error.message, "target": None, "details": [], "innerError": None},
        # The models client prints `correlation` and not `message`; so the sentence is there too.
        "correlation": {"RequestId": request_id, "Message": error.message},
        "environment": "local",
        "location": "local",
        "time": time,
        "code": error.code,
        "statusCode": error.status,
        "message": error.message,
        "details": [],
    }


def xml_body(error: ApiError, request_id: str, time: str) -> str:
    """Body for the blob plane, with the byte order mark and the two further lines that the service writes."""
    message = f"{error.message}\nRequestId:{request_id}\nTime:{time}"
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{escape(error.code, quote=False)}</Code>"
        f"<Message>{escape(message, quote=False)}</Message></Error>"
    )
