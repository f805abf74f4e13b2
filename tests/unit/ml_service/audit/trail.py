"""A year of one problem in memory: every kind of event once, and a population that agrees with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from azure_ml.digests import folder_sha256
from azure_ml.pipelines.runs import Run
from forecasting.decision.record import DecisionRecord
from forecasting.json_text import hash_of
from ml_service.audit.completeness.documents import Documents
from ml_service.audit.completeness.population import (
    Anchor,
    BuildFacts,
    DeploymentFacts,
    Live,
    ModelFacts,
    Population,
    RunFacts,
    ServiceFacts,
    TableFacts,
)
from ml_service.audit.completeness.reading import Reader, note_decision
from ml_service.audit.completeness.verifying import Verified, judge
from ml_service.audit.events import kinds
from ml_service.audit.events.kinds import Attempt, Table
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.errors import CheckFailedError
from ml_service.production.candidates import events as candidates
from ml_service.production.candidates.candidate import Candidate, Move, State
from ml_service.production.candidates.events import Acceptance, Subject
from ml_service.production.chain import deployments
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import NONE, Event
from ml_service.production.chain.store import Chain
from tests.unit.ml_service.decisions import changed, decision

FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
SCORE = b"def run(body):\n    return body\n"
CONDA = b"name: forecast-scoring\n"


def sha(text: str) -> str:
    """A hash that a text stands for."""
    return hashlib.sha256(text.encode()).hexdigest()


def day(number: int) -> str:
    """A moment of the story: nine o'clock of its n-th day."""
    return (FIRST + timedelta(days=number)).isoformat(timespec="seconds")


