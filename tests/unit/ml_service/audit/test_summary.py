"""The page of a run: rules with what was expected and what was found, violations of the data contract."""

from __future__ import annotations

from forecasting.decision.blocks import Replaced, Rule
from forecasting.decision.record import DecisionRecord
from ml_service.audit.summary import markdown, read_violations, rule_rows
from ml_service.output.closing import Closing, Ending, closing
from ml_service.training.runs.follow import Followed
from ml_service.training.runs.outcome import Outcome
from ml_service.training.runs.result import RunResult
from tests.unit.ml_service.decisions import changed, decision, evidence

FINISHED = Followed("Finished", (), 2.0)


def closing_of(result: RunResult) -> Closing:
    """The closing of a run."""
    return closing("paid:3", Ending(result.complaint or "it ended"), result.exit_code)


def test_rules_say_what_was_demanded_and_what_was_found() -> None:
    floor = Rule(code="floor", status="passed", value=0.79149, threshold=1.0, sentence="below.")
    margin = Rule(code="margin", status="off", value=None, threshold=None, sentence="no champion.")

    assert rule_rows(evidence("accepted", rules=(floor, margin), champion=None)) == [
        ["floor", "1", "0.7915", "passed", "below."],
        ["margin", "-", "-", "off", "there was no champion to compare with."],
    ]


FAILURES = """file,column,place,found,expected,fix
sales.csv,Units,line 3,negative,at least 0,Deliver reversals as a type of their own.
sales.csv,Units,line 9,negative,at least 0,Deliver reversals as a type of their own.
sales.csv,,,"has <b>no</b> rows | none",some rows,Deliver it again.
"""


FAILURES = """file,column,place,found,expected,fix
sales.csv,Units,line 3,negative,at least 0,Deliver reversals as a type of their own.
sales.csv,Units,line 9,negative,at least 0,Deliver reversals as a type of their own.
sales.csv,,,"has <b>no</b> rows | none",some rows,Deliver it again.
"""


def test_the_page_of_a_broken_contract_names_rules_columns_and_places() -> None:
    result = RunResult(
        "run-1",
        "unit",
        "http://portal",
        Followed("Failed", (), 2.0),
        Outcome("failed", "contract", None, None),
        None,
        (),
    )
    page = markdown(
        "unit-ws",
        result,
        {"data_sha256": "abc"},
        read_violations(FAILURES),
        closing=closing_of(result),
        transcript="as printed",
    )

    assert "the table violates the data contract" in page
    assert page.index("| **live now** | paid:3 |") < page.index("## Data contract")
    assert "2 rules are violated; all locations are in `contract_failures.csv` beside this page." in page
    assert "| Units | negative | at least 0 | line 3, line 9 | Deliver reversals as a type of their own. |" in page
    assert "| whole file | has \\<b\\>no\\</b\\> rows" in page
    assert "| recipe, data until |" not in page, "what is not known is not a row of dashes"
    assert "`abc`" in page


def test_warnings_stand_above_the_rules_with_their_meaning() -> None:
    plain = decision("accepted")
    warning = Rule(code="bias", status="warning", value=0.3, threshold=0.2, sentence="forecasts are too high.")
    instead = Replaced(recipe="ridge(alpha=1)", metrics=None, why="it loses")
    record = changed(plain, evidence=changed(plain.evidence, rules=(warning,), instead_of=instead))

    def page_of(shown: DecisionRecord) -> str:
        outcome = Outcome("accepted", "first-model", shown, None)
        result = RunResult("run-1", "unit", "http://p", FINISHED, outcome, None, ())
        return markdown("ws", result, {}, closing=closing_of(result), transcript="as printed")

    page = page_of(record)
    assert "⚠️ The gate warns (bias): forecasts are too high." in page
    assert "is proposed because it loses." in page
    assert "| chosen by training | ridge(alpha=1) |" in page
    assert page.index("## Warnings") < page.index("## Rules")
    assert "## Warnings" not in page_of(plain)


def test_an_override_is_no_green_acceptance() -> None:
    outcome = Outcome("accepted", "override", decision("override"), None)
    result = RunResult("run-1", "unit", "http://p", FINISHED, outcome, None, ())
    page = markdown("ws", result, {}, closing=closing_of(result), transcript="as printed")
    assert page.startswith("# paid_amount: ⚠️ override, the gate said kept")
