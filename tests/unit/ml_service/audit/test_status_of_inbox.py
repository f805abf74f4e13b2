"""`status` and `outcome` show the rest where the inbox cannot be read: no key of the datastore, a damaged receipt."""

from __future__ import annotations

from typing import Any

import pytest

from azure_ml.errors import AzureMlError
from forecasting.errors import UsageError
from ml_service.retraining import inbox


@pytest.mark.parametrize("error", [AzureMlError("the default datastore has no credential"), UsageError("damaged")])
def test_an_inbox_that_cannot_be_read_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(inbox, "read_unused", fail)
    nothing: Any = None
    assert inbox.unused_or_why(nothing, nothing) == inbox.Unused(unknown=str(error))
