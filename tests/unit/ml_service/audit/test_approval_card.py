"""The approval card: what it says of a release, a redeployment and a rollback, and what it says first."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from forecasting.decision.blocks import RegisteredChampion, Replaced, Rule, Segment
from forecasting.decision.record import DecisionRecord
from ml_service.audit.approval import card as document
from ml_service.audit.approval.card import CARD_FILE, CARD_PAGE, CARD_SUMMARY, Asked, Kind, Measured, Target, Version
from ml_service.audit.approval.compose import Proposal, card_of
from ml_service.audit.approval.facts import earlier_of, version_of
from ml_service.audit.approval.page import badge_of, fact_rows, html, markdown, sides, write_card
from ml_service.audit.serving import Now
from ml_service.output.decision_table import warnings_of
from ml_service.production import ledger
from ml_service.production.candidates.candidate import Setback
from ml_service.production.ledger import Record
from tests.unit.ml_service.decisions import changed, decision
from tests.unit.ml_service.production.test_order_of_deployments import record

ROOT = Path(__file__).resolve().parents[4]
ASKED = Asked(
    who="Ada Lovelace",
    why="new data",
    when="2026-11-30T09:12:10+00:00",
    build_id="104",
    build_url="",
    commit="c" * 40,
)
TARGET = Target(service="m", workspace="production", tags={"evidence": "local rehearsal"})


def decided(error: float, champion_error: float, champion: str, last: str = "2014-05-31") -> DecisionRecord:
    """A decision that accepts a challenger with this error, against a champion of that name or none."""
    plain = decision("accepted")
    scores = plain.evidence.challenger.metrics
    assert scores is not None
    old = decision("kept").evidence.champion
    assert old is not None
    evidence = changed(
        plain.evidence,
        challenger=changed(plain.evidence.challenger, metrics=changed(scores, mae=error)),
        champion=changed(old, metrics=changed(scores, mae=champion_error)),
        data=changed(plain.evidence.data, last_date=date.fromisoformat(last)),
        rules=(),
        instead_of=None,
    )
    name, _, version = champion.partition(":")
    met = RegisteredChampion(name=name, version=version, model_sha256="0" * 64, cutoff=date(2014, 5, 3))
    return changed(plain, evidence=evidence, context=changed(plain.context, champion=met))


FIRST, SECOND = record(1, 1, build_id="101"), record(2, 2, build_id="102")
BETTER = decided(131.0, 250.0, "m:1")
OF_FIRST = decided(250.0, 300.0, "m:0", "2014-05-03")


def now_of(served: Record, made: DecisionRecord | None) -> Now:
    return Now(served, made, "as-recorded")


def rolled_back(left: Record, **told: str) -> Record:
    """The third deployment: away from one, back to the first version."""
    return record(3, 1, ledger.SUCCEEDED, None, event=ledger.ROLLBACK, **{"from": left.id}, **told)


def release(**changes: object) -> Proposal:
    plain = Proposal(
        kind="release",
        problem="paid_amount",
        content=SECOND.content,
        decision=BETTER,
        now=now_of(FIRST, OF_FIRST),
        asked=ASKED,
        target=TARGET,
        report="report.html",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def rollback(**changes: object) -> Proposal:
    plain = replace(
        release(),
        kind="rollback",
        content=FIRST.content,
        decision=OF_FIRST,
        now=now_of(SECOND, BETTER),
        restores=FIRST,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_release_says_from_what_to_what_and_how_much_better_in_percent() -> None:
    card = card_of(release())
    assert card.title == "Release of m:2"
    assert card.serves_now is not None
    assert (card.serves_now.version.model, card.serves_now.since) == ("m:1", FIRST.started)
    assert card.improvement.sentence == "47.6% better than m:1, by mean absolute error"
    assert "m:2 replaces m:1 as service m in workspace production" in card.if_approved
    assert card.if_rejected.startswith("m:1 keeps serving. Say why in the comment")
    assert (card.warnings, badge_of(card).tone) == ((), "good")


def test_the_pages_show_what_the_document_says() -> None:
    card = card_of(release())
    for page in (html(card), markdown(card)):
        for said in ("47.6% better than", "Ada Lovelace", "new data", "build 104", "never rejected", "+28 days"):
            assert said in page
        assert "local rehearsal" in page
    assert '<a href="report.html">' in html(card)


def test_an_override_is_amber_and_no_page_calls_it_accepted() -> None:
    card = card_of(release(decision=decision("override")))
    assert badge_of(card).tone == "warn"
    assert badge_of(card).text.startswith("override")
    assert "Ada" in card.warnings[0]
    for page in (html(card), markdown(card)):
        assert "accepted by the gate" not in page
        assert "Weigh this first" in page


def test_an_override_of_the_bytes_that_serve_is_amber_too() -> None:
    card = card_of(release(kind="redeploy", content=FIRST.content, decision=decision("override")))
    assert badge_of(card).tone == "warn"
    assert "did not accept" in card.warnings[0]


def test_a_first_release_has_nothing_to_restore() -> None:
    card = card_of(release(now=None, decision=changed(BETTER, evidence=changed(BETTER.evidence, champion=None))))
    assert card.serves_now is None
    assert "the seasonal naive forecast" in card.improvement.sentence
    assert "the service is deleted again" in card.if_approved
    assert card.if_rejected.startswith("Nothing serves, as now")


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (
            131.0,
            0.0,
            "m:1 had a mean absolute error of 0 on the evaluation windows: no share can be told",
        ),
        (0.0, 0.0, "As good as m:1, by mean absolute error: both are 0 on the evaluation windows"),
        (131.0, None, "Not compared with m:1: its decision holds no mean absolute error of it"),
    ],
)
def test_where_no_share_can_be_told_the_card_says_exactly_why(ours: float, theirs: float | None, said: str) -> None:
    made = decided(ours, theirs or 0.0, "m:1")
    champion = made.evidence.champion
    assert champion is not None
    if theirs is None:
        made = changed(made, evidence=changed(made.evidence, champion=changed(champion, metrics=None)))
    improvement = card_of(release(decision=made)).improvement
    assert (improvement.share, improvement.sentence) == (None, said)


def test_a_live_service_that_nobody_may_read_is_not_called_as_recorded_and_the_card_says_why() -> None:
    closed = card_of(release(now=Now(FIRST, OF_FIRST, "unknown")))
    for page in (html(closed), markdown(closed)):
        assert "compared with the ledger when it was deployed, not since" in page
        assert "may not read production" in page
        assert "before it changes anything" in page
    untold = card_of(release(now=Now(FIRST, OF_FIRST, "unknown", "Its record does not say")))
    assert "cannot be compared with the ledger: Its record does not say" in html(untold)


def test_a_redeployment_changes_code_and_says_which() -> None:
    other = replace(FIRST.content, scoring_sha256="7" * 64)
    card = card_of(release(kind="redeploy", content=other, decision=OF_FIRST))
    assert "The model stays the same" in card.improvement.sentence
    assert "with another scoring script" in card.if_approved
    same = card_of(release(kind="redeploy", content=FIRST.content, decision=OF_FIRST))
    assert "nothing would change" in same.if_approved


def test_a_rollback_says_what_it_gives_up_and_what_it_restores() -> None:
    card = card_of(rollback(asked=Asked(**{**dict(ASKED), "why": "forecasts doubled on Friday"})))
    assert card.title == "Rollback to m:1"
    assert card.restores == FIRST.id
    assert "m:2 was accepted, it was 47.6% better than m:1; a rollback gives that up" in card.improvement.sentence
    assert "with the scoring script and environment that it had on 27 Nov 2026, 10:01 UTC" in card.if_approved
    assert "forecasts doubled on Friday" in html(card)
    assert badge_of(card).tone == "soft", "going back is no fault of what is restored"


def test_a_rollback_warns_of_what_came_after_the_deployment_that_it_restores_and_lists_the_rest() -> None:
    """Whoever approved that deployment has answered what was known of the same bytes until then."""
    before, after = "2026-11-20T10:00:00+00:00", "2026-11-28T10:00:00+00:00"
    setbacks = [
        Setback("rejected", "m:1", before, "Grace", "not before the audit", "99"),
        Setback("rolled back", "m:1", after, "Ada", "too high", "103"),
    ]
    earlier = earlier_of(setbacks, [SECOND, FIRST], version_of(FIRST.content, None))
    card = card_of(rollback(earlier=earlier))
    assert [warning for warning in card.warnings if "This model" in warning] == [
        "This model was released before, and rolled back on 28 Nov 2026, 10:00 UTC by Ada: too high"
    ]
    assert "not before the audit" in markdown(card)
    assert badge_of(card_of(rollback(earlier=earlier[:1]))).tone == "soft"


def test_versions_that_never_met_are_not_compared() -> None:
    card = card_of(rollback(now=now_of(SECOND, decided(1.0, 2.0, "m:9"))))
    assert card.improvement.share is None
    assert "never compared directly" in card.improvement.sentence


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("rejected", "This model was rejected"),
        ("rolled back", "This model was released before, and rolled back"),
        ("undone", "A release of this model was undone"),
    ],
)
def test_what_happened_to_the_same_model_before_is_said_first(kind: str, said: str) -> None:
    setback = Setback(kind, "m:2", "2026-11-27T10:03:00+00:00", "Grace", "forecasts doubled", "103")
    found = earlier_of([setback], [SECOND, FIRST], version_of(SECOND.content, None))
    card = card_of(release(earlier=found))
    assert card.warnings[0] == f"{said} on 27 Nov 2026, 10:03 UTC by Grace: forecasts doubled"
    assert badge_of(card).tone == "warn"


def test_a_rollback_of_the_code_alone_is_said_of_the_same_code_only() -> None:
    bad = record(2, 1, scoring_sha256="7" * 64)
    known = [rolled_back(bad, asked_because="too slow"), bad, FIRST]
    (found,) = earlier_of([], known, version_of(bad.content, None))
    assert (found.what, found.who, found.reason) == ("rolled back", "Ada", "too slow")
    third = replace(bad.content, scoring_sha256="8" * 64)
    assert earlier_of([], known, version_of(third, None)) == ()


def test_what_an_approver_should_weigh_comes_first() -> None:
    warned = Rule(code="bias", status="warning", value=0.3, threshold=0.2, sentence="forecasts are too high.")
    made = changed(BETTER, evidence=changed(BETTER.evidence, rules=(warned,)))
    newer = changed(
        OF_FIRST,
        evidence=changed(OF_FIRST.evidence, data=changed(OF_FIRST.evidence.data, last_date=date(2014, 6, 30))),
    )
    touched = Now(FIRST, newer, "changed", "The service was changed by hand: service_updated is now")
    card = card_of(release(decision=made, now=touched, unfinished=("release of m:3, by Ada",)))
    assert [warning.partition(":")[0] for warning in card.warnings] == [
        "The service was changed by hand",
        "A deployment is unfinished",
        "Its data is older than that of m",
        "The gate warns (bias)",
    ]
    assert card.warnings[2].endswith(" m:1, which serves: it ends on 2014-05-31, not on 2014-06-30")
    assert badge_of(card).text == "accepted by the gate, with 4 warnings"


def test_the_card_names_the_decision_that_is_approved() -> None:
    made = decision("accepted")
    card = card_of(release(decision=made))
    assert card.verdict.decision_sha256 == made.sha256
    assert made.sha256[:12] in markdown(card) and made.sha256[:12] in html(card)


def test_a_decision_that_is_gone_is_said_and_is_no_acceptance() -> None:
    card = card_of(rollback(decision=None))
    assert (card.verdict.status, card.data.after, badge_of(card).tone) == ("unknown", None, "warn")
    assert card.verdict.decision_sha256 == ""
    assert "cannot be read" in markdown(card)


def test_foreign_text_stays_text() -> None:
    hostile = "<img src=x> | [a](javascript:1) ##vso[task.x]"
    card = card_of(rollback(asked=Asked(**{**dict(ASKED), "why": hostile})))
    assert "<img" not in html(card)
    assert "\\<img src=x" in markdown(card)
    assert "[a](" not in markdown(card)


def test_the_document_is_written_beside_its_pages_and_read_by_its_schema(tmp_path: Path) -> None:
    card = write_card(card_of(release()), tmp_path / "evidence")
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == {CARD_FILE, CARD_PAGE, CARD_SUMMARY}
    content = (tmp_path / "evidence" / CARD_FILE).read_bytes()
    assert document.ApprovalCard.model_validate_json(content) == card
    assert set(json.loads(content)) == set(document.ApprovalCard.model_fields)


def test_the_committed_schema_is_the_one_of_the_model() -> None:
    assert (ROOT / "docs/approval_card.schema.json").read_text() == document.schema(), "run: make schema"


def test_a_version_without_a_decision_has_no_recipe() -> None:
    assert version_of(FIRST.content, None) == Version(
        model="m:1",
        recipe="",
        model_sha256=FIRST.content.model_sha256,
        scoring_sha256="5" * 64,
        environment_sha256="6" * 64,
    )


def test_both_pages_say_which_version_forecasts_too_high_and_for_how_long_it_has_served() -> None:
    measured = card_of(rollback()).measured
    assert [one.model for one in measured] == ["m:2", "m:1"]
    both = (
        Measured(model="m:2", mean_absolute_error=237.2, bias_share=-0.037),
        Measured(model="m:1", mean_absolute_error=246.7, bias_share=0.0001),
    )
    facts = dict(fact_rows(changed(card_of(rollback()), measured=both)))
    assert facts["measured"] == (
        "m:2: error 237.2, forecasts 3.7% too low in total; "
        "m:1: error 246.7, forecasts neither too high nor too low in total"
    )
    assert "(2 days)" in facts["serves now"]


def test_of_versions_that_never_met_the_card_says_that_nothing_is_measured() -> None:
    card = card_of(rollback(now=now_of(SECOND, decided(1.0, 2.0, "m:9"))))
    assert (card.measured, card.by_part) == ((), None)
    assert dict(fact_rows(card))["measured"] == "not measured: the two were never compared on the same days"
    again = dict(fact_rows(card_of(release(kind="redeploy", content=FIRST.content, decision=OF_FIRST))))
    assert "measured" not in again, "one model is not compared with itself"


def parts(*errors: tuple[str, float, float | None]) -> tuple[Segment, ...]:
    """Segments by weekday, each with the errors of challenger and champion, and one of another kind."""
    told = {"points": 32, "usual": 200.0, "judged": False, "change": None}
    return tuple(
        Segment.model_validate({"kind": kind, "name": name, "challenger": ours, "champion": theirs, **told})
        for kind, name, ours, theirs in (*(("weekday", *one) for one in errors), ("ahead", "1", 9.0, 9.0))
    )


def test_both_pages_show_the_error_by_weekday_of_both_versions_and_that_its_sign_is_not_measured() -> None:
    segments = parts(("Mon", 348.17, 419.2), ("Sun", 22.72, None))
    made = changed(BETTER, evidence=changed(BETTER.evidence, segments=segments))
    forward, back = card_of(release(decision=made)), card_of(rollback(now=now_of(SECOND, made)))
    said = "whether a weekday is forecast too high or too low is not measured"
    assert dict(fact_rows(forward))["error by weekday"] == (
        f"Mon 419.2 → 348.2, Sun unknown → 22.72 (now → proposed, at least 32 forecasts each); {said}"
    )
    assert dict(fact_rows(back))["error by weekday"].startswith(
        "Mon 348.2 → 419.2, Sun 22.72 → unknown (now → proposed,"
    )
    for page in (html(back), markdown(back)):
        assert said in page
    scaled = changed(made, evidence=changed(made.evidence, metric="mase"))
    assert (
        "in units of the usual change of each series"
        in dict(fact_rows(card_of(release(decision=scaled))))["error by weekday"]
    )


def test_a_record_without_errors_by_weekday_is_said_to_have_measured_none() -> None:
    made = changed(BETTER, evidence=changed(BETTER.evidence, segments=()))
    assert dict(fact_rows(card_of(release(decision=made))))["error by weekday or month"] == "not measured"


@pytest.mark.parametrize(
    ("kind", "limit", "is_told"),
    [("release", 4565, True), ("release", 4566, False), ("release", None, False), ("redeploy", 7, False)],
)
def test_data_older_than_the_problem_allows_is_amber(kind: Kind, limit: int | None, is_told: bool) -> None:
    """The contract checked it before the training, which may be long ago when somebody asks for the approval."""
    card = card_of(release(kind=kind, max_age_days=limit))
    told = [
        warning for warning in card.warnings if warning.startswith("Its data is too old: it ends on 2014-05-31, ")
    ]
    assert (bool(told), badge_of(card).tone == "warn") == (is_told, is_told)
    if is_told:
        assert told[0].endswith("4566 days before this request; contract.max_age_days of the problem allows 4565")


def test_data_of_what_serves_that_cannot_be_read_is_said() -> None:
    facts = dict(fact_rows(card_of(release(now=now_of(FIRST, None)))))
    assert facts["data"].endswith("; that of m:1 cannot be read")


def test_a_rollback_gives_up_no_gain_where_there_was_none() -> None:
    for error, said in ((300.0, "20.0% worse than m:1"), (250.0, "as good as m:1")):
        card = card_of(rollback(now=now_of(SECOND, decided(error, 250.0, "m:1"))))
        assert card.improvement.sentence == f"When m:2 was accepted, it was {said}"


def test_a_redeployment_of_the_same_code_changes_nothing() -> None:
    card = card_of(release(kind="redeploy", content=FIRST.content, decision=OF_FIRST))
    assert card.improvement.sentence == (
        "Nothing changes: model and code are those that serve now. Nothing to gain: rejecting changes nothing either"
    )
    assert not any(side.is_changed for side in sides(card))
    assert "<mark>" not in html(card)


def test_the_verdict_does_not_begin_with_the_choice_of_a_recipe_which_is_a_warning() -> None:
    chosen = Replaced(recipe="holt_winters()", metrics=None, why="holt_winters(), which training has chosen, loses")
    plain = BETTER.evidence.sentence
    begins = f"{BETTER.evidence.challenger.recipe} is proposed, because {chosen.why}: "
    made = changed(BETTER, evidence=changed(BETTER.evidence, instead_of=chosen, sentence=f"{begins}{plain}"))
    card = card_of(release(decision=made))
    assert card.verdict.sentence == plain
    assert "which training has chosen, loses" in " ".join(card.warnings)


@pytest.mark.parametrize("kind", ["release", "redeploy", "rollback"])
def test_the_runbook_names_every_badge(kind: Kind) -> None:
    runbook = (ROOT / "docs/runbooks/approve.md").read_text(encoding="utf-8")
    plain = changed(card_of(release()), kind=kind, warnings=())
    assert f"| *{badge_of(plain).text}* (" in runbook
    override = changed(plain, verdict=changed(plain.verdict, status="override"))
    assert f"| *{badge_of(override).text.partition(':')[0]}* (" in runbook


def test_the_simpler_recipe_is_proposed_with_both_errors_and_the_runbook_knows_the_sentence() -> None:
    scores = BETTER.evidence.challenger.metrics
    assert scores is not None
    chosen = Replaced(recipe="holt_winters()", metrics=changed(scores, mae=257.7), why="it loses")
    evidence = changed(BETTER.evidence, instead_of=chosen)
    (said,) = warnings_of(evidence)
    assert said.startswith("The simpler recipe ") and "is larger: 257.7, not 131.0" in said
    assert "*The simpler recipe … is proposed*" in (ROOT / "docs/runbooks/approve.md").read_text(encoding="utf-8")


def every_warning() -> list[str]:
    """One sentence of each kind that a card may have."""
    what = Now(
        FIRST, changed(OF_FIRST, evidence=changed(OF_FIRST.evidence, data=BETTER.evidence.data)), "changed", "x"
    )
    newer = changed(BETTER.evidence.data, last_date=date.fromisoformat("2014-06-30"))
    later = replace(what, decision=changed(BETTER, evidence=changed(BETTER.evidence, data=newer)), finding="")
    setbacks = [Setback(kind, "m:2", "2026-11-27T10:03:00+00:00", "G", "y", "1") for kind in SETBACKS]
    earlier = earlier_of(setbacks, [], version_of(SECOND.content, None))
    warned = Rule(code="bias", status="warning", value=0.3, threshold=0.2, sentence="too high.")
    chosen = Replaced(recipe="r()", metrics=None, why="it was not scored")
    told = changed(BETTER, evidence=changed(BETTER.evidence, rules=(warned,), instead_of=chosen))
    cards = (
        card_of(release(decision=decision("override"))),
        card_of(rollback(decision=None)),
        card_of(release(decision=told, now=later, earlier=earlier, max_age_days=1, unfinished=("release of m:3",))),
        card_of(release(take_over="the hotfix of Friday")),
        card_of(release(asked=changed(ASKED, uncommitted_changes=1))),
        card_of(release(decision=decided(300.0, 250.0, "m:1"))),
    )
    return [warning for card in cards for warning in card.warnings]


SETBACKS = ("rejected", "rolled back", "undone")
IN_AMBER = (
    "The gate did not accept this version", "The decision about this version cannot be read",
    "This model was rejected", "was released before, and rolled back", "A release of this model was undone",
    "uncommitted change",
    "A service that was changed by hand is replaced", "A deployment is unfinished",
    "According to the measurements, the forecasts get worse", "Its data is older than that of", "Its data is too old",
    "The gate warns (", "is proposed because",
)  # fmt: skip


def test_the_runbook_has_a_row_for_every_warning() -> None:
    page = (ROOT / "docs/runbooks/approve.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    warnings = every_warning()
    assert [warning for warning in warnings if not any(words in warning for words in IN_AMBER)] == []
    assert [words for words in IN_AMBER if not any(words in warning for warning in warnings)] == []
    assert [words for words in IN_AMBER if not any(words in cell for cell in cells)] == []


def test_the_runbook_names_the_rows_of_the_card() -> None:
    page = (ROOT / "docs/runbooks/approve.md").read_text(encoding="utf-8")
    made = changed(BETTER, evidence=changed(BETTER.evidence, segments=parts(("Mon", 1.0, 2.0))))
    names = dict(fact_rows(card_of(release(decision=made))))
    for name in ("serves now", "measured", "error by weekday"):
        assert name in names and f"| *{name}*" in page
