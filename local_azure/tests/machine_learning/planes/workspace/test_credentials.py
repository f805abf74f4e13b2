"""Secrets of the workspace, through the real client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_azure.machine_learning.storage.state import StateFolder

Unique = Callable[[str], str]


@pytest.fixture
def vault(ws: Any) -> Any:
    """The workspace's key vault."""
    return ws.get_default_keyvault()


def test_a_secret_is_set_changed_read_and_deleted(vault: Any, unique: Unique) -> None:
    name = unique("secret")
    for value in ("first", "second"):
        vault.set_secret(name, value)
        assert vault.get_secret(name.upper()) == value
    assert vault.get_secret_content_type(name) == "application/NotProvided"
    assert {"name": name} in vault.list_secrets()
    vault.delete_secret(name)
    assert {"name": name} not in vault.list_secrets()
    for call in (vault.get_secret, vault.delete_secret):
        with pytest.raises(Exception, match=f"Secret '{name}' was not found"):
            call(name)


def test_batches(vault: Any, unique: Unique) -> None:
    one, two, none = (unique("batch") for _ in range(3))
    vault.set_secrets({one: "1", two: "2"})
    assert vault.get_secrets([one, two, none]) == {one: "1", two: "2", none: None}
    with pytest.raises(Exception, match="not_a_name"):
        vault.set_secrets({one: "changed", "not_a_name": "2"})
    assert vault.get_secret(one) == "1"
    vault.delete_secrets([one, two])


@pytest.mark.parametrize(("name", "value"), [("not_a_name", "x"), ("n" * 128, "x"), ("large", "x" * 25601)])
def test_what_key_vault_would_not_take_is_refused(vault: Any, name: str, value: str) -> None:
    with pytest.raises(Exception, match="400"):
        vault.set_secret(name, value)


def test_values_are_in_no_log(vault: Any, state: StateFolder, unique: Unique) -> None:
    name, value = unique("logged"), unique("value-that-must-not-be-seen")
    vault.set_secret(name, value)
    assert vault.get_secret(name) == value
    log = state.server_log.read_text(encoding="utf-8")
    assert name in log
    assert value not in log
