"""A fault at each deciding call of a deployment: production is as before or as meant, and the record is true."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.campaign.figures import Figures
from tests.campaign.production.campaign import Challenge, report
from tests.campaign.production.killed import free_lease
from tests.campaign.production.shop import Shop, stocked
from tests.story.deployment_faults import LOST, REFUSED, Fault, Outcome, roll_back
from tests.story.product import ROOT, Product, Sdk
from tests.story.production import deploying

pytestmark = [pytest.mark.slow, pytest.mark.campaign]

NAME = "faults-of-a-deployment"
EVERY_CALL = os.environ.get("EVERY_CALL", "")
ONE_OF_A_KIND = "^(?!GET .*/ledger/)(?!.*/scoring/(?!score.py))"
"""All calls but the transfers of single entries and scoring files, of which there are as many as there are files."""


@pytest.fixture(scope="module")
def shop(environment: Mapping[str, str], sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return stocked(environment, sdk, tmp_path_factory.mktemp("faults"), NAME)


@pytest.fixture(scope="module")
def product(shop: Shop) -> Product:
    return shop.product.from_tree(ROOT)


@pytest.fixture(scope="module")
def rolls(product: Product) -> Iterator[Sdk]:
    process = Sdk({**product.environment, **product.settings})
    yield process
    process.close()


@pytest.fixture(scope="module")
def defaults(rolls: Sdk) -> dict[int, str]:
    """The pipeline that trained each version: the endpoint's default while that version serves."""
    found = [rolls(roll_back, str(version), NO_FAULT) for version in (1, 2)]
    return {outcome.last_version: outcome.default for outcome in found}


NO_FAULT = Fault("^no such call$")


BEFORE_THE_RECORD = [
    Fault("PUT .*/ledger/"),
    Fault("PUT .*/leases/.* acquire"),
    Fault("PATCH .*-releases/runs/"),
    Fault("PUT .*/scoring/score.py"),
]
UNDONE = [
    Fault("POST .*/services ", how=LOST),
    Fault("PATCH .*/models/", nth=2),
    Fault("POST .*/services "),
    Fault("GET .*/operations/"),
    Fault("PUT .*/PipelineEndpoints/"),
    Fault("PUT .*/PipelineEndpoints/", how=LOST),
    Fault("PATCH .*/models/"),
    Fault("PATCH .*/models/", how=LOST),
    Fault("PATCH .*/models/", nth=2, how=LOST),
    Fault("PUT .*/ledger/", nth=2),
]
DONE = [
    Fault("PUT .*/ledger/", nth=2, how=LOST),
    Fault("POST .*/score "),
    Fault("PUT .*/ledger/", how=LOST),
    Fault("PUT .*/release.json"),
    Fault("PATCH .*/experimentids/.*/runs/", nth=3),
    Fault("POST .*/events ", nth=2, how=LOST),
    Fault("PUT .*/leases/.* release"),
]


def of(fault: object) -> str:
    assert isinstance(fault, Fault)
    return f"{fault.pattern} {fault.nth} {fault.how}"


def demand_agreement(outcome: Outcome, defaults: dict[int, str]) -> None:
    """Service, champion, endpoint and ledger tell of one deployment."""
    assert (outcome.state, outcome.serves, outcome.answers) == ("Healthy", outcome.last, outcome.last_model)
    assert outcome.champions == [outcome.last_version]
    assert outcome.default == defaults[outcome.last_version]


@pytest.mark.parametrize("fault", BEFORE_THE_RECORD, ids=of)
def test_before_the_record_is_open_nothing_is_changed(rolls: Sdk, defaults: dict[int, str], fault: Fault) -> None:
    before = rolls(roll_back, "2", NO_FAULT)
    outcome = rolls(roll_back, "1", fault)
    assert (outcome.code, outcome.ends, outcome.serves) == (1, [], before.serves)
    assert "Azure ML refused a call" in outcome.said
    demand_agreement(outcome, defaults)


@pytest.mark.parametrize("fault", UNDONE, ids=of)
def test_a_fault_after_that_is_undone_in_all_parts(rolls: Sdk, defaults: dict[int, str], fault: Fault) -> None:
    before = rolls(roll_back, "2", NO_FAULT)
    outcome = rolls(roll_back, "1", fault)
    assert outcome.hit
    assert (outcome.code, outcome.ends, outcome.serves) == (1, ["undone"], before.serves)
    assert f"rolled back automatically: {NAME}" in outcome.said
    demand_agreement(outcome, defaults)


def test_a_rollback_that_is_killed_while_it_deploys_is_repeated(
    shop: Shop, rolls: Sdk, defaults: dict[int, str]
) -> None:
    rolls(roll_back, "2", NO_FAULT)
    with deploying(shop.product, "rollback", "--to", "1", "--reason", "worse"):
        pass
    shop.sdk(free_lease, NAME.replace("-", "_"))
    outcome = rolls(roll_back, "1", NO_FAULT)
    assert (outcome.code, outcome.ends, outcome.last_version) == (0, ["succeeded"], 1)
    demand_agreement(outcome, defaults)
    shop.look()
    assert [row["state"] for row in shop.releases[:2]] == ["succeeded", "abandoned"]


def test_killed_raced_and_stopped_verbs_leave_no_split_state(shop: Shop) -> None:
    chance = random.Random(4)  # noqa: S311 - not for secrets
    figures = Figures("the production campaign in small")
    challenge = Challenge(shop, figures, chance)
    challenge.run([1], kills=1, stopped_every=1)
    report([challenge], figures)
    assert figures.broken == [], str(figures)
    assert dict(figures.rows)["kills"] == "2: release 1, rollback 1"


@pytest.mark.parametrize("fault", DONE, ids=of)
def test_a_lost_answer_or_an_unfinished_run_spoils_no_deployment(
    rolls: Sdk, defaults: dict[int, str], fault: Fault
) -> None:
    rolls(roll_back, "2", NO_FAULT)
    outcome = rolls(roll_back, "1", fault)
    assert outcome.hit
    assert (outcome.code, outcome.ends, outcome.last_version) == (0, ["succeeded"], 1)
    demand_agreement(outcome, defaults)


@pytest.mark.skipif(EVERY_CALL == "", reason="takes minutes: EVERY_CALL=1-200, the numbers of calls, runs it")
@pytest.mark.timeout(7200)
def test_a_fault_at_every_call_in_turn(rolls: Sdk, defaults: dict[int, str]) -> None:
    first, _, last = EVERY_CALL.partition("-")
    for number in range(int(first), int(last) + 1):
        for how in (REFUSED, LOST):
            before = rolls(roll_back, "2", NO_FAULT)
            outcome = rolls(roll_back, "1", Fault(ONE_OF_A_KIND, number, how))
            sys.stderr.write(f"{number} {how}: {outcome.hit}: {outcome.code} {outcome.ends}\n")
            if not outcome.hit:
                return
            demand_agreement(outcome, defaults)
            if outcome.code == 0:
                assert (outcome.ends, outcome.last_version) == (["succeeded"], 1)
            else:
                assert (outcome.code, outcome.serves) == (1, before.serves)
                assert outcome.ends in ([], ["undone"])
                assert ("rolled back automatically: " in outcome.said) == bool(outcome.ends)
            if how == REFUSED and outcome.hit.startswith(("GET", "HEAD")):
                break  # to read has no effect that an answer could hide
