"""Mounts: where a script finds its inputs and leaves its outputs in its working directory, linked or copied."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.domain.data import datastores
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps.data_locations import Locations, root_of, selected_files
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

# Mounts are below the working directory: the SDK refuses to register a model from elsewhere.
DATA_FOLDER = ".azureml-data"


@dataclass(frozen=True)
class Mounts:
    """Makes the mounts of one step. directory: its working directory, which holds the snapshot."""

    store: Store
    files: BlobFiles
    workspace: Workspace
    directory: Path
    step: Step

    def outputs(self, locations: Locations) -> dict[str, str]:
        """Make the folder of each output, and a link to it; returns the paths that the script gets, by port."""
        links = {}
        for name, location in locations.items():
            target = datastores.local_path(
                self.store, self.files, self.workspace, location["datastore"], location["path"]
            )
            mount = self._path(name, of_output=True)
            is_open = self.step.may_write_file(name)
            folder = target.parent if is_open else target
            folder.mkdir(parents=True, exist_ok=True)
            _mount(mount, folder, copied=False)
            links[name] = str(mount / target.name if is_open else mount)
        return links

    def inputs(self, locations: Locations) -> dict[str, str]:
        """Mount each input; returns the mounts by port, for a direct input its id.

        A download is a copy, so that the script may change it; a mount is a link. Raises a 404 that names an input
        which is not there.
        """
        return {name: self._input(name, location) for name, location in locations.items()}

    def _input(self, name: str, location: Document) -> str:
        if location.get("direct"):
            return str(location["dataset"])
        mount, copied = self._path(name, of_output=False), self.step.input_mode(name) == "download"
        selected = selected_files(self.store, self.files, self.workspace, location)
        if selected is not None:
            for relative, path in selected.items():
                _mount(mount / relative, path, copied=copied)
            return str(mount)
        shown, target = root_of(self.store, self.files, self.workspace, location)
        if not target.exists():
            raise bad_request(f"Input '{name}' is not there: {shown}.", "NotFound")
        _mount(mount, target, copied=copied)
        return str(mount)

    def _path(self, name: str, *, of_output: bool) -> Path:
        """Return where the author wants it (`path_on_compute`, `source`), else a folder of its own; raises a 400."""
        wanted = self.step.path_on_compute(name, of_output=of_output)
        if not wanted:
            return self.directory / DATA_FOLDER / name
        path = self.directory / wanted
        # Through a link to another input or output it would be in the datastore.
        is_inside = path.parent.resolve().is_relative_to(self.directory.resolve())
        if not is_inside or os.path.lexists(path):
            raise bad_request(f"'{name}' of step '{self.step.name}' cannot be at '{wanted}': something is there.")
        return path


def _mount(mount: Path, target: Path, *, copied: bool) -> None:
    mount.parent.mkdir(parents=True, exist_ok=True)
    if not copied:
        mount.symlink_to(target)
    elif target.is_dir():
        shutil.copytree(target, mount, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(target, mount)
