"""Where a script finds its inputs and leaves its outputs: spots in its working directory, linked or copied."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.pipelines.graph import Step
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.planes.data import datasets, datastores
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    pass

# Spots lie below the working directory: the SDK refuses to register a model from elsewhere.
DATA_FOLDER = ".azureml-data"


@dataclass(frozen=True)
class Spots:
    """The spots of one step. `directory`: its working directory, which holds the snapshot."""

    directory: Path
    step: Step

    def of(self, name: str, *, of_output: bool) -> Path:
        """Where the author wants it (`path_on_compute`, `source`), else a folder of its own; raises a 400."""
        wanted = self.step.path_on_compute(name, of_output=of_output)
        if not wanted:
            return self.directory / DATA_FOLDER / name
        spot = self.directory / wanted
        # Through a link to another input or output it would lie in the datastore.
        is_inside = spot.parent.resolve().is_relative_to(self.directory.resolve())
        if not is_inside or os.path.lexists(spot):
            raise bad_request(f"'{name}' of step '{self.step.name}' cannot lie at '{wanted}': something is there.")
        return spot


def link_outputs(
    store: Store, files: BlobFiles, workspace: Workspace, places: dict[str, Document], spots: Spots
) -> dict[str, str]:
    """Make the folder of each output, and a link to it; returns the links by port name."""
    links = {}
    for name, place in places.items():
        target = datastores.local_path(store, files, workspace, place["datastore"], place["path"])
        target.mkdir(parents=True, exist_ok=True)
        links[name] = _place(spots.of(name, of_output=True), target, copied=False)
    return links


def place_inputs(
    store: Store, files: BlobFiles, workspace: Workspace, places: dict[str, Document], spots: Spots
) -> dict[str, str]:
    """Each input at its spot, by port name; raises a 404 that names an input which is not there.

    A download is a copy, so that the script may change it; a mount is a link. A dataset that is less than one folder
    (a glob, several paths) becomes a folder of its files. A direct input is no file: it is given by its id.
    """
    found = {}
    for name, place in places.items():
        if place.get("direct"):
            found[name] = place["dataset"]
            continue
        spot, copied = spots.of(name, of_output=False), spots.step.input_mode(name) == "download"
        chosen = datasets.data_files(store, files, workspace, place["dataset"]) if "dataset" in place else None
        if chosen is not None:
            for relative, path in chosen.items():
                _place(spot / relative, path, copied=copied)
            found[name] = str(spot)
            continue
        datastore, relative = place.get("datastore", ""), place.get("path", "")
        if "dataset" in place:
            datastore, relative = datasets.data_location(store, workspace, place["dataset"])
        target = datastores.local_path(store, files, workspace, datastore, relative)
        if not target.exists():
            raise bad_request(f"Input '{name}' is not there: {datastore}/{relative}.", "NotFound")
        found[name] = _place(spot, target, copied=copied)
    return found


def _place(spot: Path, target: Path, *, copied: bool) -> str:
    spot.parent.mkdir(parents=True, exist_ok=True)
    if not copied:
        spot.symlink_to(target)
    elif target.is_dir():
        shutil.copytree(target, spot, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(target, spot)
    return str(spot)
