"""Two versions carry the champion's tag while it moves: the newest claim wins, for each problem by itself."""

from __future__ import annotations

from datetime import UTC, datetime

from azure_ml.models.champion import champions_of
from azure_ml.models.champion_move import later_than_all
from azure_ml.models.versions import ModelVersion


def version(number: int, **tags: str) -> ModelVersion:
    return ModelVersion(None, "paid-amount", number, tags, {})


def test_the_newest_claim_wins_whatever_its_number() -> None:
    older, newer = "2026-01-01T00:00:00.000001+00:00", "2026-01-01T00:00:00.000002+00:00"
    claims = [
        version(1, champion="paid_amount", champion_since=newer),
        version(2, champion="paid_amount", champion_since=older),
        version(3),
        version(4, champion="other", champion_since=older),
    ]

    found = champions_of(claims)

    assert {problem: model.version for problem, model in found.items()} == {"paid_amount": 1, "other": 4}


def test_a_claim_without_a_time_is_the_oldest_and_nobody_is_no_champion() -> None:
    claims = [version(2, champion="p"), version(1, champion="p", champion_since="2026")]

    assert champions_of(claims)["p"].version == 1
    assert champions_of([version(3)]) == {}


def test_a_claim_is_the_newest_also_after_the_clock_has_gone_back() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = version(1, champion="p", champion_since="2027-06-01T00:00:00.000009+00:00")
    foreign = [version(2, champion_since="soon"), version(3, champion_since="9999-12-31T23:59:59.999999+00:00")]

    assert later_than_all(now, [later, *foreign]) == "2027-06-01T00:00:00.000010+00:00"
    assert later_than_all(now, [version(4)]) == "2026-01-01T00:00:00.000000+00:00"
