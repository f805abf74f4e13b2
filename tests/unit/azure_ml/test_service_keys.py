"""The keys of a service outlast its deployment, or it is said that they do not."""

from __future__ import annotations

import pytest
from azureml.exceptions import WebserviceException

from azure_ml.service_keys import CHANGED, FIRST, KEPT, keep_keys, read_keys

OLD, NEW = ("old-1", "old-2"), ("new-1", "new-2")


class Deployed:
    """The part of the SDK's service that concerns keys."""

    def __init__(self, keys: tuple[str, str], *, readable: bool = True, settable: bool = True) -> None:
        self.keys = dict(zip(("Primary", "Secondary"), keys, strict=True))
        self.readable, self.settable = readable, settable

    def get_keys(self) -> tuple[str, str]:
        """Both keys."""
        if not self.readable:
            raise WebserviceException("Response Code: 403")
        return self.keys["Primary"], self.keys["Secondary"]

    def regen_key(self, key: str, set_key: str) -> None:
        """Set a key."""
        if not self.settable:
            raise WebserviceException("Response Code: 403")
        self.keys[key] = set_key


def test_keys_that_the_deployment_kept_are_left_alone() -> None:
    held = read_keys(Deployed(OLD))
    assert held.as_settings == {"primary_key": "old-1", "secondary_key": "old-2"}
    assert held.forecast == "it keeps its keys"
    assert keep_keys(Deployed(OLD, settable=False), held) == KEPT
    assert "old" not in repr(held)


def test_keys_that_the_deployment_dropped_are_set_again() -> None:
    deployed = Deployed(NEW)
    assert keep_keys(deployed, read_keys(Deployed(OLD))) == KEPT
    assert deployed.get_keys() == OLD


@pytest.mark.parametrize("deployed", [Deployed(NEW, settable=False), Deployed(NEW, readable=False)])
def test_keys_that_cannot_be_set_again_are_said_to_have_changed(deployed: Deployed) -> None:
    assert keep_keys(deployed, read_keys(Deployed(OLD))) == CHANGED


def test_keys_that_cannot_be_read_are_said_to_change_before_and_after() -> None:
    held = read_keys(Deployed(OLD, readable=False))
    assert "they will change: callers get HTTP 401" in held.forecast
    assert keep_keys(Deployed(NEW), held) == CHANGED


def test_a_new_service_has_no_keys_to_keep() -> None:
    held = read_keys(None)
    assert held.forecast == "it is new and gets new keys"
    assert keep_keys(Deployed(NEW), held) == FIRST
