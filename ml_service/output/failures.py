"""Explain an exception to the user: what happened and what to do, with the exit code that belongs to it."""

from __future__ import annotations

from azure_ml.errors import ExplainedError
from azure_ml.sdk_errors import has_azure_class, http_status, is_of_azure, is_of_network, message_of
from forecasting.errors import ForecastingError, RefusedError, UsageError, is_about_a_place
from ml_service.errors import CheckFailedError, FaultError, InvalidRequestError

_DOCTOR = "If a right, a quota or a resource is missing, this names it with its fix: python -m ml_service doctor"
_UNREGISTERED = "is not registered"
"""In Azure's sentence about a resource provider, which comes with the status of a conflict."""


def explain(error: BaseException) -> ExplainedError | None:
    """Describe an exception; None for a bug of this program, which is shown as a traceback."""
    if isinstance(error, ExplainedError):
        return error
    if isinstance(error, ForecastingError):
        return _of_model_code(error)
    if isinstance(error, OSError) and is_about_a_place(error) and not has_azure_class(error):
        return _of_place(error)
    if not is_of_azure(error):
        return None
    if is_of_network(error):
        return FaultError(
            "a call to Azure got no response",
            found=message_of(error),
            todo="check the network, the proxy and the service; it is unknown whether the call had an effect",
        )
    status, found = http_status(error), message_of(error)
    return FaultError(
        "Azure ML refused a call" + (f" (HTTP {status})" if status else ""), found=found, todo=_advice(status, found)
    )


def _of_place(error: OSError) -> InvalidRequestError:
    return InvalidRequestError(
        f"{error.filename or 'a file'} cannot be read or written: {error.strerror}",
        todo="choose a path that this user can write to, with enough free space, then repeat the command",
    )


def _of_model_code(error: ForecastingError) -> ExplainedError:
    """Keep the message of the forecasting package and choose the exit code."""
    if isinstance(error, RefusedError):
        return CheckFailedError(str(error))
    return InvalidRequestError(str(error)) if isinstance(error, UsageError) else FaultError(str(error))


def advice_of(status: int) -> str:
    """What to do about a refusal whose HTTP status says it all; empty where the message has to be read."""
    if status == 401:
        return (
            "sign in again: az login, or map SYSTEM_ACCESSTOKEN in env: of the step; after a release or rollback\n"
            "ask what serves: python -m ml_service verify"
        )
    if status == 429:
        return "the service limits the number of calls: wait a few minutes, then repeat the command"
    if status >= 500:
        return "the service is in trouble: repeat the command later; every verb can be repeated safely"
    return ""


def _advice(status: int | None, found: str) -> str:
    if status is not None and (known := advice_of(status)):
        return known
    if status == 403:
        return f"{_DOCTOR}\na new role takes up to an hour to work"
    if status == 409 and _UNREGISTERED not in found:
        return "another process is changing the same object: wait until it has finished, then repeat the command"
    return f"see the message. {_DOCTOR}\nevery verb can be repeated safely"
