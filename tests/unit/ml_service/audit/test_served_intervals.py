"""What served at a given time: in each interval of the story, and unknown if no entry proves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_service.audit.completeness.population import Live
from ml_service.audit.timeline import at as asking
from ml_service.audit.timeline.intervals import Interval, at, deployments_of, during, intervals
from ml_service.audit.timeline.log import Index
from ml_service.azure_devops.approvals import Status
from ml_service.errors import InvalidRequestError
from ml_service.production.candidates.candidate import moment
from tests.unit.ml_service.audit.trail import FIRST, Trail, day, make_trail

NOON = timedelta(hours=3)


def begun(trail: Trail, deployment: str, *, ended: bool = False) -> datetime:
    """Three hours after a deployment has begun, or ended."""
    of = [entry for entry in trail.chain.entries if entry.subject == deployment]
    found = moment(of[-1 if ended else 0].when)
    assert found is not None
    return found + NOON


def told(one: Interval) -> tuple[str, str, list[str]]:
    """What an interval says in short."""
    served = one.served.opened.subject if one.served else ""
    return one.status, served, [maybe.opened.subject for maybe in one.possible]


def test_every_interval_of_the_story(trail: Trail) -> None:
    found = intervals(trail.chain.entries)
    moments = {
        "before": FIRST,
        **{f"in {name}": begun(trail, name) for name in ("d1", "d2", "d3", "d4", "d5")},
        **{f"after {name}": begun(trail, name, ended=True) for name in ("d1", "d2", "d3", "d4", "d5")},
        "by hand": begun(trail, "d5") - timedelta(days=1),
    }
    assert {name: told(at(found, when)) for name, when in moments.items()} == {
        "before": ("unknown", "", []),
        "in d1": ("unknown", "", ["d1"]),
        "after d1": ("served", "d1", []),
        "in d2": ("unknown", "", ["d1", "d2"]),
        "after d2": ("served", "d1", []),
        "in d3": ("unknown", "", ["d1", "d3"]),
        "after d3": ("served", "d3", []),
        "in d4": ("unknown", "", ["d3", "d4"]),
        "after d4": ("served", "d4", []),
        "by hand": ("unknown", "", []),
        "in d5": ("unknown", "", ["d5"]),
        "after d5": ("served", "d5", []),
    }
    assert "changed by hand" in at(found, moments["by hand"]).why


def test_a_service_that_is_not_as_recorded_is_unknown_since_it_was_changed(trail: Trail) -> None:
    last = begun(trail, "d5", ended=True)
    since = (last + timedelta(hours=1)).isoformat()
    found = intervals(trail.chain.entries, Live("changed", "The service was changed by hand", since))
    assert told(at(found, last)) == ("served", "d5", [])
    after = at(found, last + timedelta(hours=2))
    assert (after.status, after.begin) == ("unknown", since)
    gone = intervals(trail.chain.entries, Live("changed", "The service is gone", ""))
    assert told(gone[-1]) == ("unknown", "", ["d5"])


def test_a_service_that_is_only_unhealthy_has_served_what_is_recorded(trail: Trail) -> None:
    ill = Live("unhealthy", "Service s is Unhealthy: no reason given", "2026-01-06T09:00:00+00:00")
    assert intervals(trail.chain.entries, ill) == intervals(trail.chain.entries)


@pytest.mark.parametrize("state", ["abandoned", "failed"])
def test_after_a_deployment_whose_end_nobody_knows_it_is_unknown_what_serves(tmp_path: Path, state: str) -> None:
    trail = make_trail(tmp_path)
    trail.deploy("d6", 1, state, 109)
    assert told(intervals(trail.chain.entries)[-1]) == ("unknown", "", ["d5", "d6"])
    untouched = intervals(trail.chain.entries, Live("as-recorded", "", ""))
    assert told(untouched[-1]) == ("served", "d5", []), "its last change is that of d5"
    by_hand = intervals(trail.chain.entries, Live("changed", "by hand", day(trail.today + 1)))
    assert (by_hand[-1].begin, by_hand[-1].why) == (day(trail.today + 1), "it differs from the record: by hand")
    trail.deploy("d7", 1, "succeeded", 110)
    assert told(intervals(trail.chain.entries)[-1]) == ("served", "d7", [])


def test_a_first_deployment_that_was_undone_leaves_nothing(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.accept(1, trail.train("r1", "accepted", "model 1"))
    trail.deploy("d1", 1, "undone", 101)
    assert intervals(trail.chain.entries)[-1].status == "nothing"


def test_clocks_that_do_not_agree_make_it_unknown(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.accept(1, trail.train("r1", "accepted", "model 1"))
    trail.deploy("d1", 1, "succeeded", 101)
    last = begun(trail, "d1", ended=True)
    trail.today -= 3
    trail.deploy("d2", 1, "succeeded", 102)
    found = intervals(trail.chain.entries)
    assert at(found, last - NOON - timedelta(hours=1)).why == "the clocks that wrote the entries do not agree"


def test_a_day_shows_everything_that_was_true_on_it(trail: Trail) -> None:
    closed = begun(trail, "d1", ended=True) - NOON
    midnight = closed.replace(hour=0)
    found = during(intervals(trail.chain.entries), midnight, midnight + timedelta(days=1))
    assert [told(one)[:2] for one in found] == [("unknown", ""), ("served", "d1")]


def test_a_date_is_a_day_or_a_moment_and_not_in_the_future() -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    whole = asking.parse_date("2026-03-03", now)
    assert (whole.begin.hour, (whole.end - whole.begin).days) == (0, 1)
    one = asking.parse_date("2026-03-03T14:00+01:00", now)
    assert one.begin == one.end == datetime(2026, 3, 3, 13, tzinfo=UTC)
    for text in ("2026-03-05", "yesterday", "", "2026-02-30", "0001-01-01T00:00+05:00"):
        with pytest.raises(InvalidRequestError):
            asking.parse_date(text, now)


def test_a_rollback_names_who_approved_the_stage_of_its_build(tmp_path: Path) -> None:
    trail = make_trail(tmp_path)
    trail.answer(110, Status.APPROVED, "back, please")
    trail.deploy("d6", 1, "succeeded", 110, event="rollback", approver="", **{"from": "d5"})
    trail.deploy("d7", 3, "succeeded", 111, event="rollback", approver="", **{"from": "d6"})
    last, before = deployments_of(trail.chain.entries)[:-3:-1]
    assert (before.document["approver"], before.document["approval_comment"]) == ("Grace", "back, please")
    assert (last.document["approver"], last.document["approved"]) == ("unknown", "")


def test_the_answer_tells_who_asked_who_approved_and_which_rules_held(trail: Trail) -> None:
    entries, when = trail.chain.entries, begun(trail, "d1", ended=True)
    found = asking.answer(asking.Asked(when, when), entries, intervals(entries), (), {})
    (answer,) = found.document["answers"]
    served = answer["served"]
    assert found.is_known
    assert (served["model"], served["requested_by"], served["approver"]) == ("m:1", "Rita", "Grace")
    assert (served["approval_comment"], served["build_id"], served["commit"]) == ("looks right", "101", "c0ffee")
    assert [proof["event"] for proof in served["proof"]] == [
        *("deployment.started", "deployment.succeeded", "approval.given")
    ]
    assert served["approved"] == day(5), "when the person has decided"
    assert {"code", "verdict", "value", "threshold"} <= set(answer["gate"]["rules"][0])


def test_the_log_of_a_model_holds_its_runs_data_approvals_and_deployments(trail: Trail) -> None:
    told = [(entry.event, entry.subject) for entry in Index(trail.chain.entries).of_model("m:3")]
    assert ("data.accepted", "data:2") in told
    assert ("gate.decided", "r5") in told
    assert ("deployment.undone", "d2") in told
    assert not any("r1" in subject or subject == "d1" for _, subject in told)
    assert next(name for name, _ in told) == "data.accepted"


def test_moments_of_the_story_are_days() -> None:
    assert day(0) == "2026-01-05T09:00:00+00:00"
