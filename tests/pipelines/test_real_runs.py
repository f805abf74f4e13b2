"""The real YAML, run on this machine against a server of its own: what must stop a release stops it, and where.

One history, in order: nothing is configured; a rejected approval; a scheduled retraining that is released; an
override; a changed scoring script; a broken one; the way back; the audit; two more problems. What only branches,
conditions and outcomes decide is in test_scripted_runs.py.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from azure_ml.digests import file_sha256
from local_azure.pipelines.run.builds.record import local_person
from ml_service.audit.export import verifier
from tests.agreement import agree
from tests.pipelines.house import House, Ran, opened
from tests.story.product import cut_table, raised_table

pytestmark = pytest.mark.slow

STAGES = (
    "Validate",
    *(f"{stage}_paid_amount" for stage in ("Publish", "Train", "Production", "Verify", "Schedules")),
)
OK, SKIPPED, FAILED = "Succeeded", "Skipped", "Failed"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="module")
def edit(house: House) -> Callable[[str, str], None]:
    """Replace a text in the scoring script as it first was."""
    script = house.tree / "mlops_code/score.py"
    first = script.read_text()

    def change(old: str, new: str) -> None:
        assert old in first
        script.write_text(first.replace(old, new))

    return change


@pytest.mark.campaign
def test_a_missing_setting_stops_at_validate(house: House) -> None:
    ran = house.run("release", "--approve", "production", production="AZUREML_PRODUCTION_WORKSPACE_NAME=")

    assert (ran.code, ran.stages) == (1, dict(zip(STAGES, [FAILED, *[SKIPPED] * 5], strict=True)))
    assert "empty: AZUREML_PRODUCTION_WORKSPACE_NAME" in ran.log("Validate.check")


@pytest.fixture(scope="module")
def tables(house: House, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Hashes of the table of the commit and of another one, which has become the newest version since."""
    other = cut_table(tmp_path_factory.mktemp("tables") / "other.csv", "2014-05-31")
    uploaded = [house.product.run("data", "upload", "--json", *more).document for more in ((), ("--file", other))]
    assert [one["version"] for one in uploaded] == [1, 2]
    return uploaded[0]["sha256"], uploaded[1]["sha256"]


@pytest.fixture(scope="module")
def rejected(house: House, tables: tuple[str, str]) -> Ran:
    """A release that nobody approves."""
    assert tables
    words = ("--reject", "production", "--comment", "not before the audit", "--approver", "Grace")
    return house.run("release", *words, "--reason", "IndividualCI")


def test_without_a_job_token_nobody_knows_whether_the_candidate_was_approved(house: House, rejected: Ran) -> None:
    found = agree(house.product, card_of(rejected)).candidates["paid-amount:1"]
    assert (found["state"], found["build_id"]) == ("unknown", str(rejected.document["build_id"]))
    refused = house.product.run("release", "--model-version", 1, code=3).err
    assert "it is unknown" in refused
    assert "no candidate that may be released" in house.product.run("release", "--pending", code=3).err
    assert house.champions() == []


def test_a_rejected_approval_leaves_production_alone(house: House, rejected: Ran) -> None:
    assert rejected.code == 3
    assert [rejected.stages[name] for name in STAGES] == [OK, OK, OK, FAILED, SKIPPED, SKIPPED]
    assert rejected.document["rejected"] == ["production"]
    assert house.champions() == [], "accepted, awaiting approval: no champion yet"
    assert "there is no service" in house.product.run("verify", code=1).err


def test_the_evidence_is_there_before_the_approval(rejected: Ran) -> None:
    evidence = rejected.artifact("evidence-paid_amount-1")
    decision = json.loads((evidence / "decision.json").read_text())
    assert (decision["evidence"]["outcome"], decision["context"]["reason"]) == ("accepted", "code")
    page = (evidence / "summary.md").read_text()
    for part in ("# paid_amount: accepted", "## Rules", "paid-amount version 1", "local rehearsal"):
        assert part in page
    card = card_of(rejected)
    assert (card["kind"], card["serves_now"], card["proposed"]["model"]) == ("release", None, "paid-amount:1")
    pages = [Path(path).name for path in rejected.document["kept"] if "/summaries/Train" in path]
    assert pages[0].endswith("approval_card.md"), "the card is the first page that an approver sees"
    assert {"accepted", "paid-amount-1"} <= set(rejected.document["tags"])
    assert any(Path(path).parent.parent.name == "summaries" for path in rejected.document["kept"])


