"""`data upload`: register a checked table as a version of the data set.

A version lives at a path that holds the SHA-256 of its bytes, because the service reuses a step by the definition of
a data set: new bytes under an old path would be ignored in silence. The same bytes never make a second version.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azureml.core import Dataset

from ml_service.errors import FaultError
from ml_service.output.console import Terminal, quiet_sdk
from ml_service.settings.variables import Settings
from ml_service.settings.workspace import OpenWorkspace
from ml_service.training import ownership, versions
from ml_service.training.snapshots import problem_name
from ml_service.training.table import CheckedTable


@dataclass(frozen=True)
class DataVersion:
    """One registered version of the data set."""

    name: str
    version: int
    sha256: str
    rows: int
    first_date: str
    last_date: str


@dataclass(frozen=True)
class Uploaded:
    """What `data upload` did."""

    data: DataVersion
    created: bool
    """False when these bytes were registered before."""
    newest: int
    """Newest version of the data set afterwards; publish takes this one."""


def upload(workspace: OpenWorkspace, settings: Settings, terminal: Terminal, table: CheckedTable) -> Uploaded:
    """Upload and register a table unless its bytes are registered already.

    Raises: FaultError; ConflictError when the data set is another problem's and has other columns.
    """
    newest = versions.find(workspace, settings.dataset_name)
    known = versions.holding(workspace, newest, table.sha256)
    if newest is not None and known is not None:
        return Uploaded(data=_describe(known, table), created=False, newest=newest.version)
    ownership.demand_data_ours(newest, table, settings)
    terminal.note(f"uploading {table.rows} rows to {settings.dataset_name}")
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        dataset = _store(workspace, settings, _copy(table.path, table.sha256, Path(scratch)), table)
    if dataset.tags.get("sha256") != table.sha256:
        raise FaultError(
            f"data set {settings.dataset_name} version {dataset.version} carries another hash than was uploaded",
            found=str(dataset.tags.get("sha256")),
            expected=table.sha256,
            todo="somebody registered the same data set at the same moment: repeat `data upload`",
        )
    return Uploaded(data=_describe(dataset, table), created=True, newest=dataset.version)


def _copy(source: Path, sha256: str, folder: Path) -> Path:
    """The bytes that were checked, under a fixed name, so that the same bytes under two names stay one file."""
    suffixes = source.suffixes[-2:] if source.suffix == ".gz" else [source.suffix]
    copy = folder / ("data" + "".join(suffixes))
    shutil.copyfile(source, copy)
    if hashlib.sha256(copy.read_bytes()).hexdigest() != sha256:
        raise FaultError(
            f"{source} changed while it was read", todo="repeat `data upload` when nobody writes the file"
        )
    return copy


def _store(workspace: OpenWorkspace, settings: Settings, copy: Path, table: CheckedTable) -> Any:
    """Register a version at the path of its hash; a path that an attempt left behind is written again."""
    name = settings.dataset_name
    path = f"datasets/{name}/{table.sha256}"
    tags = {
        "sha256": table.sha256,
        "rows": str(table.rows),
        "first_date": table.first_date,
        "last_date": table.last_date,
        ownership.PROBLEM_TAG: problem_name(settings.problem_file),
        ownership.COLUMNS_TAG: table.columns,
    }
    with quiet_sdk():
        datastore = workspace.sdk.get_default_datastore()
        datastore.upload_files([str(copy)], target_path=path, overwrite=True, show_progress=False)
        # validate=False: validation would read the blob back through the native data engine.
        dataset = Dataset.File.from_files(path=(datastore, path), validate=False)
        return dataset.register(
            workspace.sdk,
            name=name,
            description=f"{table.rows} rows, {table.first_date} to {table.last_date}",
            tags=tags,
            create_new_version=True,
        )


def _describe(dataset: Any, table: CheckedTable) -> DataVersion:
    return DataVersion(
        name=dataset.name,
        version=int(dataset.version),
        sha256=table.sha256,
        rows=table.rows,
        first_date=table.first_date,
        last_date=table.last_date,
    )


def show(terminal: Terminal, result: Uploaded) -> None:
    """Print what was done."""
    data = result.data
    did = "registered" if result.created else "unchanged: these bytes are registered already as"
    terminal.say(f"data       {did} {data.name} version {data.version}")
    terminal.say(f"           {data.rows} rows, {data.first_date} to {data.last_date}, sha256 {data.sha256[:12]}")
    if result.newest != data.version:
        terminal.say(
            f"           the newest version is {result.newest}; to train on this one: "
            f"python -m ml_service run --data-version {data.version}"
        )
    terminal.document({**asdict(data), "created": result.created, "newest": result.newest})