@dataclass
class Trail:
    """The ledger as it grows, one day an event, and what the workspaces hold."""

    folder: Path
    chain: Chain = field(default_factory=lambda: Chain("p"))
    today: int = 0
    runs: dict[str, RunFacts] = field(default_factory=dict)
    models: dict[int, ModelFacts] = field(default_factory=dict)
    tables: list[TableFacts] = field(default_factory=list)
    opened: dict[str, Event] = field(default_factory=dict)
    champion: str = ""
    answers: dict[str, Approval] = field(default_factory=dict)
    """What Azure DevOps has said of approvals, by their ids."""

    def __post_init__(self) -> None:
        self.documents = Documents(self.folder)
        self.reader = Reader(cast(Any, None), self.documents)
        scoring = self.folder / "code"
        scoring.mkdir(parents=True)
        (scoring / "score.py").write_bytes(SCORE)
        self.scoring = folder_sha256(scoring)

    def actor(self, build: int, who: str = "Ada") -> Actor:
        """Who acts in a build, a day after the event before."""
        self.today += 1
        return {"who": who, "identity": "spn-1", "when": day(self.today), "build_id": str(build), "commit": "c0ffee"}

    def add(self, *events: Event) -> None:
        """The next entries."""
        for event in events:
            self.chain = self.chain.followed_by(event)

    def upload(self, version: int, who: str = "Ada") -> str:
        """A table becomes a version."""
        table = Table("data", version, sha(f"data {version}"), "week.csv", 100 + version, "2026-01-01", "2026-01-31")
        self.add(kinds.data_accepted(table, self.actor(100, who)))
        self.tables.append(TableFacts("data", version, {"problem": "p", "sha256": table.sha256}))
        return table.sha256

    def train(self, run_id: str, golden: str, model: str, data: int = 1, build: int = 101) -> DecisionRecord:
        """A run ends with a decision."""
        found = decision(golden)
        challenger = changed(found.evidence.challenger, model_sha256=sha(model))
        facts = changed(found.evidence.data, data_sha256=sha(f"data {data}"))
        policy = dict(found.evidence.policy)
        evidence = changed(
            found.evidence, challenger=challenger, data=facts, policy=policy, policy_sha256=hash_of(policy)
        )
        record = DecisionRecord.of(evidence, changed(found.context, run_id=run_id, build_id=str(build)))
        report = f"<html>report of {run_id}</html>".encode()
        properties = {
            "outcome": evidence.outcome,
            "reason": evidence.reason,
            "decision_sha256": record.sha256,
            "data_sha256": facts.data_sha256,
        }
        files = {
            "decision.json": self.documents.keep("decision.json", record.content, f"run {run_id}"),
            "report.html": self.documents.keep("report.html", report, f"run {run_id}"),
        }
        note_decision(self.reader, "decision.json", record.content)
        self._end(run_id, "Completed", (record, files, properties), build)
        return record

    def fail(self, run_id: str, status: str = "Failed", build: int = 101) -> None:
        """A run ends without a decision."""
        self._end(run_id, status, (None, {}, {"reason": "contract"} if status == "Failed" else {}), build)

    def _end(
        self, run_id: str, status: str, left: tuple[DecisionRecord | None, dict[str, str], Any], build: int
    ) -> None:
        record, files, more = left
        properties = {**more, "requested_for": "Ada"}
        run = SimpleNamespace(
            id=run_id,
            number=len(self.runs) + 1,
            created=day(self.today),
            ended=day(self.today),
            created_by="spn-1",
            experiment="e",
            properties=properties,
        )
        report = files.get("report.html", "")
        actor = self.actor(build)
        self.add(*kinds.run_ended(cast(Run, run), status, record, actor, report_sha256=report))
        word = "Finished" if status == "Completed" else status
        self.runs[run_id] = RunFacts(run_id, word, run.created, run.ended, "spn-1", properties, files)

    def accept(self, version: int, record: DecisionRecord, build: int = 101) -> Subject:
        """The gate has accepted a version, which is registered, and its approval is asked for."""
        run_id, sha256 = record.context.run_id, record.evidence.challenger.model_sha256
        subject = Subject("m", version, sha256, run_id)
        found = Acceptance(subject, record.sha256, NONE, record.verdict.sentence)
        self.add(candidates.accepted(found, self.actor(build)))
        move = Move(State.AWAITING, day(self.today), "Ada", "", str(build))
        self.add(candidates.moved(subject, move, self.actor(build), stage="Production"))
        properties = {
            "model_sha256": sha256,
            "decision_sha256": record.sha256,
            "run_id": run_id,
            "build_id": str(build),
        }
        files = {"model.json": sha256, "manifest.json": sha("manifest"), **self.runs[run_id].files}
        self.models[version] = ModelFacts("m", version, str(version), day(self.today), "spn-1", properties, files)
        return subject

    def answer(self, build: int, status: Status, comment: str) -> None:
        """Azure DevOps says what Grace has said."""
        approval = Approval(status, "Grace", comment, day(self.today), f"id-{build}", status)
        self.answers[approval.approval_id] = approval
        self.add(kinds.approval_answered(str(build), "Production", approval, self.actor(build)))

    def deploy(self, name: str, version: int, state: str, build: int, **more: str) -> None:
        """A deployment from beginning to end; an empty state: it has not ended."""
        model = self.models[version]
        record = {
            "event": "release",
            "model_name": "m",
            "model_version": str(version),
            "production_version": str(version),
            "workspace": "prod",
            "service": "s",
            "from": NONE,
            "run_id": model.properties["run_id"],
            "approver": "Grace",
            "model_sha256": model.properties["model_sha256"],
            "decision_sha256": model.properties["decision_sha256"],
            "report_sha256": self.runs[model.properties["run_id"]].files["report.html"],
            "scoring_sha256": self.scoring,
            "environment_sha256": hashlib.sha256(CONDA).hexdigest(),
            **more,
        }
        self.opened[name] = deployments.started(name, record, self.champion or NONE, self.actor(build, "Rita"))
        self.add(self.opened[name])
        self.documents.keep("scoring.yml", CONDA, f"deployment {name}")
        self.documents.keep(f"scoring/{self.scoring}/score.py", SCORE, f"deployment {name}")
        if state:
            self.close(name, state, build)

    def close(self, name: str, state: str, build: int) -> None:
        """A deployment ends."""
        told = {} if state == "succeeded" else {"reason": "it answers wrongly"}
        opened = self.opened[name]
        self.add(deployments.closed(opened, state, "", self.actor(build, "Rita"), told=told))
        if state == "succeeded":
            self.champion = opened.after

    def population(self, **changes: Any) -> Population:
        """What the services hold, in agreement with the ledger unless it is changed."""
        opened = [entry for entry in self.chain.entries if entry.event == deployments.STARTED]
        closed = {entry.subject: entry for entry in self.chain.entries if deployments.state_of(entry)}
        anchors = [Anchor(f"property of run {name}", one.sequence, one.sha256) for name, one in closed.items()]
        of_azure = BuildFacts("", "succeeded", (), approvals=self.answers, approvers=frozenset({"Grace"}))
        builds = {str(build): replace(of_azure, id=str(build)) for build in range(100, 110)}
        found = Population(
            problem="p",
            model_name="m",
            dataset="data",
            training="dev in rg [evidence=local rehearsal]",
            production="prod",
            service="s",
            moment=day(self.today + 1),
            chain=self.chain,
            deployments=tuple(DeploymentFacts(one.subject, True, (), "") for one in opened),
            runs=tuple(self.runs.values()),
            models=tuple(self.models.values()),
            copies=tuple(self.models.values()),
            services=(ServiceFacts("s", "Healthy", day(self.today), {"problem": "p"}),),
            live=Live("as-recorded", "", day(self.today)),
            champion=self.champion,
            tables=tuple(self.tables),
            builds=builds,
            candidates=tuple(self._candidates()),
            decisions=self.reader.decisions,
            anchors=tuple(anchors),
        )
        return replace(found, **changes)

    def _candidates(self) -> Iterable[Candidate]:
        moves = {2: Move(State.REJECTED, day(20), "Grace", "not before Monday", "103")}
        for version, model in self.models.items():
            move = moves.get(version, Move(State.RELEASED, day(9), "Rita", "release", "101"))
            sha256, run_id = model.properties["model_sha256"], model.properties["run_id"]
            yield Candidate("m", version, sha256, run_id, day(5), NONE, move, False, 1.0, "", ())

    def verified(self, **changes: Any) -> Verified:
        """What `audit verify` says."""
        return judge(self.population(**changes))


