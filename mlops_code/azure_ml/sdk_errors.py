"""Read what the Azure libraries raise.

They have no common root: the SDK's own family, msrest's, azure-core's, requests' and bare `Exception`s all come
through. Classes are told apart by the module that defines them, so that nothing is imported for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Found = TypeVar("Found")
_LIBRARIES = frozenset(("azureml", "azure", "msrest", "msrestazure", "requests", "urllib3", "adal", "msal"))
_NETWORK_LIBRARIES = frozenset(("requests", "urllib3"))
_SHOWN_LINES = 8


def has_azure_class(error: BaseException) -> bool:
    """Whether an Azure library defines the exception."""
    return not _LIBRARIES.isdisjoint(_families(error))


def is_of_azure(error: BaseException) -> bool:
    """Whether an Azure library defines the exception, or raised a bare one."""
    return has_azure_class(error) or _raised_inside_library(error)


def is_of_network(error: BaseException) -> bool:
    """Whether a call did not get through: an exception of the HTTP client without a response."""
    return http_status(error) is None and not _NETWORK_LIBRARIES.isdisjoint(_families(error))


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, wherever that library keeps it: some have it in their text only."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    if isinstance(status, int):
        return status
    told = re.search(r"^Response Code: (\d{3})$", str(getattr(error, "message", "")), re.MULTILINE)
    return int(told[1]) if told else None


def none_if_absent(read: Callable[[], Found]) -> Found | None:
    """What a call to the service returns; None when the service answers that there is no such object."""
    from msrest.exceptions import HttpOperationError

    try:
        return read()
    except HttpOperationError as error:
        if http_status(error) not in (400, 404):
            raise
        return None


def message_of(error: BaseException) -> str:
    """The sentence inside the JSON or the `Message:` wrapping that the SDK puts around it."""
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    wrapped = re.search(r'\{\s*"error"', text)
    if wrapped:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            # The SDK shows the bytes of some bodies as Python does, with quotes that JSON does not escape.
            body = text[wrapped.start() : text.rfind("}") + 1].replace("\\'", "'")
            text = str(json.loads(body)["error"]["message"])
    lines = [line.strip().removeprefix("Message: ") for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not re.fullmatch(r"\w+(Error|Exception|Response):?|InnerException.*", line)]
    return "\n".join((told or lines)[:_SHOWN_LINES])


def _families(error: BaseException) -> set[str]:
    """The top-level packages that define the exception's classes."""
    return {cls.__module__.partition(".")[0] for cls in type(error).__mro__}


def _raised_inside_library(error: BaseException) -> bool:
    """Whether the innermost frame lies in an Azure library: a bare ValueError from there is not ours."""
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return module.partition(".")[0] in _LIBRARIES
