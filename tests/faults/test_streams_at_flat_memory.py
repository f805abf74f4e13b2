"""Large files go through the server without being held in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.faults.fault_server import Machine, memory, scope

MEGABYTE = 1024 * 1024
SIZE = 256 * MEGABYTE
MOST_GROWTH = 60 * MEGABYTE
BLOCK = bytes(range(256)) * 4096  # one megabyte


def content() -> Iterator[bytes]:
    """256 MiB in which each megabyte is another one."""
    for number in range(SIZE // MEGABYTE):
        yield number.to_bytes(8, "big") + BLOCK[8:]


@pytest.fixture
def grown(shared: Machine) -> Iterator[Callable[[], int]]:
    """By how much the server's memory has been above that of the beginning."""
    before = memory(shared.info.pid, "VmRSS")
    yield lambda: max(memory(shared.info.pid, "VmHWM"), memory(shared.info.pid, "VmRSS")) - before


def sha256(answer: requests.Response) -> str:
    """Digest of a body that is not held either."""
    digest = hashlib.sha256()
    for chunk in answer.iter_content(MEGABYTE):
        digest.update(chunk)
    return digest.hexdigest()


@pytest.mark.slow
def test_a_quarter_of_a_gigabyte_up_and_down(shared: Machine, grown: Callable[[], int]) -> None:
    digest = hashlib.sha256()
    for piece in content():
        digest.update(piece)
    expected = digest.hexdigest()
    assert shared.blob("PUT", "large.bin", data=content()).status_code == 201  # chunked, without a length
    assert sha256(shared.blob("GET", "large.bin", stream=True)) == expected

    artifact = f"/artifact/v2.0{scope()}/artifacts/content/ExperimentRun/dcid.large/outputs/large.bin"
    address, headers = shared.info.base_url + artifact, dict(shared._session.headers)
    assert requests.post(address, data=content(), headers=headers, timeout=120).status_code == 200
    assert sha256(requests.get(address, headers=headers, stream=True, timeout=120)) == expected

    for number, piece in enumerate(content()):
        if number < 64:
            query = f"comp=block&blockid=block{number:04}"
            assert shared.blob("PUT", "blocks.bin", query=query, data=piece).status_code == 201
    listed = "".join(f"<Latest>block{number:04}</Latest>" for number in range(64))
    body = f"<BlockList>{listed}</BlockList>"
    assert shared.blob("PUT", "blocks.bin", query="comp=blocklist", data=body).status_code == 201
    assert grown() < MOST_GROWTH, f"{grown() / MEGABYTE:.0f} MB"

    for first, length in ((0, 1), (100 * MEGABYTE - 5, 10), (SIZE - 1, 1), (0, 32 * MEGABYTE)):
        asked = {"x-ms-range": f"bytes={first}-{first + length - 1}"}
        part = shared.blob("GET", "large.bin", headers=asked)
        assert (part.status_code, len(part.content)) == (206, length)
        assert part.headers["Content-Range"] == f"bytes {first}-{first + length - 1}/{SIZE}"
        if length == 10:
            assert part.content == BLOCK[-5:] + (100).to_bytes(8, "big")[:5]
    assert grown() < MOST_GROWTH, f"{grown() / MEGABYTE:.0f} MB"


def test_a_reader_who_does_not_read_holds_nothing_up(shared: Machine, grown: Callable[[], int]) -> None:
    assert shared.blob("PUT", "idle.bin", data=b"".join([BLOCK] * 64)).status_code == 201
    waiting = [shared.blob("GET", "idle.bin", stream=True) for _ in range(60)]  # more than there are threads
    assert shared.blob("PUT", "small", data=b"x").status_code == 201
    assert shared.blob("GET", "small").content == b"x"
    assert grown() < MOST_GROWTH, f"{grown() / MEGABYTE:.0f} MB"
    for answer in waiting:
        answer.close()
