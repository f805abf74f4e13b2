"""Where a candidate stands after each move, from ledger, champion, clock and approvals alone."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from azure_ml.workspace import Workspace
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.production.candidates import reading
from ml_service.production.candidates.candidate import State, pending
from ml_service.production.chain.entry import parse
from tests.unit.ml_service.production.candidate_story import Story

PENDING = Approval(Status.PENDING)
REJECTED = Approval(
    Status.REJECTED, "Grace", "sales must see it first", "2026-11-03T12:00:00+00:00", "a-1", "rejected"
)


def test_an_accepted_version_awaits_the_approval_of_its_build() -> None:
    story = Story()
    story.accept(1, build=7)
    (found,) = story.candidates({"7": PENDING}).values()
    assert (found.state, found.person, found.move.build_id, found.due) == (State.AWAITING, "Ada", "7", False)
    assert (found.compared_with, found.model_sha256, found.run_id) == ("none", story.bytes_of[1], "r1")
    assert (found.accepted[:10], found.expires[:10], found.age_days) == ("2026-11-03", "2026-12-03", 1.0)


def test_without_an_answer_the_state_is_unknown_and_nothing_is_recorded_of_it() -> None:
    story = Story()
    story.accept(1, build=7)
    (found,) = story.candidates().values()
    assert (found.state, found.due) == (State.UNKNOWN, False)
    assert "build 7 has requested an approval" in found.reason
    assert pending([found]) == [], "it may have been rejected"


def test_a_rejection_is_due_with_approver_comment_and_time_and_stays_once_it_is_recorded() -> None:
    story = Story()
    story.accept(1, build=7)
    due = story.candidates({"7": REJECTED})[1]
    story.record(due)
    recorded = story.candidates()[1]
    for found in (due, recorded):
        assert (found.state, found.person, found.reason) == (State.REJECTED, "Grace", "sales must see it first")
        assert (found.since, found.move.build_id) == ("2026-11-03T12:00:00+00:00", "7")
    assert (due.due, recorded.due) == (True, False)
    entry = story.chain.entries[-1]
    assert (entry.event, entry.who, entry.build_id) == ("candidate.rejected", "Grace", "99")
    assert parse(entry.content) == entry
    assert [setback.kind for setback in recorded.setbacks] == ["rejected"]


def test_a_stage_that_was_rejected_run_again_and_approved_is_released_and_its_rejection_stays_known() -> None:
    story = Story()
    story.accept(1, build=7)
    again = replace(PENDING, rejected_before=REJECTED)
    due = story.candidates({"7": again})[1]
    assert (due.state, due.person, due.due) == (State.REJECTED, "Grace", True)
    story.record(due)
    story.deploy(1, build=7)
    released = story.candidates({"7": Approval(Status.APPROVED, "Ada", rejected_before=REJECTED)})[1]
    assert released.state is State.RELEASED
    assert [(setback.kind, setback.person) for setback in released.setbacks] == [("rejected", "Grace")]


def test_the_same_bytes_accepted_again_tell_their_rejection() -> None:
    story = Story()
    story.accept(1, build=7)
    story.record(story.candidates({"7": REJECTED})[1])
    story.accept(1, build=8)
    story.accept(2, build=9, content="other")
    found = story.candidates({"8": PENDING, "9": PENDING})
    assert [found[1].state, found[2].state] == [State.AWAITING, State.AWAITING]
    (setback,) = found[1].setbacks
    assert (setback.person, setback.reason, setback.build_id) == ("Grace", "sales must see it first", "7")
    assert found[2].setbacks == ()


def test_an_approval_that_nobody_gave_leaves_the_version_accepted() -> None:
    story = Story()
    story.accept(1, build=7)
    found = story.candidates({"7": Approval(Status.ENDED, said="timedOut")})[1]
    assert (found.state, found.due) == (State.ACCEPTED, True)
    assert "ended as timedOut" in found.reason
    story.record(found)
    after = story.candidates()[1]
    assert (after.state, after.compared_with, after.accepted) == (State.ACCEPTED, "none", found.accepted)


def test_a_release_supersedes_what_was_compared_with_another_champion() -> None:
    story = Story()
    story.accept(1, build=7)
    story.accept(2, build=8)
    story.deploy(2, build=8)
    found = story.candidates({"7": PENDING})
    assert {version: one.state for version, one in found.items()} == {2: State.RELEASED, 1: State.SUPERSEDED}
    assert (found[1].person, found[1].move.build_id, found[1].since) == ("Rita", "8", found[2].since)
    assert "compared it with no champion, and version 2 is champion by now" in found[1].reason
    story.accept(3, build=9)
    assert story.states({"9": PENDING})[3] == "awaiting approval", "compared with today's champion"


def test_a_rollback_supersedes_too_and_is_a_setback_of_the_bytes_that_served() -> None:
    story = Story()
    for version in (1, 2):
        story.accept(version, build=version)
        story.deploy(version, build=version)
    story.accept(3, build=3)
    story.deploy(1, event="rollback", build=4)
    found = story.candidates({"3": PENDING})
    assert {version: str(one.state) for version, one in found.items()} == {
        3: "superseded",
        2: "released",
        1: "released",
    }
    (setback,) = found[2].setbacks
    assert (setback.kind, setback.model, setback.person, setback.build_id) == ("rolled back", "m:2", "Rita", "4")
    assert found[1].setbacks == ()
    story.register(4, content="2")
    assert story.candidates()[4].setbacks == (setback,), "the bytes count, not the version"


@pytest.mark.parametrize("state", ["undone", "failed", "abandoned"])
def test_a_release_that_does_not_succeed_leaves_the_version_open(state: str) -> None:
    story = Story()
    story.accept(1, build=7)
    story.deploy(1, state="", build=7)
    in_progress = story.candidates()[1]
    assert (in_progress.state, in_progress.reason) == (State.ACCEPTED, "its release is in progress")
    other = Story()
    other.accept(1, build=7)
    other.deploy(1, state=state, build=7)
    found = other.candidates()[1]
    assert (found.state, f"ended as {state}" in found.reason) == (State.ACCEPTED, True)
    assert [(one.kind, one.reason) for one in found.setbacks] == [("undone", "it answers wrongly")] * (
        state == "undone"
    )


def test_a_rejected_version_whose_release_fails_stays_rejected_and_a_released_one_released() -> None:
    story = Story()
    story.accept(1, build=7)
    story.record(story.candidates({"7": REJECTED})[1])
    story.deploy(1, state="undone")
    assert story.states() == {1: "rejected"}
    story.deploy(1)
    story.deploy(1, state="undone", build=9)
    assert story.states() == {1: "released"}


def test_after_its_age_a_candidate_expires_and_the_entry_says_since_when() -> None:
    story = Story()
    story.accept(1, awaits=False)
    assert story.states(days=29) == {1: "accepted"}
    found = story.candidates(days=30)[1]
    assert (found.state, found.since, found.due) == (State.EXPIRED, found.expires, True)
    assert "older than 30 days" in found.reason
    assert story.candidates(days=3000, most=None)[1].state is State.ACCEPTED
    story.record(found)
    after = story.candidates()[1]
    assert (after.state, after.since, after.person) == (State.EXPIRED, found.expires, ""), "no person has moved it"
    assert story.chain.entries[-1].who == "Writer"


def test_one_that_was_accepted_again_is_young_again() -> None:
    story = Story()
    story.accept(1, awaits=False)
    story.day += 40
    assert story.states() == {1: "expired"}
    story.accept(1, awaits=False)
    assert story.states() == {1: "accepted"}


def test_versions_that_no_entry_tells_of_are_followed_from_the_registry() -> None:
    story = Story()
    story.register(1)
    story.deploy(1)
    story.register(2)
    found = story.candidates()
    assert (found[1].state, found[2].state, found[2].compared_with) == (State.RELEASED, State.ACCEPTED, "")
    story.register(3)
    story.deploy(3)
    assert story.states() == {1: "released", 2: "superseded", 3: "released"}
    tagged = Story()
    tagged.register(5)
    tagged.champion = 5
    assert tagged.states() == {5: "released"}, "champion by the deploy step, before there was a production"


def test_the_newest_pending_one_is_what_was_accepted_last_and_is_still_valid() -> None:
    story = Story()
    for version in (1, 2, 3):
        story.accept(version, build=version, awaits=version != 2)
    story.accept(1, build=4)
    every = {"1": PENDING, "3": PENDING, "4": PENDING}
    assert [one.version for one in pending(story.candidates(every).values())] == [1, 3, 2]
    assert [one.version for one in pending(story.candidates({**every, "4": REJECTED}).values())] == [3, 2]
    assert pending([]) == []


def test_a_candidate_whose_training_has_failed_is_passed_over_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    story, said = Story(), list[str]()
    for version in (1, 2, 3):
        story.accept(version, build=version)
    states = {"r1": "Completed", "r2": "Failed"}
    monkeypatch.setattr(
        reading,
        "find_pipeline_run",
        lambda _, run: SimpleNamespace(status=states[run]) if run in states else None,
    )
    candidates = story.candidates(dict.fromkeys("123", Approval(Status.PENDING))).values()
    newest = reading.newest_pending(Workspace(None, "w", "g"), candidates, said.append)
    assert newest is not None
    assert newest.version == 1
    assert said == [
        "candidate  m:3 is passed over: run r3 is not there any more",
        "candidate  m:2 is passed over: run r2 is Failed",
    ]
    del states["r1"]
    assert reading.newest_pending(Workspace(None, "w", "g"), candidates, said.append) is None


def test_entries_of_candidates_say_all_that_an_auditor_asks() -> None:
    story = Story()
    story.accept(1, build=7)
    entry = story.chain.entries[0]
    told = json.loads(entry.content)
    assert (told["event"], told["subject"], told["from"], told["to"]) == ("candidate.accepted", "m:1", "none", "m:1")
    assert told["evidence"] == {"model_sha256": story.bytes_of[1], "decision_sha256": "d" * 64}
    assert (told["details"]["compared_with"], told["details"]["reason"]) == ("none", "it is better")