def test_the_agent_has_deployed_for_test_and_no_step(rejected: Ran) -> None:
    log = rejected.log("Train_paid_amount.train")
    assert "deploying paid-amount:1 to service paid-amount-test in workspace local-development" in log
    assert "outcome    accepted, first-model: registered and deployed to the test service" in log
    assert "steps prepare, train, evaluate, register\n" in rejected.log("Publish_paid_amount.publish")


def card_of(ran: Ran) -> dict[str, Any]:
    """The approval card of a run."""
    card = json.loads((ran.artifact("evidence-paid_amount-1") / "approval_card.json").read_text())
    assert isinstance(card, dict)
    return card


@pytest.fixture(scope="module")
def scheduled(house: House, rejected: Ran) -> Ran:
    """The schedule comes, and this time the release is approved."""
    assert rejected.code == 3
    return house.run("retrain", "--reason", "Schedule", "--approve", "production", "--approver", "Ada")


@pytest.mark.campaign
def test_the_next_run_records_the_rejection_and_tells_it_of_the_same_bytes(house: House, scheduled: Ran) -> None:
    card = card_of(scheduled)
    found = agree(house.product, card, approved=True).candidates["paid-amount:1"]
    (setback,) = found["setbacks"]
    assert (found["state"], found["build_id"]) == ("released", str(scheduled.document["build_id"]))
    assert (setback["kind"], setback["person"], setback["reason"]) == ("rejected", "Grace", "not before the audit")
    assert [(one["what"], one["who"], one["reason"]) for one in card["earlier"]] == [
        ("rejected", "Grace", "not before the audit")
    ]
    assert "these bytes are already registered" in scheduled.log("Train_paid_amount.train") or house.champions() == [
        1
    ]


def trained_on(ran: Ran) -> str:
    """Hash of the table of a run's decision."""
    decision = json.loads((ran.artifact("evidence-paid_amount-1") / "decision.json").read_text())
    return str(decision["evidence"]["data"]["data_sha256"])


def test_a_release_trains_on_the_table_of_its_commit(tables: tuple[str, str], rejected: Ran) -> None:
    assert "default data paid-amount-transactions version 1" in rejected.log("Publish_paid_amount.publish")
    assert trained_on(rejected) == tables[0]


@pytest.mark.campaign
def test_a_retraining_trains_on_the_newest_table(tables: tuple[str, str], scheduled: Ran) -> None:
    assert trained_on(scheduled) == tables[1]


@pytest.mark.campaign
def test_a_schedule_takes_the_way_of_retraining(house: House, scheduled: Ran) -> None:
    assert scheduled.code == 0
    assert set(scheduled.stages) == set(STAGES) - {"Publish_paid_amount"}
    assert set(scheduled.stages.values()) == {OK}
    decision = json.loads((scheduled.artifact("evidence-paid_amount-1") / "decision.json").read_text())
    assert decision["context"]["reason"] == "schedule"
    released = {tag for tag in scheduled.document["tags"] if tag.startswith("paid-amount-")}
    assert released == {f"paid-amount-{version}" for version in house.champions()}, "exactly what Train has accepted"


