"""Read responses of a service up to a cap, so that a larger response fills neither memory nor disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from azure_ml.errors import AzureMlError

if TYPE_CHECKING:
    import requests

MAX_ANSWER_BYTES = 16 * 1024 * 1024  # of a web service; a forecast of 28 days for 100 series has 0.3 MiB
MAX_FILE_BYTES = 64 * 1024 * 1024  # of a file of a run: the cap of a decision record, the largest that is read
MAX_ERROR_BYTES = 64 * 1024  # of an answer that only says why not
MAX_LOG_BYTES = 16 * 1024 * 1024  # of a step's log: its end is what says why the step failed
MAX_SECONDS = 600.0  # for all of it, however slowly it comes
_PIECE = 64 * 1024


def read_capped(answer: requests.Response, most: int, what: str) -> bytes:
    """The body of an answer that was asked for as a stream. Raises: AzureMlError above the cap, or when it drips."""
    content = bytearray()
    for piece in _pieces(answer, what):
        content += piece
        if len(content) > most:
            raise AzureMlError(
                f"{what} is too large to be read",
                found=f"more than {most} bytes",
                expected=f"at most {most} bytes",
                todo="correct the sender",
            )
    return bytes(content)


def read_beginning(answer: requests.Response, most: int, what: str) -> bytes:
    """The first bytes of such a body. Raises: AzureMlError when it drips."""
    content = bytearray()
    for piece in _pieces(answer, what):
        content += piece
        if len(content) >= most:
            break
    return bytes(content[:most])


def read_end(answer: requests.Response, most: int, what: str) -> bytes:
    """The last bytes of such a body. Raises: AzureMlError when it drips."""
    content = bytearray()
    for piece in _pieces(answer, what):
        content += piece
        if len(content) > 2 * most:
            del content[:-most]
    return bytes(content[-most:])


def _pieces(answer: requests.Response, what: str) -> Iterator[bytes]:
    deadline = time.monotonic() + MAX_SECONDS
    for piece in answer.iter_content(_PIECE):
        if time.monotonic() > deadline:
            raise AzureMlError(
                f"{what} arrives too slowly",
                found=f"not all of it in {MAX_SECONDS:.0f} s",
                todo="repeat the command; if it happens again, check the state of the sender",
            )
        yield piece
