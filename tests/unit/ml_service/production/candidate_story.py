"""A ledger of candidates in memory: moves and deployments, one a day, and where everything stands afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from azure_ml.models.champion import SINCE_TAG, TAG
from azure_ml.models.versions import ModelVersion
from ml_service.azure_devops.approvals import Approval
from ml_service.production.candidates import events
from ml_service.production.candidates.candidate import Candidate, Move, State
from ml_service.production.candidates.events import Acceptance, Subject
from ml_service.production.candidates.lifecycle import Now, candidates_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import NONE, Event
from ml_service.production.chain.store import Chain

FIRST = datetime(2026, 11, 2, 9, tzinfo=UTC)
STAGE = "Production_p"


@dataclass
class Story:
    """One problem with its registry and ledger; each event is a day later than the one before."""

    chain: Chain = field(default_factory=lambda: Chain("p"))
    models: dict[int, ModelVersion] = field(default_factory=dict)
    champion: int | None = None
    day: int = 0
    bytes_of: dict[int, str] = field(default_factory=dict)

    @property
    def today(self) -> str:
        """The day of the last event."""
        return (FIRST + timedelta(days=self.day)).isoformat(timespec="seconds")

    def actor(self, build: int, who: str = "Ada") -> dict[str, str]:
        """Who acts in a build, a day later than the last event."""
        self.day += 1
        return {"who": who, "identity": "id", "when": self.today, "build_id": str(build), "commit": "c"}

    def add(self, event: Event) -> None:
        """Append an event."""
        self.chain = self.chain.followed_by(event)

    def register(self, version: int, content: str = "", **tags: str) -> Subject:
        """Register a version; content: what its bytes are made from, so that two may have the same."""
        if version not in self.models:
            self.bytes_of[version] = f"{content or version:0>64}"
            properties = {"model_sha256": self.bytes_of[version], "run_id": f"r{version}", "build_id": f"{version}"}
            created = (FIRST + timedelta(days=self.day)).isoformat(sep=" ")
            self.models[version] = ModelVersion(
                SimpleNamespace(), "m", version, tags, {**properties, "reason": "manual"}, created=created
            )
        return Subject("m", version, self.bytes_of[version], f"r{version}")

    def accept(self, version: int, build: int = 1, content: str = "", awaits: bool = True) -> None:
        """The gate accepts a version against today's champion, and the build asks for an approval."""
        subject = self.register(version, content)
        compared = str(self.champion) if self.champion else NONE
        self.add(events.accepted(Acceptance(subject, "d" * 64, compared, "it is better"), self.actor(build)))
        if awaits:
            move = Move(State.AWAITING, self.today, "Ada", "", str(build))
            actor = {**self.actor(build), "when": self.today}
            self.add(events.moved(subject, move, actor, stage=STAGE))

    def record(self, candidate: Candidate) -> None:
        """Write down a move that is due, as the next writing verb does."""
        assert candidate.due
        subject = self.register(candidate.version)
        self.add(events.moved(subject, candidate.move, self.actor(99, "Writer")))

    def deploy(self, version: int, state: str = "succeeded", event: str = "release", build: int = 1) -> None:
        """A deployment from beginning to end; an empty state: it has not ended."""
        subject = self.register(version)
        started = [entry for entry in self.chain.entries if entry.event == deployments.STARTED]
        record = {
            "event": event,
            "model_name": "m",
            "model_version": str(version),
            "model_sha256": subject.model_sha256,
            "run_id": subject.run_id,
            "service": "s",
            "workspace": "w",
            "from": started[-1].subject if started else NONE,
        }
        before = f"m:{self.champion}" if self.champion else NONE
        self.add(deployments.started(f"d{len(started) + 1}", record, before, self.actor(build, "Rita")))
        opened = self.chain.entries[-1]
        if state:
            told = {"reason": "it answers wrongly\nlog"} if state != "succeeded" else {}
            self.add(deployments.closed(opened, state, "", self.actor(build, "Rita"), told=told))
        if state == "succeeded":
            self.champion = version

    def candidates(
        self, approvals: Mapping[str, Approval] | None = None, days: int = 0, most: int | None = 30
    ) -> dict[int, Candidate]:
        """Where everything stands so many days after the last event."""
        champion = self.models.get(self.champion) if self.champion else None
        if champion is not None:
            tags = {TAG: "p", SINCE_TAG: self.today}
            champion = ModelVersion(None, "m", champion.version, tags, champion.properties, created=champion.created)

        def ask(build: str, stage: str) -> Approval | None:
            assert stage == STAGE
            return (approvals or {}).get(build)

        now = Now(FIRST + timedelta(days=self.day + days), champion, most, ask)
        found = candidates_of(self.chain.entries, self.models.values(), now)
        assert [one.version for one in found] == sorted(self.models, reverse=True)
        return {one.version: one for one in found}

    def states(self, approvals: Mapping[str, Approval] | None = None, days: int = 0) -> dict[int, str]:
        """The state of each version."""
        return {version: str(one.state) for version, one in self.candidates(approvals, days).items()}
