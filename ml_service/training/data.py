"""`data upload`: check a table against the data contract and register it as a version of the data set.

A version lives at a path that holds the SHA-256 of its bytes, because the service reuses a step by the definition of
a data set: new bytes under an old path would be ignored in silence. The same bytes never make a second version.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from azure_ml.datasets import DatasetVersion, find_dataset
from azure_ml.digests import file_sha256
from azure_ml.storage.blobs import open_blobs
from azure_ml.storage.inbox import write_marker
from azure_ml.storage.versions import find_stored, register_file
from azure_ml.workspace import Workspace
from forecasting.data.contract import Delivery
from forecasting.data.delivery import check_order, check_rows
from forecasting.errors import ContractError
from forecasting.inbox.tables import Acceptance, Before, CheckedTable, check_table, description_of, tags_of
from forecasting.problem.problem_file import Problem
from ml_service.errors import FaultError, InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from ml_service.training import ownership


@dataclass(frozen=True)
class Uploaded:
    """What `data upload` did."""

    table: CheckedTable
    name: str
    version: int
    created: bool
    """False when these bytes were registered before."""
    newest: int
    """Newest version of the data set afterwards; publish takes this one."""


def check_file(settings: Settings, file: Path | None = None) -> CheckedTable:
    """Read a table (None: DATA_FILE) by the contract of the problem; needs no workspace.

    Raises: InvalidRequestError when the file does not exist; ContractError of forecasting with every finding.
    """
    source = file or settings.data_file
    if not source.is_file():
        raise InvalidRequestError(
            f"data file {source} does not exist",
            expected="a table: .csv, .csv.gz or .xlsx",
            todo="name the file with --file, or correct DATA_FILE in variables.yml",
        )
    return check_table(Problem(settings.problem_file), source, Delivery(as_of=datetime.now(UTC).date()))


def upload(
    workspace: Workspace,
    settings: Settings,
    terminal: Terminal,
    table: CheckedTable,
    acceptance: Acceptance | None = None,
    *,
    announce: bool = True,
) -> Uploaded:
    """Upload and register a table unless its bytes are registered already, and say so to the change schedule.

    Repeated, it tells the change schedule of the newest version where that has failed before.
    announce: False where the caller trains on the version itself: a scheduled training would be in the way.
    acceptance: of a table whose size or order is unusual. Raises: FaultError; ContractError of forecasting for such a
    table without it; ConflictError when the data set is another problem's and has other columns.
    """
    newest = find_dataset(workspace, settings.dataset_name)
    known = find_stored(workspace, open_blobs(workspace), newest, table.sha256)
    if newest is not None and known is not None:
        if announce and known.version == newest.version:
            write_marker(workspace, known.name, table.sha256)
        return Uploaded(table, known.name, known.version, created=False, newest=newest.version)
    ownership.demand_data_ours(newest, table.columns, settings)
    problem, before = Problem(settings.problem_file), Before.of_tags(newest.tags if newest else {})
    if acceptance is None:
        _demand_usual(problem, table, before)
    terminal.err(f"uploading {table.rows} rows to {settings.dataset_name}")
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        copy = replace(table, path=_copy(table.path, table.sha256, Path(scratch)))
        dataset = _store(workspace, settings, copy, tags_of(copy, problem.series.name, before, acceptance))
    if announce:
        write_marker(workspace, dataset.name, table.sha256)
    return Uploaded(table, dataset.name, dataset.version, created=True, newest=dataset.version)


def _demand_usual(problem: Problem, table: CheckedTable, before: Before) -> None:
    """Compare a table with the newest version: another size would fail every later run, an older table is stale.

    Raises: ContractError of forecasting.
    """
    findings = check_rows(table.rows, before.rows, problem.contract)
    findings += check_order(date.fromisoformat(table.last_date), problem.source, before.last)
    if findings:
        accept = "If it is right, repeat `data upload` with --reason TEXT, which is recorded."
        raise ContractError(str(table.path), [replace(finding, fix=accept) for finding in findings])


def _copy(source: Path, sha256: str, folder: Path) -> Path:
    """The bytes that were checked, under a fixed name, so that the same bytes under two names stay one file."""
    suffixes = source.suffixes[-2:] if source.suffix == ".gz" else [source.suffix]
    copy = folder / ("data" + "".join(suffixes))
    shutil.copyfile(source, copy)
    if file_sha256(copy) != sha256:
        raise FaultError(
            f"{source} changed while it was being read", todo="repeat `data upload` when nobody is writing the file"
        )
    return copy


def _store(workspace: Workspace, settings: Settings, table: CheckedTable, tags: dict[str, str]) -> DatasetVersion:
    """Register a version at the path of its hash. Raises: FaultError."""
    dataset = register_file(
        workspace, settings.dataset_name, table.path, table.sha256, tags=tags, description=description_of(table)
    )
    if dataset.sha256 != table.sha256:
        raise FaultError(
            f"data set {dataset.name} version {dataset.version} has another hash than the uploaded file",
            found=dataset.sha256,
            expected=table.sha256,
            todo="somebody registered the same data set at the same time: repeat `data upload`",
        )
    return dataset


def requested_version(workspace: Workspace, settings: Settings, version: int | None = None) -> DatasetVersion:
    """The data version that was asked for, else the newest. Raises: InvalidRequestError when it does not exist."""
    found = find_dataset(workspace, settings.dataset_name, version)
    if found is None:
        which = "no version yet" if version is None else f"no version {version}"
        raise InvalidRequestError(
            f"the data set {settings.dataset_name} has {which} in workspace {workspace.name}",
            todo="register one: python -m ml_service data upload",
        )
    return found


def show(terminal: Terminal, result: Uploaded) -> None:
    """Print what was done."""
    table, name, version = result.table, result.name, result.version
    did = "registered" if result.created else "unchanged: these bytes are already registered as"
    terminal.out(f"data       {did} {name} version {version}")
    terminal.out(f"           {table.rows} rows, {table.first_date} to {table.last_date}, sha256 {table.sha256[:12]}")
    for note in table.notes:
        terminal.out(f"note       {note}")
    if result.newest != version:
        terminal.out(
            f"           the newest version is {result.newest}; to train on this one: "
            f"python -m ml_service run --data-version {version}"
        )
    facts = {key: value for key, value in asdict(table).items() if key not in ("path", "columns")}
    terminal.document({"name": name, "version": version, **facts, "created": result.created, "newest": result.newest})
