"""Which finished step stands for a new one.

Key: content of the snapshot, the interface, the resolved parameters, and the *definition* of each input. As on the
service, a dataset counts by its definition and not by its bytes. What exactly the service puts into its key is not
documented; this is our reading (assumed).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from local_azure.machine_learning.domain.pipelines.graph import Step
from local_azure.machine_learning.storage.store import Document, Store

_KIND = "reuse"
MOST_HASHED_BYTES = 64 * 1024 * 1024
# By file name: size, time of the last change (ns), SHA-256 or None.
Look = dict[str, tuple[int, int, str | None]]


def reuse_key(step: Step, snapshot_hash: str, inputs: dict[str, Document]) -> str:
    """SHA-256 over everything that decides a step's outputs. inputs: place of each input, by port name."""
    parts = {
        "snapshot": snapshot_hash,
        "interface": step.interface,
        "parameters": step.parameters,
        "inputs": inputs,
        "settings": [
            {key: value for key, value in setting.items() if key != "DatasetRegistration"}
            for setting in step.node.get("ModuleOutputSettings") or []
        ],
        "variables": step.configured_variables(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def look(files: dict[str, Path], *, hashed: bool) -> Look:
    """What identifies the bytes of files: size, time, and where it is asked for and not too much, SHA-256."""
    facts: Look = {}
    for name, path in files.items():
        stat = path.stat()
        digest = None
        if hashed and stat.st_size <= MOST_HASHED_BYTES:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        facts[name] = (stat.st_size, stat.st_mtime_ns, digest)
    return facts


def same_bytes(before: Look, files: dict[str, Path]) -> bool:
    """Whether files are what they were. They are read only where their time alone has changed."""
    now = look(files, hashed=False)
    if before.keys() != now.keys():
        return False
    touched = {name for name in now if tuple(before[name][:2]) != now[name][:2]}
    if any(before[name][0] != now[name][0] or before[name][2] is None for name in touched):
        return False
    again = look({name: files[name] for name in touched}, hashed=True)
    return all(again[name][2] == before[name][2] for name in touched)


def remember(store: Store, workspace_id: str, key: str, node: Document, inputs: dict[str, Look]) -> None:
    """Record a step that succeeded, and what its inputs were; only such are ever reused."""
    store.put(workspace_id, _KIND, key, {**node, "InputFiles": inputs})


def recall(store: Store, workspace_id: str, key: str) -> Document | None:
    """The node document of an earlier, successful and equal step, or None."""
    return store.get(workspace_id, _KIND, key)
