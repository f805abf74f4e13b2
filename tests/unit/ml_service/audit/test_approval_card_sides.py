"""What the approval card says of both sides, of an earlier verdict, and of the build that asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_service.audit.approval.card import Kind
from ml_service.audit.approval.compose import card_of
from ml_service.audit.approval.page import badge_of, fact_rows, html, markdown, sides
from ml_service.output.moments import shown_moment
from tests.unit.ml_service.audit.test_approval_card import ASKED, BETTER, FIRST, OF_FIRST, decided, release
from tests.unit.ml_service.decisions import changed


def test_both_boxes_list_the_same_facts_and_mark_what_differs() -> None:
    other = replace(FIRST.content, scoring_sha256="7" * 64)
    card = card_of(release(kind="redeploy", content=other, decision=OF_FIRST))
    listed = {side.name: (side.now, side.proposed, side.is_changed) for side in sides(card)}
    assert listed["scoring script"] == ("5" * 12, "7" * 12, True)
    assert listed["model"] == ("m:1", "m:1", False)
    assert listed["commit"] == (FIRST.opened.commit[:12], "c" * 12, False)
    assert [name for name, (_, _, is_changed) in listed.items() if is_changed] == ["scoring script"]
    page = html(card)
    assert page.count("<mark>") == 1
    assert page.count("7" * 64) == 1 and "first 12 of 64" in page and "first 12 of 64" in markdown(card)
    first = sides(card_of(release(now=None)))
    assert [side.name for side in first] == list(listed) and not any(side.is_changed for side in first)


@pytest.mark.parametrize("kind", ["redeploy", "rollback"])
def test_the_verdict_about_a_model_that_has_served_is_dated(kind: Kind) -> None:
    made = decided(250.0, 300.0, "m:0", "2014-05-03")
    asked = release(kind=kind, content=FIRST.content, decision=made, restores=FIRST if kind == "rollback" else None)
    said = card_of(asked).verdict.sentence
    begin = (
        f"At its acceptance (build {made.context.build_id}, {shown_moment(made.context.decided_at)}) the gate said: "
    )
    assert said == begin + made.evidence.sentence
    assert card_of(release()).verdict.sentence == BETTER.evidence.sentence


def test_a_build_with_uncommitted_changes_says_so_loudly() -> None:
    card = card_of(release(asked=changed(ASKED, uncommitted_changes=2)))
    said = f"This build runs with 2 uncommitted changes: commit {'c' * 12} does not describe what ran"
    assert (card.warnings, badge_of(card).tone) == ((said,), "warn")
    assert said in markdown(card)


def test_the_card_says_which_rule_decides_whether_the_requester_may_approve() -> None:
    assert "separation_of_duties" in dict(fact_rows(card_of(release())))["who may approve"]
