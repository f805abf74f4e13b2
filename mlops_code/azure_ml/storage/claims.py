"""A claim that outlives its process: a blob that names the run that has it, changed only in one atomic step."""

from __future__ import annotations

import json
from collections.abc import Callable

from azure_ml.storage.blobs import Blobs

_HOLDER = "run_id"


def claimed_by(blobs: Blobs, name: str) -> str:
    """The id of the run that has a claim; empty where none ever had it. It may have ended since."""
    found = blobs.read_version(name)
    return str(json.loads(found.content).get(_HOLDER, "")) if found else ""


def claim(blobs: Blobs, name: str, run_id: str, has_ended: Callable[[str], bool]) -> str:
    """Take a claim unless another run has it that has not ended; returns the id of the run that has it then.

    Of two runs that ask at the same moment one gets it: the blob is created, or replaced while it is unchanged.
    """
    content = json.dumps({_HOLDER: run_id}).encode()
    while True:
        found = blobs.read_version(name)
        if found is None:
            if blobs.create(name, content):
                return run_id
            continue
        other = str(json.loads(found.content).get(_HOLDER, ""))
        if other == run_id or (other and not has_ended(other)):
            return other
        if blobs.replace(name, content, found.etag):
            return run_id
