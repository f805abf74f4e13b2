"""Turn what the Azure libraries raise into a message that a user can act on.

The SDK has no common root: its own family, msrest's, azure-core's, requests' and bare `Exception`s all come through.
Classes are told apart by the module that defines them, so that a fast path such as `--help` imports none of them.
"""

from __future__ import annotations

import errno
import json
import re
from contextlib import suppress
from typing import Any

from forecasting import errors as model_errors
from ml_service.errors import FaultError, MlServiceError, RefusedError, UsageError

_LIBRARIES = ("azureml", "azure", "msrest", "msrestazure", "requests", "urllib3", "adal", "msal")

_UNWRITABLE = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "EISDIR", "EEXIST", "ENAMETOOLONG")
)
"""What a place is at fault for, and not our code."""


def explain(error: BaseException) -> MlServiceError | None:
    """Describe an exception of an Azure library; None when it is not one (then it is our own mistake)."""
    if isinstance(error, MlServiceError):
        return error
    if isinstance(error, model_errors.ForecastingError):
        return _of_model_code(error)
    families = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    if isinstance(error, OSError) and error.errno in _UNWRITABLE and not families.intersection(_LIBRARIES):
        return _of_place(error)
    if not families.intersection(_LIBRARIES) and not _raised_inside_sdk(error):
        return None
    status = http_status(error)
    text = message_of(error)
    if families.intersection(("requests", "urllib3")) and status is None:
        return FaultError(
            "a call to Azure did not get through",
            found=text,
            todo="check the network, the proxy and that the service is up; the call changed nothing that we know of",
        )
    return FaultError(
        "Azure ML refused a call" + (f" (HTTP {status})" if status else ""),
        found=text,
        todo=_advice(status),
    )


def _of_place(error: OSError) -> UsageError:
    return UsageError(
        f"{error.filename or 'a file'} cannot be read or written: {error.strerror}",
        todo="name a place that this user may write to and that has room, then repeat the command",
    )


def _of_model_code(error: model_errors.ForecastingError) -> MlServiceError:
    """The forecasting package words its own messages; only the exit code has to agree."""
    if isinstance(error, model_errors.RefusedError):
        return RefusedError(str(error))
    return UsageError(str(error)) if isinstance(error, model_errors.UsageError) else FaultError(str(error))


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an SDK exception carries, wherever that library keeps it."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _raised_inside_sdk(error: BaseException) -> bool:
    """A bare ValueError or Exception belongs to the SDK when its innermost frame lies in it."""
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return module.partition(".")[0] in _LIBRARIES


def message_of(error: BaseException) -> str:
    """The sentence inside the JSON or the `Message:` wrapping that the SDK puts around it."""
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    wrapped = re.search(r'\{\s*"error".*\}', text, flags=re.DOTALL)
    if wrapped:
        with suppress(ValueError, KeyError, TypeError):
            text = str(json.loads(wrapped.group(0))["error"]["message"])
    lines = [line.strip().removeprefix("Message: ") for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not re.fullmatch(r"\w+(Error|Exception|Response):?|InnerException.*", line)]
    return "\n".join((told or lines)[:8])


def _advice(status: int | None) -> str:
    if status in (401, 403):
        return "check the role of the signed-in identity on the workspace; a new role takes up to an hour to work"
    if status == 409:
        return "something else is changing the same object: wait for it, then repeat the command"
    if status is not None and status >= 500:
        return "the service is in trouble: repeat the command later; every verb can be repeated safely"
    return "see the message; every verb can be repeated safely"