def make_trail(folder: Path) -> Trail:
    """The story. Moments are `day(n)` with the n of `today` after each event."""
    trail = Trail(folder)
    trail.upload(1)
    refused = CheckFailedError("bad.csv violates the data contract", found="3 rows", expected="at least 730 rows")
    trail.add(
        kinds.refused(
            Attempt("data upload", "bad.csv", day(1), "", None, kinds.DATA_REFUSED), refused, trail.actor(100)
        )
    )
    trail.accept(1, trail.train("r1", "accepted", "model 1"))
    trail.answer(101, Status.APPROVED, "looks right")
    trail.deploy("d1", 1, "succeeded", 101, approval_comment="looks right")
    trail.train("r2", "kept", "model x")
    trail.fail("r3")
    trail.accept(2, trail.train("r4", "override", "model 2"), 103)
    trail.answer(103, Status.REJECTED, "not before Monday")
    trail.upload(2, "Bob")
    trail.accept(3, trail.train("r5", "accepted", "model 3", data=2, build=104), 104)
    trail.answer(104, Status.APPROVED, "go")
    trail.deploy("d2", 3, "undone", 104, **{"from": "d1"})
    trail.deploy("d3", 3, "succeeded", 105, **{"from": "d1"})
    never = CheckFailedError("version 99 has never served in production", expected="one of the versions 1, 3")
    trail.add(kinds.refused(Attempt("rollback", "99", day(1), "worse"), never, trail.actor(106, "Rita")))
    trail.deploy(
        "d4", 1, "succeeded", 106, **{"from": "d3", "event": "rollback", "asked_because": "worse on Mondays"}
    )
    trail.actor(0)  # a day on which somebody changes the service by hand
    by_hand = {"from": "d4", "take_over": "a hotfix on Friday", "changed_by_hand": day(trail.today)}
    trail.actor(0)
    trail.deploy("d5", 3, "succeeded", 107, **by_hand)
    trail.add(kinds.schedule_changed("weekly", "recurrence", "created", trail.actor(108)))
    broken = Table("data", None, sha("broken"), "=cmd|' /C calc'!A0.csv")
    trail.add(kinds.data_quarantined(broken, ("column day: -1", "@SUM(A1)"), trail.actor(108)))
    return trail
