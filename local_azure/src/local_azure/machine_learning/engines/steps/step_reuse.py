"""Finds an earlier step that stands for one, and warns where that one has read other bytes."""

from __future__ import annotations

from pathlib import Path

from local_azure.machine_learning.domain.data import snapshots
from local_azure.machine_learning.domain.pipelines import reuse
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.pipelines.reuse import Fingerprint
from local_azure.machine_learning.domain.runs.run_files import EXECUTION_LOG, warn
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps.data_locations import Locations, files_of
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store


class StepReuse:
    """Reuse of one step. inputs: locations of all its inputs; external: of those that no step of its run writes."""

    def __init__(
        self,
        store: Store,
        files: BlobFiles,
        workspace: Workspace,
        step: Step,
        *,
        inputs: Locations,
        external: Locations,
    ) -> None:
        self._store = store
        self._files = files
        self._workspace = workspace
        self._step = step
        self._external = external
        snapshot_hash = snapshots.content_hash(store, workspace, step.module["StorageId"])
        self._key = reuse.reuse_key(step, snapshot_hash, inputs)

    def take_over(self, pipeline_run_id: str, node: Document) -> bool:
        """Let an earlier, equal step stand for the one of this node; False when there is none."""
        source = reuse.recall(self._store, self._workspace.id, self._key)
        if source is None:
            return False
        reuse.take_over(self._store, self._workspace.id, pipeline_run_id, node, source)
        self._warn_of_new_bytes(pipeline_run_id, node["RunId"], source)
        return True

    def remember(self, node: Document) -> None:
        """Let later, equal steps reuse the one of this node, which has succeeded."""
        try:
            inputs = self._input_files()
            fingerprints = {name: reuse.fingerprint(files, hashed=True) for name, files in inputs.items()}
        except (ApiError, OSError):  # gone or moved since; then there is nothing to compare with
            fingerprints = {}
        reuse.remember(self._store, self._workspace.id, self._key, node, fingerprints)

    def _input_files(self) -> dict[str, dict[str, Path]]:
        return {
            name: files_of(self._store, self._files, self._workspace, location)
            for name, location in self._external.items()
        }

    def _warn_of_new_bytes(self, pipeline_run_id: str, run_id: str, source: Document) -> None:
        """Name the inputs whose bytes have changed: as on the service, only definitions decide about reuse."""
        known: dict[str, Fingerprint] = source.get("InputFiles") or {}
        try:
            changed = [
                name
                for name, files in self._input_files().items()
                if name in known and not reuse.same_bytes(known[name], files)
            ]
        except (ApiError, OSError):
            return
        sentences = [
            f"Step '{self._step.name}' was reused from run {source['RunId']} although the bytes of its input "
            f"'{name}' have changed since, under an unchanged definition. Use a new path, or regenerate_outputs=True."
            for name in changed
        ]
        warn(self._store, self._files, self._workspace, run_id, sentences, log=EXECUTION_LOG, log_of=pipeline_run_id)
