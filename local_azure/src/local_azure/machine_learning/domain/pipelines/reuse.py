"""Reuse of steps: the key of a step, and which finished step has the same one.

Key: content of the snapshot, the interface, the resolved parameters, and the *definition* of each input. As on the
service, a dataset counts by its definition and not by its bytes. What exactly the service puts into its key is not
documented; this is our reading (assumed).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.pipelines import nodes
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.runs import metrics, run_records
from local_azure.machine_learning.domain.runs.run_documents import Run
from local_azure.machine_learning.domain.runs.statuses import NodeCode, RunStatus
from local_azure.machine_learning.storage.store import Document, Store

_KIND = "reuse"
MOST_HASHED_BYTES = 64 * 1024 * 1024
# By file name: size, time of the last change (ns), SHA-256 or None.
Fingerprint = dict[str, tuple[int, int, str | None]]


def reuse_key(step: Step, snapshot_hash: str, inputs: dict[str, Document]) -> str:
    """Hash everything that decides a step's outputs (SHA-256). inputs: location of each input by port."""
    settings = step.node.get("ModuleOutputSettings") or []
    parts = {
        "snapshot": snapshot_hash,
        "interface": step.interface,
        "parameters": step.parameters,
        "inputs": inputs,
        "settings": [_without_registration(setting) for setting in settings],
        "variables": step.configured_variables(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _without_registration(setting: Document) -> Document:
    return {key: value for key, value in setting.items() if key != "DatasetRegistration"}


def fingerprint(files: dict[str, Path], *, hashed: bool) -> Fingerprint:
    """Identify the bytes of files by size and time; hashed: also by SHA-256, except for large files."""
    facts: Fingerprint = {}
    for name, path in files.items():
        stat = path.stat()
        digest = None
        if hashed and stat.st_size <= MOST_HASHED_BYTES:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        facts[name] = (stat.st_size, stat.st_mtime_ns, digest)
    return facts


def same_bytes(before: Fingerprint, files: dict[str, Path]) -> bool:
    """Tell whether files are unchanged. They are read only where their time alone has changed."""
    now = fingerprint(files, hashed=False)
    if before.keys() != now.keys():
        return False
    touched = {name for name in now if tuple(before[name][:2]) != now[name][:2]}
    if any(before[name][0] != now[name][0] or before[name][2] is None for name in touched):
        return False
    again = fingerprint({name: files[name] for name in touched}, hashed=True)
    return all(again[name][2] == before[name][2] for name in touched)


def remember(store: Store, workspace_id: str, key: str, node: Document, inputs: dict[str, Fingerprint]) -> None:
    """Record a step that succeeded, with the fingerprints of its inputs; only such steps are ever reused."""
    store.put(workspace_id, _KIND, key, {**node, "InputFiles": inputs})


_REUSED_TYPE = {"orchestrator": None, "traits": ["azureml.StepRun"], "attribution": None, "computeType": None}


def recall(store: Store, workspace_id: str, key: str) -> Document | None:
    """Return the node document of an earlier, successful and equal step, or None."""
    return store.get(workspace_id, _KIND, key)


def take_over(store: Store, workspace_id: str, pipeline_run_id: str, node: Document, source: Document) -> None:
    """Let an earlier, equal step stand for a started one: its outputs, files and metrics.

    source: the node document that `recall` has found.
    """
    original = run_records.require(store, workspace_id, source["RunId"])
    source_pipeline = original["parentRunId"]
    node |= {
        "StatusCode": NodeCode.FINISHED,
        "EndTime": timestamp(),
        "Outputs": source["Outputs"],
        "ReuseInfo": {"NodeId": source["NodeId"], "PipelineRunId": source_pipeline},
    }
    reused = {
        "azureml.isreused": "true",
        "azureml.reusedrunid": source["RunId"],
        "azureml.reusednodeid": source["NodeId"],
        "azureml.reusedpipeline": source_pipeline,
        "azureml.reusedpipelinerunid": source_pipeline,
    }

    def change(run: Run) -> None:
        run["properties"] = {**run["properties"], **reused}
        run["dataContainerId"] = original["dataContainerId"]
        run["runDefinition"] = original.get("runDefinition")
        run["startTimeUtc"] = run["createdUtc"]  # as recorded: nothing was waited for
        run["runTypeV2"] = _REUSED_TYPE
        run["compute"] = run["computeRequest"] = run["diagnosticsUri"] = None
        run["actionUris"].pop("Diagnose", None)

    with store.transaction():
        run_records.update(store, workspace_id, node["RunId"], change)
        metrics.copy(store, workspace_id, source["RunId"], node["RunId"])
        run_records.set_status(store, workspace_id, node["RunId"], RunStatus.COMPLETED)
        nodes.save(store, workspace_id, pipeline_run_id, node)
