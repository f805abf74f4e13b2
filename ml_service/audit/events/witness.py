"""Write events to the ledger as they happen.

If an entry cannot be written, the event has happened nevertheless: the command prints a warning and continues, and
`audit verify` finds the run, table or schedule without an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from azure_ml.errors import ExplainedError
from azure_ml.storage.blobs import open_blobs
from azure_ml.workspace import Workspace
from forecasting.inbox.tables import Acceptance
from forecasting.problem.problem_file import Problem
from ml_service.audit.events import kinds
from ml_service.audit.events.kinds import Attempt, Table
from ml_service.azure_devops.approvals import Ask, Status
from ml_service.output.failures import explain
from ml_service.production.chain import deployments, store
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Entry, Event
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training.data import Uploaded

Make = Callable[[Actor], Iterable[Event]]
"""The events to write, given who writes them."""


@dataclass(frozen=True)
class Witness:
    """The writer of events for a problem. say: prints the warning about an entry that could not be written."""

    training: Workspace
    settings: Settings
    build: Build
    say: Callable[[str], None]

    @property
    def problem(self) -> str:
        """Name of the problem, whose ledger it is."""
        return Problem(self.settings.problem_file).series.name

    @property
    def actor(self) -> Actor:
        """Who writes. The identity that signed in is recorded by the runs that it starts."""
        return deployments.actor_of(self.build)

    def write(self, make: Make) -> tuple[Entry, ...]:
        """Write events. Raises: as `store.append_at_end`."""
        return store.append_at_end(open_blobs(self.training), self.problem, make(self.actor))

    def last(self) -> Entry | None:
        """The last entry of the ledger; None before the first. Raises: as `write`."""
        return store.read_last(open_blobs(self.training), self.problem)

    def record(self, make: Make) -> tuple[Entry, ...]:
        """Write events; where that fails, says so and returns none."""
        try:
            return self.write(make)
        except Exception as error:
            self._missed(error)
            return ()

    def record_new(self, make: Make) -> tuple[Entry, ...]:
        """Like `record`, but skip events that already have an entry of the same kind and subject."""

        def new(actor: Actor) -> Iterable[Event]:
            entries = store.read(open_blobs(self.training), self.problem).entries
            known = {(entry.event, entry.subject) for entry in entries}
            return [event for event in make(actor) if (event.event, event.subject) not in known]

        return self.record(new)

    def record_table(self, uploaded: Uploaded, acceptance: Acceptance | None = None) -> None:
        """Write that a table has become a data version; nothing where its bytes were one before."""
        if uploaded.created:
            table = Table.of_checked(uploaded.table, uploaded.name, uploaded.version)
            self.record(lambda actor: [kinds.data_accepted(table, actor, acceptance)])

    def record_approval(self, ask: Ask) -> None:
        """Record who has approved the stage that runs this command; does nothing if that is unknown."""
        build, stage = self.build.build_id, self.settings.system_stagename
        approval = ask(build, stage)
        if approval is not None and approval.status is Status.APPROVED:
            self.record(lambda actor: [kinds.approval_answered(build, stage, approval, actor)])

    def record_refusal(self, attempt: Attempt, error: ExplainedError) -> None:
        """Write that a request was refused, unless a deployment of this command tells how it ended."""
        try:
            blobs = open_blobs(self.training)
            chain = store.read(blobs, self.problem)
            chain.demand_whole()  # what follows a damaged entry would not fit the copy that is restored
            if not self._has_begun(chain.entries, attempt):
                store.append_at_end(blobs, self.problem, [kinds.refused(attempt, error, self.actor)])
        except Exception as second:
            self._missed(second)

    def _has_begun(self, entries: Iterable[Entry], attempt: Attempt) -> bool:
        """Whether this command has opened a deployment."""
        mine = (self.build.build_id, self.build.who)
        return any(
            entry.event == deployments.STARTED and (entry.build_id, entry.who) == mine and entry.when >= attempt.begun
            for entry in entries
        )

    def _missed(self, error: Exception) -> None:
        known = explain(error)
        if known is None:
            raise error
        self.say(
            f"warning: this is not recorded in the ledger yet: {known.happened}; "
            "see: python -m ml_service audit verify"
        )
