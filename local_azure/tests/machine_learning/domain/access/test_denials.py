"""The end of a sign-in is the end of every token, those given out before too."""

from __future__ import annotations

import time

import pytest

from local_azure.machine_learning.domain.access.denials import Denials, Given
from local_azure.machine_learning.errors import ApiError

READ = ("GET", "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w")


def _denials(seconds: int, ago: float) -> Denials:
    return Denials(lambda: Given({"token-after": str(seconds)}, time.time() - ago))


def test_a_token_that_was_given_out_before_is_refused_after_the_end() -> None:
    _denials(seconds=60, ago=0).demand(*READ)

    with pytest.raises(ApiError, match="expired") as refused:
        _denials(seconds=60, ago=61).demand(*READ)
    assert refused.value.status == 401
