"""Messages answer what happened, what was found, what was expected, what to do; library errors are translated."""

from __future__ import annotations

import errno
import json
from types import SimpleNamespace

import pytest
import requests
from azureml.exceptions import UserErrorException, WebserviceException

from azure_ml.errors import AzureMlError, ExplainedError
from azure_ml.sdk_errors import http_status
from forecasting.errors import ContractError, Finding
from ml_service.errors import CheckFailedError, ConflictError, FaultError, InvalidRequestError, TimedOutError
from ml_service.output.failures import explain


def test_each_branch_has_its_exit_code() -> None:
    kinds = (AzureMlError, FaultError, InvalidRequestError, CheckFailedError, ConflictError, TimedOutError)
    codes = [kind.exit_code for kind in kinds]

    assert codes == [1, 1, 2, 3, 4, 124]


def test_a_message_answers_the_questions_that_have_an_answer() -> None:
    assert str(FaultError("it broke")) == "it broke"
    assert str(FaultError("it broke", found="a\nb", todo="mend it")).splitlines() == [
        "it broke",
        "  found:    a",
        "            b",
        "  to do:    mend it",
    ]


def test_an_own_error_is_passed_through() -> None:
    error = InvalidRequestError("wrong")

    assert explain(error) is error


def test_an_sdk_error_becomes_a_fault_with_its_sentence() -> None:
    known = explain(UserErrorException("The name is taken."))

    assert isinstance(known, FaultError)
    assert "The name is taken." in known.found


def test_an_sdk_error_with_a_response_names_the_status_and_the_advice() -> None:
    error = WebserviceException("Received bad response")
    error.response = SimpleNamespace(status_code=403)

    known = explain(error)

    assert http_status(error) == 403
    assert known is not None
    assert known.happened == "Azure ML refused a call (HTTP 403)"
    assert "role" in known.todo


def test_a_refusal_that_is_only_text_gives_its_sentence_and_status() -> None:
    """As the SDK raises it for models and services: the body as Python shows bytes."""
    body = json.dumps({"error": {"code": "AuthorizationFailed", "message": "The client 'x' may not."}}).encode()
    told = f"Received bad response from the service:\nResponse Code: 403\nHeaders: {{}}\nContent: {body!r}"

    known = explain(WebserviceException(told))

    assert known is not None
    assert (known.happened, known.found) == ("Azure ML refused a call (HTTP 403)", "The client 'x' may not.")
    assert "python -m ml_service doctor" in known.todo


def test_a_provider_that_is_not_registered_is_no_conflict() -> None:
    error = WebserviceException("The subscription is not registered to use namespace 'Microsoft.ContainerInstance'.")
    error.response = SimpleNamespace(status_code=409)

    known = explain(error)

    assert known is not None
    assert "doctor" in known.todo
    assert "another process" not in known.todo


def test_a_wrapped_json_error_is_unwrapped() -> None:
    body = json.dumps({"error": {"code": "UserError", "message": "quota is used up"}})

    known = explain(WebserviceException(f"Received bad response from service:\n{body}"))

    assert known is not None
    assert known.found == "quota is used up"


def test_a_network_error_says_to_check_the_network() -> None:
    known = explain(requests.ConnectionError("no route"))

    assert known is not None
    assert "network" in known.todo


def test_our_own_mistake_stays_a_traceback() -> None:
    assert explain(KeyError("bug")) is None


def test_a_refusal_of_the_model_code_keeps_its_exit_code_and_its_findings() -> None:
    finding = Finding("Amount", ("line 3",), "negative", "at least 0", "Deliver it again.")

    known = explain(ContractError("table.csv", [finding]))

    assert isinstance(known, ExplainedError)
    assert known.exit_code == 3
    assert "column Amount at line 3: negative" in str(known)


@pytest.mark.parametrize("status", [401, 409, 500, None])
def test_every_status_has_an_advice(status: int | None) -> None:
    error = WebserviceException("no")
    error.response = SimpleNamespace(status_code=status)
    known = explain(error)

    assert known is not None
    assert known.todo


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR])
def test_a_place_that_cannot_be_written_is_a_sentence(number: int) -> None:
    known = explain(OSError(number, "no", "out/history"))
    assert isinstance(known, InvalidRequestError)
    assert "out/history cannot be read or written: no" in str(known)
    assert "to do" in str(known)


def test_a_missing_file_of_ours_stays_a_fault_of_ours() -> None:
    assert explain(FileNotFoundError(errno.ENOENT, "no such file", "x")) is None
