"""Builds and their approvals are asked for again: over the routes that the runs of this machine are served at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.run.builds.record import BuildRecord, Decision
from local_azure.pipelines.run.builds.server import serving
from local_azure.pipelines.run.results import Result
from ml_service.audit.completeness import of_builds
from ml_service.audit.completeness.population import Population
from ml_service.audit.completeness.reading_builds import read_builds, read_others
from ml_service.audit.events import kinds
from ml_service.azure_devops.approvals import Approval, Status, read_approvals
from ml_service.azure_devops.client import AzureDevOps
from ml_service.production.candidates import events as candidates
from ml_service.production.candidates.candidate import Move, State
from ml_service.production.candidates.events import Subject
from ml_service.production.chain import deployments
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import NONE, Event
from ml_service.production.chain.store import Chain

STAGE = "Production_p"
HOME = {"service": "s", "workspace": "prod"}


def run_build(folder: Path, number: int, decision: Decision | None, stage: str = STAGE) -> None:
    """A build of the release pipeline whose stage was approved or refused, as a run of this machine leaves it."""
    (folder / str(number)).mkdir()
    record = BuildRecord(folder / str(number), number, str)
    record.begin(str(number), {"Validate": "Validate", stage: stage}, {"definition": {"id": 7, "name": "release"}})
    record.stage_ended("Validate", Result.SUCCEEDED)
    if decision is not None:
        record.stage_began(stage)
        record.decide(record.ask(stage, "production"), decision)
    record.stage_ended(stage, Result.SUCCEEDED if decision and decision.approved else Result.SKIPPED)
    record.end(Result.SUCCEEDED)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureDevOps]:
    """Build 1 was approved, 2 refused; 3 did nothing here, 4 deployed, 5 was refused, 6 and 7 are another's."""
    folder = tmp_path_factory.mktemp("runs")
    yes, no = Decision(True, "Grace", "looks right"), Decision(False, "Grace", "not before Monday")
    for number, decision in enumerate((yes, no, None, yes, no), 1):
        run_build(folder, number, decision)
    run_build(folder, 6, yes, "Production_q")
    run_build(folder, 7, no, "Production_q")
    with serving(folder) as served:
        address = f"{served.variables['System.CollectionUri']}{served.variables['System.TeamProject']}"
        yield AzureDevOps(address, served.token)


def actor(build: str) -> Actor:
    return {"who": "Ada", "identity": "i", "when": "2026-01-01T00:00:00+00:00", "build_id": build, "commit": "c"}


def answered(project: AzureDevOps, build: str, **changes: Any) -> Event:
    """The entry that tells of the approval of a build, with other facts."""
    approval = replace(read_approvals(project, build)[STAGE], **changes)
    return kinds.approval_answered(build, STAGE, approval, actor(build))


def deployed(build: str, approver: str) -> list[Event]:
    """A deployment by a build, as its entries tell it."""
    record = {"event": "release", "model_name": "m", "model_version": "1", "from": NONE, **HOME}
    opened = deployments.started("d1", {**record, "approver": approver}, NONE, actor(build))
    return [opened, deployments.closed(opened, "undone", "", actor(build), told={})]


def found(project: AzureDevOps, *events: Event) -> list[str]:
    """What is found about builds, and what could not be read."""
    chain, unread = Chain("p"), list[str]()
    for event in events:
        chain = chain.followed_by(event)
    builds = read_builds(project, chain.entries, "p", unread)
    others = read_others(project, chain.entries, builds, "p", unread)
    facts = ("dev", "prod", "s", "2026-01-02T00:00:00+00:00")
    population = Population("p", "m", "data", *facts, chain, builds=builds, other_builds=others)
    return [*(finding.line for finding in of_builds.findings(population)), *unread]


def without_others(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("build-unrecorded")]


def test_builds_that_deployed_or_were_answered_need_an_entry(project: AzureDevOps) -> None:
    lines = found(project, answered(project, "1"), answered(project, "2"))
    assert sorted(line.partition(", ended")[0] for line in lines) == [
        f"build-unrecorded: build 4 (found {STAGE} succeeded; {STAGE} was approved by Grace; requested for ",
        f"build-unrecorded: build 5 (found {STAGE} was rejected by Grace; requested for ",
    ]
    assert all(line.endswith("; expected an entry that names it)") for line in lines)
    every = [answered(project, build) for build in "1245"]
    assert found(project, *every) == []


