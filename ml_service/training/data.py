"""`data upload`: check a table against the data contract and register it as a version of the data set.

A version lives at a path that holds the SHA-256 of its bytes, because the service reuses a step by the definition of
a data set: new bytes under an old path would be ignored in silence. The same bytes never make a second version.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_ml.datasets import SHA256_TAG, DatasetVersion, find_by_hash, find_dataset, register_file
from azure_ml.digests import file_sha256
from azure_ml.workspace import Workspace
from forecasting.problem.problem_file import Problem
from ml_service.errors import FaultError, InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.problems import read_data
from ml_service.settings.variables import Settings
from ml_service.training import ownership

VERSIONS_SEARCHED = 25
"""How many of the newest versions are searched for the bytes of a table; one costs the service two calls."""


@dataclass(frozen=True)
class CheckedTable:
    """A file that keeps the data contract, with its facts."""

    path: Path
    sha256: str
    rows: int
    first_date: str
    last_date: str
    columns: str
    """Hash of the header: tables of one data set have the same columns."""
    notes: tuple[str, ...] = ()
    """What a person should know of its series."""


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


def check_table(settings: Settings, file: Path | None = None) -> CheckedTable:
    """Read a table (None: DATA_FILE) by the contract of the problem; needs no workspace.

    Raises: InvalidRequestError when the file does not exist; ContractError of forecasting with every finding.
    """
    source = file or settings.data_file
    if not source.is_file():
        raise InvalidRequestError(
            f"data file {source} does not exist",
            expected="a table such as data/adventureworks/daily_by_type.csv",
            todo="name the file with --file, or correct DATA_FILE in variables.yml",
        )
    problem = Problem(settings.problem_file)
    panel, sha256, rows = read_data(problem, source)
    return CheckedTable(
        source, sha256, rows, panel.first.isoformat(), panel.last.isoformat(), _header(source), panel.notes
    )


def _header(table: Path) -> str:
    """A hash of the names of the columns, of a table that has kept its contract."""
    opened = gzip.open if table.suffix.lower() == ".gz" else open
    with opened(table, "rt", encoding="utf-8-sig", newline="") as content:
        columns = next(csv.reader(content))
    return hashlib.sha256("\n".join(columns).encode()).hexdigest()[:16]


def upload(workspace: Workspace, settings: Settings, terminal: Terminal, table: CheckedTable) -> Uploaded:
    """Upload and register a table unless its bytes are registered already.

    Raises: FaultError; ConflictError when the data set is another problem's and has other columns.
    """
    newest = find_dataset(workspace, settings.dataset_name)
    known = find_by_hash(workspace, newest, table.sha256, VERSIONS_SEARCHED)
    if newest is not None and known is not None:
        return Uploaded(table, known.name, known.version, created=False, newest=newest.version)
    ownership.demand_data_ours(newest, table.columns, settings)
    terminal.note(f"uploading {table.rows} rows to {settings.dataset_name}")
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        dataset = _store(workspace, settings, _copy(table.path, table.sha256, Path(scratch)), table)
    if dataset.sha256 != table.sha256:
        raise FaultError(
            f"data set {settings.dataset_name} version {dataset.version} carries another hash than was uploaded",
            found=dataset.sha256,
            expected=table.sha256,
            todo="somebody registered the same data set at the same moment: repeat `data upload`",
        )
    return Uploaded(table, dataset.name, dataset.version, created=True, newest=dataset.version)


def _copy(source: Path, sha256: str, folder: Path) -> Path:
    """The bytes that were checked, under a fixed name, so that the same bytes under two names stay one file."""
    suffixes = source.suffixes[-2:] if source.suffix == ".gz" else [source.suffix]
    copy = folder / ("data" + "".join(suffixes))
    shutil.copyfile(source, copy)
    if file_sha256(copy) != sha256:
        raise FaultError(
            f"{source} changed while it was read", todo="repeat `data upload` when nobody writes the file"
        )
    return copy


def _store(workspace: Workspace, settings: Settings, copy: Path, table: CheckedTable) -> DatasetVersion:
    """Register a version at the path of its hash."""
    name = settings.dataset_name
    tags = {
        SHA256_TAG: table.sha256,
        "rows": str(table.rows),
        "first_date": table.first_date,
        "last_date": table.last_date,
        ownership.PROBLEM_TAG: Problem(settings.problem_file).series.name,
        ownership.COLUMNS_TAG: table.columns,
    }
    description = f"{table.rows} rows, {table.first_date} to {table.last_date}"
    path = f"datasets/{name}/{table.sha256}"
    return register_file(workspace, name, copy, path, tags=tags, description=description)


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
    did = "registered" if result.created else "unchanged: these bytes are registered already as"
    terminal.say(f"data       {did} {name} version {version}")
    terminal.say(f"           {table.rows} rows, {table.first_date} to {table.last_date}, sha256 {table.sha256[:12]}")
    for note in table.notes:
        terminal.say(f"note       {note}")
    if result.newest != version:
        terminal.say(
            f"           the newest version is {result.newest}; to train on this one: "
            f"python -m ml_service run --data-version {version}"
        )
    facts = {key: value for key, value in asdict(table).items() if key not in ("path", "columns")}
    terminal.document({"name": name, "version": version, **facts, "created": result.created, "newest": result.newest})
