"""Which of two runs may train: a claim in one blob, with a container in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest

from azure_ml.errors import AzureMlError
from azure_ml.storage.blobs import Blobs, BlobVersion
from azure_ml.storage.claims import claim, claimed_by

NAME = "training/paid_amount.json"


class MemoryBlobs(Blobs):
    """One blob whose versions are counted."""

    def __init__(self) -> None:
        super().__init__(None, "unit", lambda: None)
        object.__setattr__(self, "held", None)
        object.__setattr__(self, "lock", Lock())

    held: tuple[bytes, int] | None
    lock: Lock

    def create(self, name: str, content: bytes) -> bool:
        with self.lock:
            return self.held is None and self._put(content, 1)

    def replace(self, name: str, content: bytes, etag: str) -> bool:
        with self.lock:
            return self.held is not None and str(self.held[1]) == etag and self._put(content, self.held[1] + 1)

    def read_version(self, name: str) -> BlobVersion | None:
        held = self.held
        return BlobVersion(held[0], str(held[1])) if held else None

    def _put(self, content: bytes, version: int) -> bool:
        object.__setattr__(self, "held", (content, version))
        return True


def test_of_runs_at_the_same_moment_one_gets_the_claim() -> None:
    for before in ((), ("ended",)):
        blobs, runs = MemoryBlobs(), [f"run-{number}" for number in range(8)]
        for run in before:
            claim(blobs, NAME, run, lambda _: False)
        together = Barrier(len(runs))

        def ask(run: str, blobs: Blobs = blobs, together: Barrier = together) -> str:
            together.wait()
            return claim(blobs, NAME, run, lambda other: other == "ended")

        with ThreadPoolExecutor(len(runs)) as pool:
            holders = set(pool.map(ask, runs))
        assert len(holders) == 1, "everybody names the same one"
        assert holders <= set(runs)


def test_a_claim_is_kept_until_its_run_has_ended() -> None:
    blobs = MemoryBlobs()
    assert claim(blobs, NAME, "one", lambda _: False) == "one"
    assert claim(blobs, NAME, "one", lambda _: False) == "one", "a step that is repeated keeps it"
    assert claim(blobs, NAME, "two", lambda _: False) == "one"
    assert claim(blobs, NAME, "two", lambda _: True) == "two"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"run_id": 7}', b"\xff", b"[" * 100_000])
def test_a_damaged_claim_is_named_with_its_cure_and_left_as_it_is(content: bytes) -> None:
    blobs = MemoryBlobs()
    blobs.create(NAME, content)
    with pytest.raises(AzureMlError, match=NAME) as raised:
        claimed_by(blobs, NAME)
    assert "delete this blob" in raised.value.todo
    with pytest.raises(AzureMlError, match=NAME):
        claim(blobs, NAME, "run-1", lambda _: True)
    assert blobs.held == (content, 1)
