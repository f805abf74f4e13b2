"""A token is asked for once and kept until shortly before it ends."""

from __future__ import annotations

from types import SimpleNamespace

from azure_ml.sign_in import TokenCache


class CountingCredential:
    """Hands out numbered tokens that live for an hour of the given clock."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.time = 0.0

    def get_token(self, *scopes: str) -> SimpleNamespace:
        self.scopes.extend(scopes)
        return SimpleNamespace(token=f"token-{len(self.scopes)}", expires_on=int(self.time) + 3600)


def test_a_token_is_kept_until_shortly_before_it_ends() -> None:
    credential = CountingCredential()
    tokens = TokenCache(credential, now=lambda: credential.time)

    assert [tokens("https://arm/"), tokens("https://arm/")] == ["token-1", "token-1"]
    credential.time = 3290
    assert tokens("https://arm/") == "token-1"
    credential.time = 3310
    assert tokens("https://arm/") == "token-2"
    assert credential.scopes == ["https://arm//.default"] * 2


def test_each_audience_has_its_own_token() -> None:
    credential = CountingCredential()
    tokens = TokenCache(credential, now=lambda: 0.0)

    assert [tokens("https://arm/"), tokens("https://ml"), tokens("https://arm/")] == ["token-1", "token-2", "token-1"]
