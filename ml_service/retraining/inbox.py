"""`data ingest`, `data quarantine`, `data accept`: what was delivered to the inbox of a data set.

The scheduled pipeline ingests by the same functions of mlops_code before each training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from azure_ml.errors import AzureMlError
from azure_ml.storage import leases
from azure_ml.storage.inbox import StoredInbox, files_folder, holding, reading
from azure_ml.workspace import Workspace
from forecasting.errors import ForecastingError
from forecasting.inbox import ingest as inboxes
from forecasting.inbox.files import Receipt
from forecasting.inbox.ingest import Ingested, When
from forecasting.inbox.tables import Acceptance
from forecasting.problem.problem_file import Problem
from ml_service.errors import ConflictError, InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings

MAX_REASON = 500
"""Characters of a reason, which a tag of the data version holds."""


@dataclass(frozen=True)
class Quarantined:
    """A delivered file that is not trained on until a person accepts or replaces it."""

    file: str
    sha256: str
    when: str
    problem: str
    findings: tuple[str, ...]

    @classmethod
    def of(cls, receipt: Receipt) -> Quarantined:
        """What is shown of a receipt."""
        return cls(receipt.file, receipt.sha256, receipt.when, receipt.problem, receipt.findings)


@dataclass(frozen=True)
class Unused:
    """What lies in the inbox and is not trained on."""

    quarantined: tuple[Quarantined, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    """Files that no ingest reads as they are, and why."""
    unknown: str = ""
    """Why the inbox cannot be read; empty where it can."""


def acceptance_of(build: Build, reason: str) -> Acceptance:
    """This person's acceptance of a table. Raises: InvalidRequestError."""
    text = " ".join(reason.split())
    if not text or len(text) > MAX_REASON:
        raise InvalidRequestError(
            f"--reason has {len(text)} characters", expected=f"1 to {MAX_REASON}: why the table is right as it is"
        )
    return Acceptance(build.who, text, now())


def ingest(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal) -> Ingested:
    """Register or quarantine what is new in the inbox, and tell the change schedule of new versions.

    Raises: ConflictError when another process holds the inbox.
    """
    with _held(workspace, settings, build, terminal, "data ingest") as inbox:
        when = When(datetime.now(UTC).date(), now())
        return inboxes.ingest(inbox, Problem(settings.problem_file), when, inbox.announce)


def read_unused(workspace: Workspace, settings: Settings) -> Unused:
    """The files that are quarantined, the oldest first, and those that are not read; changes nothing."""
    with reading(workspace, settings.dataset_name) as inbox:
        plan = inboxes.read_plan(inbox)
        return Unused(tuple(map(Quarantined.of, plan.quarantined.values())), plan.waiting)


def unused_or_why(workspace: Workspace, settings: Settings) -> Unused:
    """Return the same, or why it is unknown: the rest of a status must not depend on the inbox."""
    try:
        return read_unused(workspace, settings)
    except (AzureMlError, ForecastingError) as error:
        return Unused(unknown=str(error))


def accept(
    workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, *, name: str, acceptance: Acceptance
) -> tuple[int, str]:
    """Register a quarantined file as a version, by the decision of a person; returns the version and its SHA-256.

    Raises: ConflictError when another process holds the inbox; UsageError, ContractError of forecasting.
    """
    with _held(workspace, settings, build, terminal, "data accept") as inbox:
        problem = Problem(settings.problem_file)
        today = datetime.now(UTC).date()
        return inboxes.accept(inbox, problem, name, acceptance, today, announce=inbox.announce)


@contextmanager
def _held(
    workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, verb: str
) -> Iterator[StoredInbox]:
    holder = {"verb": verb, "who": build.who, "build_id": build.build_id, "since": now()}

    def waiting(other: Mapping[str, str]) -> None:
        terminal.err(f"another process is ingesting: {_told(other)}; waiting up to {leases.SECONDS} s")

    try:
        with holding(workspace, settings.dataset_name, holder, waiting) as inbox:
            yield inbox
    except leases.LeaseHeldError as held:
        raise ConflictError(
            f"the inbox of {settings.dataset_name} is being read by another process; nothing was changed here",
            found=_told(held.holder),
            todo="repeat the command when it has ended",
        ) from held


def _told(holder: Mapping[str, str]) -> str:
    return (
        f"{holder.get('verb', 'unknown')} by {holder.get('who', 'unknown')}, since {holder.get('since', 'unknown')}"
    )


def now() -> str:
    """This second, as receipts write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def show_ingested(terminal: Terminal, settings: Settings, done: Ingested) -> None:
    """Print what became a version, what is quarantined, and what was not read."""
    name = settings.dataset_name
    terminal.out(f"inbox      {files_folder(name)}")
    for receipt in done.taken:
        did = "registered as" if receipt.version in done.created else "unchanged: its bytes are"
        terminal.out(f"data       {receipt.file}: {did} {name} version {receipt.version}")
    if not done.taken:
        terminal.out("data       no new file became a version")
    _say_unread(terminal, done.waiting)
    if done.left:
        terminal.out(f"not read   {done.left} more files; repeat the command")
    quarantined = tuple(map(Quarantined.of, done.quarantined))
    _say_quarantine(terminal, quarantined)
    document: dict[str, Any] = {
        "taken": [receipt.model_dump(mode="json") for receipt in done.taken],
        "created": list(done.created),
        "quarantined": [asdict(item) for item in quarantined],
        "waiting": dict(done.waiting),
        "left": done.left,
    }
    terminal.document(document)


def show_unused(terminal: Terminal, unused: Unused) -> None:
    """Print the quarantined files with their findings, and those that are not read with the reason."""
    if not unused.quarantined:
        terminal.out("no file is quarantined")
    _say_unread(terminal, unused.unread)
    _say_quarantine(terminal, unused.quarantined)
    quarantined = [asdict(item) for item in unused.quarantined]
    terminal.document({"quarantined": quarantined, "waiting": dict(unused.unread)})


def _say_unread(terminal: Terminal, unread: Mapping[str, str]) -> None:
    for file, why in unread.items():
        terminal.out(f"not read   {file}: {why}")


def _say_quarantine(terminal: Terminal, quarantined: tuple[Quarantined, ...]) -> None:
    for item in quarantined:
        terminal.out(f"quarantine {item.file}, since {item.when}, sha256 {item.sha256[:12] or 'not read'}")
        for finding in item.findings:
            terminal.out(f"           {finding}")
    if quarantined:
        terminal.out("to do      deliver a corrected file under the same name, or, if the file is right:")
        terminal.out(f"           python -m ml_service data accept {quarantined[0].file} --reason TEXT")