@pytest.mark.parametrize(
    ("build", "changes", "told"),
    [
        ("1", {"person": "Mallory"}, "approved by Mallory"),
        ("1", {"comment": "x"}, ": x)"),
        ("1", {"when": "2026-01-01T00:00:00+00:00"}, "approved by Grace, 2026-01-01T00:00:00+00:00: looks right"),
        ("2", {"status": Status.APPROVED}, "approved by Grace"),
        ("1", {"approval_id": "none-of-them"}, "found no such approval; expected approved by Grace"),
        ("1", {"approval_id": ""}, "found no such approval; expected approved by Grace"),
        ("3", {}, "found no such approval; expected approved by Mallory"),
    ],
)
def test_an_approval_that_azure_devops_tells_otherwise_is_named(
    project: AzureDevOps, build: str, changes: dict[str, Any], told: str
) -> None:
    forged = (
        answered(project, build, **changes)
        if build != "3"
        else kinds.approval_answered("3", STAGE, Approval(Status.APPROVED, "Mallory"), actor("3"))
    )
    (line,) = without_others(found(project, forged))
    assert line.startswith(f"approval-differs: entry 1 about build {build} (found ")
    assert told in line


def test_an_approver_of_a_deployment_that_approved_nothing_is_named(project: AzureDevOps) -> None:
    assert without_others(found(project, *deployed("1", "Grace"))) == [], "read by stage where no entry names its id"
    for build, approver, names in (("1", "Mallory", "Grace"), ("2", "Grace", "nobody"), ("3", "Grace", "nobody")):
        (line,) = without_others(found(project, *deployed(build, approver)))
        assert (
            line == f"approval-differs: entry 1 about build {build} "
            f"(found approved by {names}; expected approved by {approver})"
        )
    assert without_others(found(project, *deployed("2", "unknown"))) == []


def rejected(project: AzureDevOps, build: str, **changes: str) -> Event:
    """The entry that tells that a candidate was rejected in a build, as the next verb writes it, with other facts."""
    no = read_approvals(project, "2")[STAGE]
    told = {"since": no.when, "person": no.person, "reason": no.comment, "build_id": build, **changes}
    return candidates.moved(Subject("m", 1, "a" * 64, "r1"), Move(State.REJECTED, **told), actor("1"))


def test_a_rejected_candidate_is_asked_for_again(project: AzureDevOps) -> None:
    assert without_others(found(project, rejected(project, "2"))) == []
    for build, changes, told in (
        ("2", {"person": "Mallory"}, "(found rejected by Grace"),
        ("2", {"reason": "x"}, ": not before Monday; expected rejected by Grace"),
        ("2", {"since": "2026-01-01T00:00:00+00:00"}, "expected rejected by Grace, 2026-01-01T00:00:00+00:00: not"),
        ("1", {}, "(found no rejection; expected rejected by Grace"),
        ("6", {}, "(found no rejection; expected rejected by Grace"),
        ("7", {}, "(found no rejection; expected rejected by Grace"),
    ):
        (line,) = without_others(found(project, rejected(project, build, **changes)))
        assert line.startswith(f"approval-differs: entry 1 about build {build} (found ")
        assert told in line


def test_the_rejection_of_a_stage_with_another_name_is_found_where_entries_ask_for_it(project: AzureDevOps) -> None:
    subject, asked = Subject("m", 1, "a" * 64, "r1"), Move(State.AWAITING, "", "", "", "7")
    awaiting = candidates.moved(subject, asked, actor("7"), stage="Production_q")
    assert without_others(found(project, awaiting, rejected(project, "7", since=decided(project, "7")))) == []


def decided(project: AzureDevOps, build: str) -> str:
    """When the only approval of a build was answered."""
    (approval,) = read_approvals(project, build).values()
    return approval.when


def test_what_azure_devops_does_not_answer_is_unread_and_no_finding(project: AzureDevOps) -> None:
    closed = replace(project, token="another")
    lines = found(closed, answered(project, "1"))
    assert len(lines) == 1
    assert lines[0].startswith("build 1: Azure DevOps refused GET http")
