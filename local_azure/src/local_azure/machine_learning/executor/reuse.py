"""Which finished step stands for a new one.

Key: content of the snapshot, the interface, the resolved parameters, and the *definition* of each input. As on the
service, a dataset counts by its definition and not by its bytes. What exactly the service puts into its key is not
documented; this is our reading (assumed).
"""

from __future__ import annotations

import hashlib
import json

from local_azure.machine_learning.executor.graph import Step
from local_azure.machine_learning.store import Document, Store

_KIND = "reuse"


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
        "variables": step.run_configuration.get("environment", {}).get("environmentVariables") or {},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def remember(store: Store, workspace_id: str, key: str, node: Document) -> None:
    """Record a step that succeeded; only such are ever reused."""
    store.put(workspace_id, _KIND, key, node)


def recall(store: Store, workspace_id: str, key: str) -> Document | None:
    """The node document of an earlier, successful and equal step, or None."""
    return store.get(workspace_id, _KIND, key)
