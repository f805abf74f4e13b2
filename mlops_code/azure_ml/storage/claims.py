"""A claim that outlives its process: a blob that names the run that has it, changed only in one atomic step."""

from __future__ import annotations

import json
from collections.abc import Callable

from azure_ml.errors import AzureMlError
from azure_ml.storage.blobs import Blobs

_HOLDER = "run_id"
_SHOWN = 100


def claimed_by(blobs: Blobs, name: str) -> str:
    """The id of the run that has a claim; empty where none ever had it. It may have ended since.

    Raises: AzureMlError where the blob is not as this module writes it.
    """
    found = blobs.read_version(name)
    return _holder(name, found.content) if found else ""


def claim(blobs: Blobs, name: str, run_id: str, has_ended: Callable[[str], bool]) -> str:
    """Take a claim unless another run has it that has not ended; returns the id of the run that has it then.

    Of two runs that ask at the same moment one gets it: the blob is created, or replaced while it is unchanged.
    Raises: AzureMlError where the blob is not as this module writes it; it is left as it is.
    """
    content = json.dumps({_HOLDER: run_id}).encode()
    while True:
        found = blobs.read_version(name)
        if found is None:
            if blobs.create(name, content):
                return run_id
            continue
        other = _holder(name, found.content)
        if other == run_id or (other and not has_ended(other)):
            return other
        if blobs.replace(name, content, found.etag):
            return run_id


def _holder(name: str, content: bytes) -> str:
    """The run that a claim names. Whoever damaged the blob may have damaged others: nobody takes it over unasked."""
    try:
        holder = json.loads(content)[_HOLDER]
        if isinstance(holder, str):
            return holder
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise AzureMlError(
        f"the claim {name} in the default datastore cannot be read",
        found=repr(content[:_SHOWN]),
        expected=f'a JSON object with the run that trains, such as {{"{_HOLDER}": "b9c7..."}}',
        todo="make sure that the problem is not being trained, then delete this blob; the next training writes it",
    )
