"""A person may answer for a judgement of quality, and for nothing else."""

from __future__ import annotations

import pytest

from forecasting.decision.blocks import Outcome, Verdict
from forecasting.decision.gate import overridden


def said(outcome: Outcome, reason: str) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, sentence="said the gate.")


@pytest.mark.parametrize("reason", ["margin", "tie", "floor", "bias", "segment", "significance"])
def test_a_person_with_a_reason_may_decide_against_a_judgement_of_quality(reason: str) -> None:
    kept = said("failed" if reason == "floor" else "kept", reason)
    verdict = overridden(kept, "A. Turing", "the new tariff starts on Monday")
    assert (verdict.outcome, verdict.reason) == ("accepted", "override")
    assert verdict.sentence == "A. Turing decides against the gate: the new tariff starts on Monday"


@pytest.mark.parametrize(
    ("verdict", "person", "why", "part"),
    [
        (said("kept", "margin"), " ", "because", "a person and a reason"),
        (said("kept", "margin"), "A. Turing", "", "a person and a reason"),
        (said("accepted", "margin"), "A. Turing", "because", "nothing to override"),
        (said("failed", "nan"), "A. Turing", "because", "not a judgement of quality"),
        (said("failed", "error"), "A. Turing", "because", "not a judgement of quality"),
        (said("failed", "too-few-origins"), "A. Turing", "because", "not a judgement of quality"),
    ],
)
def test_nobody_overrides_what_was_never_judged(verdict: Verdict, person: str, why: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        overridden(verdict, person, why)