@pytest.fixture(scope="module")
def overridden(house: House, scheduled: Ran, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A person accepts what was trained on a table of other amounts, and is no better."""
    assert scheduled.code == 0
    raised = raised_table(tmp_path_factory.mktemp("raised") / "raised.csv", 1.01)
    house.product.run("data", "upload", "--file", raised)
    words = ("-p", "overrideReason=the new tariff starts on Monday", "--approve", "production")
    return house.run("retrain", *words)


@pytest.mark.campaign
def test_a_release_is_by_the_decision_that_was_approved(house: House, rejected: Ran, scheduled: Ran) -> None:
    """The gate has accepted these bytes twice; the record once named the decision that was rejected."""
    first, second = (card_of(ran)["verdict"]["decision_sha256"] for ran in (rejected, scheduled))
    assert file_sha256(scheduled.artifact("evidence-paid_amount-1") / "decision.json") == second != first
    assert f", decision {second[:12]}" in scheduled.log("Production_paid_amount.release")


@pytest.mark.campaign
def test_an_override_is_accepted_in_the_name_of_who_queued_the_run_and_released(
    house: House, overridden: Ran
) -> None:
    ran = overridden
    assert (ran.code, set(ran.stages.values())) == (0, {OK})
    assert {"accepted", "override"} <= set(ran.document["tags"])
    decision = json.loads((ran.artifact("evidence-paid_amount-1") / "decision.json").read_text())
    said = {"person": local_person(), "reason": "the new tariff starts on Monday"}
    assert (decision["evidence"]["override"], decision["evidence"]["gate"]["outcome"]) == (said, "kept")
    assert (card_of(ran)["verdict"]["status"], card_of(ran)["verdict"]["override"]) == ("override", said)
    assert "did not accept" in card_of(ran)["warnings"][0]
    found = agree(house.product, card_of(ran), approved=True)
    assert found.states == {"paid-amount:1": "released", "paid-amount:2": "released"}
    assert (found.serves, found.before) == ("paid-amount:2", "paid-amount:1")


@pytest.fixture(scope="module")
def redeployed(house: House, overridden: Ran, edit: Callable[[str, str], None]) -> tuple[dict[str, Any], Ran]:
    """The champion again, with another scoring script; what served before it."""
    assert overridden.code == 0
    before = house.serves()
    edit("KEPT_ANSWERS = 32", "KEPT_ANSWERS = 16")
    return before, house.run("release", "-p", "redeploy=true", "--approve", "production")


@pytest.mark.campaign
def test_a_changed_scoring_script_is_released_with_the_champions_own_version(
    house: House, redeployed: tuple[dict[str, Any], Ran]
) -> None:
    before, ran = redeployed
    assert (ran.code, ran.stages) == (0, dict.fromkeys(("Validate", "Propose_paid_amount", *STAGES[3:]), OK))
    card = card_of(ran)
    after = agree(house.product, card, approved=True)
    assert after.serves == after.before == before["model"], "a rollback restores the other script"
    assert after.deployment != before["deployment"]
    assert (card["kind"], card["serves_now"]["deployment"]) == ("redeploy", before["deployment"])
    assert "with another scoring script" in card["if_approved"]


@pytest.mark.campaign
def test_a_scoring_script_that_answers_wrongly_does_not_pass_the_test_service(
    house: House, redeployed: tuple[dict[str, Any], Ran], edit: Callable[[str, str], None]
) -> None:
    assert redeployed[1].code == 0
    before = house.serves()
    edit("forecaster.read(document)", 'forecaster.read({**document, "horizon": 1})')
    ran = house.run("release", "-p", "redeploy=true", "--reject", "production")

    assert (ran.code, ran.document["result"], ran.document["rejected"]) == (1, FAILED, []), "nobody is asked"
    assert (ran.stages["Propose_paid_amount"], ran.stages["Production_paid_amount"]) == (FAILED, SKIPPED)
    assert "gives other answers than its registered model" in ran.log("Propose_paid_amount.propose")
    assert agree(house.product).deployment == before["deployment"]


@pytest.mark.campaign
def test_rollback_goes_back_to_the_scoring_script_before(
    house: House, redeployed: tuple[dict[str, Any], Ran]
) -> None:
    before, _ = redeployed
    ran = house.run(
        "rollback", "-p", "problem=paid_amount", "-p", "reason=answers take too long", "--approve", "production"
    )

    stages = ("Propose_paid_amount", "Rollback_paid_amount", "Verify_paid_amount")
    assert (ran.code, ran.stages) == (0, dict.fromkeys(stages, OK))
    card = card_of(ran)
    assert (card["kind"], card["asked"]["why"]) == ("rollback", "answers take too long")
    assert (card["restores"], card["serves_now"]["check"]) == (before["deployment"], "as-recorded")
    now = agree(house.product, card, approved=True)
    assert (now.serves, now.status["board"]["serves"]["reason"]) == (before["model"], "answers take too long")
    assert now.status["board"]["before"]["rolled_back"] == "answers take too long", "previous is what was left"


ANSWERS_TO_APPROVALS = ("approval.given", "approval.refused")
CLOCK = "ml_service/production/chain/entry.py"
PROBLEM = "mlops_code/problems/paid_amount.yml"


@contextmanager
def replaced(file: Path, old: str, new: str) -> Iterator[None]:
    """Another text in a file of the repository, until the block ends."""
    first = file.read_text()
    assert old in first
    file.write_text(first.replace(old, new))
    try:
        yield
    finally:
        file.write_text(first)


@pytest.mark.campaign
def test_a_candidate_that_has_expired_is_released_by_no_approval_and_at_a_terminal_with_a_reason(
    house: House, redeployed: tuple[dict[str, Any], Ran], edit: Callable[[str, str], None], tmp_path: Path
) -> None:
    assert redeployed[1].code == 0
    edit("", "")  # the script as it first was: an earlier test has broken it
    house.product.run("data", "upload", "--file", raised_table(tmp_path / "raised.csv", 1.02))
    a_month_ago = "datetime.fromtimestamp(datetime.now().timestamp() - 31 * 86400, UTC)"
    with replaced(house.tree / CLOCK, "datetime.now(UTC)", a_month_ago):
        ran = house.run("retrain", "-p", "overrideReason=a month ago", "--approve", "production")
    assert (ran.code, ran.stages["Production_paid_amount"]) == (1, FAILED)
    assert "it is expired" in ran.log("Production_paid_amount.release")
    found = agree(house.product, card_of(ran)).candidates["paid-amount:3"]
    assert (found["state"], found["recorded"]) == ("expired", True)
    assert "older than 30 days" in found["reason"]
    assert house.champions() == [2]
    assert "no candidate that may be released" in house.product.run("release", "--pending", code=3).err
    refused = house.product.run("candidates", "withdraw", "--model-version", 3, "--reason", "too old", code=3).err
    assert "expired since" in refused
    house.product.run("release", "--model-version", 3, "--reason", "checked again by hand")
    after = agree(house.product)
    assert (after.serves, after.states["paid-amount:3"]) == ("paid-amount:3", "released")


@pytest.mark.campaign
def test_the_audit_exports_all_of_it(house: House, scheduled: Ran) -> None:
    assert scheduled.code == 0
    ran = house.run("audit", "--reason", "Schedule", "-p", "controls=false")
    folder = ran.artifact("history-paid_amount-1")

    assert ran.code == 0, f"{ran.stages}\n{ran.log('Audit_paid_amount.history')}"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".csv"}
    with (folder / "releases.csv").open(newline="", encoding="utf-8") as file:
        events = {(row["event"], row["state"]) for row in csv.DictReader(file)}
    assert events >= {("release", "succeeded")}
    with (folder / "candidates.csv").open(newline="", encoding="utf-8") as file:
        moves = [(row["version"], row["state"], row["person"]) for row in csv.DictReader(file)][::-1]
    rehearsal = local_person()
    assert moves[:5] == [
        ("1", "accepted", rehearsal),
        ("1", "awaiting approval", rehearsal),
        ("1", "rejected", "Grace"),
        ("1", "accepted", rehearsal),
        ("1", "awaiting approval", rehearsal),
    ]
    (export,) = ran.artifact("audit-paid_amount-1").iterdir()
    assert verifier.verify(str(export)) == []
    with zipfile.ZipFile(export) as opened:
        told = [json.loads(line) for line in opened.read("events.jsonl").splitlines()]
        facts = json.loads(opened.read("facts.json"))
    answers = {
        (event["event"], event["details"]["stage"]) for event in told if event["event"] in ANSWERS_TO_APPROVALS
    }
    assert answers >= {(answer, "Production_paid_amount") for answer in ANSWERS_TO_APPROVALS}
    assert "Grace" in {event["details"]["person"] for event in told if event["event"] == "approval.refused"}
    assert (facts["findings"], bool(facts["compared"]["builds"])) == ([], True)
    assert {"tag", "property"} <= {anchor["place"].split()[0] for anchor in facts["anchors"]}


@pytest.mark.campaign
def test_withdrawn_superseded_and_trained_on_older_data(
    house: House, redeployed: tuple[dict[str, Any], Ran], edit: Callable[[str, str], None], tmp_path: Path
) -> None:
    assert redeployed[1].code == 0
    edit("", "")  # the script as it first was: an earlier test has broken it
    override = ("-p", "overrideReason=a new tariff", "--approve", "production")

    def accepted(factor: float, *words: str) -> tuple[str, Ran]:
        house.product.run("data", "upload", "--file", raised_table(tmp_path / "raised.csv", factor))
        ran = house.run("retrain", *override, *words)
        return card_of(ran)["proposed"]["model"] if ran.code == 0 and not words else newest(), ran

    def newest() -> str:
        return str(house.product.run("candidates", "list", "--json").document["candidates"][0]["model"])

    waiting, _ = accepted(1.03, "-p", "dryRun=true")
    assert agree(house.product).states[waiting] == "accepted"
    number = waiting.rpartition(":")[2]
    house.product.run("candidates", "withdraw", "--model-version", number, "--reason", "the tariff was a mistake")
    withdrawn = agree(house.product).candidates[waiting]
    assert (withdrawn["state"], withdrawn["reason"]) == ("withdrawn", "the tariff was a mistake")
    pending = house.run("retrain", "-p", "pending=true", "--approve", "production")
    assert (pending.code, pending.stages["Production_paid_amount"]) == (0, SKIPPED), "nothing may be released"

    overtaken, _ = accepted(1.04, "-p", "dryRun=true")
    released, ran = accepted(1.05)
    after = agree(house.product, card_of(ran), approved=True)
    assert (after.serves, after.states[overtaken]) == (released, "superseded")

    rejected = ("--reject", "production", "--comment", "the newer data counts")
    with replaced(house.tree / PROBLEM, "last_date: 2014-05-31", "last_date: 2014-05-20"):
        ran = house.run("release", "-p", "overrideReason=as it was before", *rejected)
    card = card_of(ran)
    assert "which serves: it ends on 2014-05-20, not on " in " ".join(card["warnings"])
    assert agree(house.product, card).serves == released


@pytest.mark.campaign
def test_a_better_model_is_released_rolled_back_and_asked_for_again(
    house: House, scheduled: Ran, edit: Callable[[str, str], None]
) -> None:
    assert scheduled.code == 0
    edit("", "")  # the script as it first was: an earlier test has broken it
    before = house.serves()["model"]
    with replaced(house.tree / PROBLEM, "weeks: 8 ", "weeks: 20 "):
        ran = house.run("release", "--approve", "production")
        card, after = card_of(ran), agree(house.product, card_of(ran), approved=True)
        better, approved = after.serves, card["verdict"]["decision_sha256"]
        assert (card["verdict"]["status"], card["serves_now"]["version"]["model"]) == ("accepted", before)
        assert f"better than {before}" in card["improvement"]["sentence"]
        assert (after.before, after.states[better]) == (before, "released")

        ran = house.run(
            "rollback", "-p", "problem=paid_amount", "-p", "reason=too high on Mondays", "--approve", "production"
        )
        card, after = card_of(ran), agree(house.product, card_of(ran), approved=True)
        assert (card["kind"], card["serves_now"]["version"]["model"], after.serves) == ("rollback", better, before)
        assert f"better than {before}; a rollback gives that up" in card["improvement"]["sentence"]
        (setback,) = after.candidates[better]["setbacks"]
        assert (setback["kind"], setback["reason"]) == ("rolled back", "too high on Mondays")

        ran = house.run("release", "--reject", "production", "--comment", "still too high")
    card = card_of(ran)
    assert (ran.code, card["proposed"]["model"], agree(house.product, card).serves) == (3, better, before)
    assert [(one["what"], one["reason"]) for one in card["earlier"]] == [("rolled back", "too high on Mondays")]

    again = card["verdict"]["decision_sha256"]
    words = ("release", "--model-version", better.rpartition(":")[2], "--reason", "the tariff is back", "--decision")
    assert "is not the one that was approved" in house.product.run(*words, approved, code=4).err
    assert house.serves()["model"] == before
    assert house.product.run(*words, again, "--json").document["decision_sha256"] == again != approved
    house.product.run("rollback", "--to", before.rpartition(":")[2], "--reason", "the tariff was an error")


@pytest.mark.campaign
def test_several_problems_fan_out_each_with_stages_table_and_champion_of_its_own(
    house: House, edit: Callable[[str, str], None]
) -> None:
    edit("", "")  # the script as it first was: an earlier test has broken it
    both = ("units_by_type", "product_sales")
    ran = house.run("release", "-p", f"problems=[{', '.join(both)}]", "--approve", "production")

    assert (ran.code, set(ran.stages.values())) == (0, {OK})
    assert len(ran.stages) == 1 + 5 * len(both)
    released = {f"{problem.replace('_', '-')}-1" for problem in both}
    assert released <= set(ran.document["tags"])
    rows = [
        json.loads((ran.artifact(f"evidence-{problem}-1") / "decision.json").read_text())["evidence"]["data"]["rows"]
        for problem in both
    ]
    assert rows[0] != rows[1], "each has a table of its own"
