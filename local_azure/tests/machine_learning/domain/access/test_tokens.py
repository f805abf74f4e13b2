"""Bearer tokens: what the SDK reads in them, and which of them are recognized."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from local_azure.machine_learning.domain.access.tokens import LIFETIME_SECONDS, TENANT, Principal, Tokens

RUN = Principal("run", "workspace", "step-1")
KEY = b"k" * 32
CLAIMS = {"tid": TENANT, "exp": int(time.time()) + 3600, "scp": "user", "wsid": "", "rid": ""}


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Tokens:
    """Tokens of a server whose key is known here."""
    made = Tokens()
    monkeypatch.setattr(made, "_key", KEY)
    return made


def test_the_caller_is_recognized(tokens: Tokens) -> None:
    assert tokens.recognize(tokens.bearer(RUN)[0]) == RUN
    assert tokens.recognize(tokens.bearer(Principal("user"))[0]) == Principal("user")


def test_the_sdk_finds_its_claims(tokens: Tokens) -> None:
    token, expiry = tokens.bearer(RUN)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["exp"], claims["tid"]) == (expiry, TENANT)
    assert 0 <= time.time() + LIFETIME_SECONDS - expiry < 10


def test_a_token_of_an_earlier_server_is_not_recognized(tokens: Tokens) -> None:
    assert tokens.recognize(Tokens().bearer(RUN)[0]) is None


@pytest.mark.parametrize("changes", [{"exp": int(time.time()) - 1}, {"exp": None}, {"scp": None}, {"exp": "never"}])
def test_a_token_without_valid_claims_is_not_recognized(tokens: Tokens, changes: dict[str, object]) -> None:
    claims = {key: value for key, value in {**CLAIMS, **changes}.items() if value is not None}
    assert tokens.recognize(jwt.encode(claims, KEY, "HS256")) is None


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize(("key", "algorithm"), [(None, "none"), (KEY, "HS512"), (b"other" * 8, "HS256")])
def test_only_our_key_and_algorithm_count(tokens: Tokens, key: Any, algorithm: str) -> None:
    assert tokens.recognize(jwt.encode(CLAIMS, KEY, "HS256")) is not None
    assert tokens.recognize(jwt.encode(CLAIMS, key, algorithm)) is None


@pytest.mark.parametrize("text", ["", "a.b.c", "a", "é.é.é", "e30.e30.", "\x00"])
def test_what_is_no_token_is_not_recognized(tokens: Tokens, text: str) -> None:
    assert tokens.recognize(text) is None
