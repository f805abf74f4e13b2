"""`status` shows the rest where the inbox cannot be read: a datastore without a key, a damaged receipt."""

from __future__ import annotations

from typing import Any

import pytest

from azure_ml.errors import AzureMlError
from forecasting.errors import UsageError
from ml_service.audit import status


@pytest.mark.parametrize("error", [AzureMlError("the default datastore has no credential"), UsageError("damaged")])
def test_an_inbox_that_cannot_be_read_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(status, "read_quarantine", fail)
    nothing: Any = None
    assert status._quarantine(nothing, nothing) == ((), str(error))
