"""Explain an exception to the user: what happened and what to do, with the exit code that belongs to it."""

from __future__ import annotations

from azure_ml.errors import ExplainedError
from azure_ml.sdk_errors import has_azure_class, http_status, is_of_azure, is_of_network, message_of
from forecasting.errors import ForecastingError, RefusedError, UsageError, is_about_a_place
from ml_service.errors import CheckFailedError, FaultError, InvalidRequestError


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
    status = http_status(error)
    return FaultError(
        "Azure ML refused a call" + (f" (HTTP {status})" if status else ""),
        found=message_of(error),
        todo=_advice(status),
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


def _advice(status: int | None) -> str:
    if status in (401, 403):
        return "check the role of the signed-in identity on the workspace; a new role takes up to an hour to apply"
    if status == 409:
        return "another process is changing the same object: wait until it has finished, then repeat the command"
    if status is not None and status >= 500:
        return "the service has a fault: repeat the command later; every verb can be repeated safely"
    return "read the message; every verb can be repeated safely"
