"""Approval card, status board and report in a real browser: both widths, light and dark, and printed.

Names, reasons and findings are as long as people write them, with words that cannot be broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from forecasting.data.contract import read_table
from forecasting.decision.blocks import Request, Rule
from forecasting.decision.decide import Champion, decide_candidate
from forecasting.decision.record import DecisionRecord
from forecasting.decision.report import report
from forecasting.models.catalog import make_recipe
from forecasting.models.model_file import read_model
from forecasting.problem.problem_file import Problem
from ml_service.audit.approval.card import Asked, Earlier, Target
from ml_service.audit.approval.compose import card_of
from ml_service.audit.approval.page import html as card_page
from ml_service.audit.board.document import Accuracy, Agreement, Board, DriftState, ScheduleState
from ml_service.audit.board.facts import candidate_states
from ml_service.audit.board.page import html as board_page
from ml_service.audit.serving import Now
from ml_service.production.candidates.candidate import Move, State
from tests.browser import A4_PIXELS, chromium, hidden_parts, printed_pages, too_wide, violations
from tests.sample import DATA, PROBLEMS
from tests.unit.forecasting.candidates import WEEKLY, write_candidate
from tests.unit.ml_service.audit.test_approval_card import (
    ASKED,
    FIRST,
    OF_FIRST,
    SECOND,
    release,
    rollback,
)
from tests.unit.ml_service.audit.test_status_board import PLACE, REJECTED, board
from tests.unit.ml_service.decisions import changed, decision

pytestmark = pytest.mark.campaign

UNBROKEN = "https://dev.azure.com/organization/project/_workitems/edit/4711?rejected=" + "because" * 12
REASON = f"The forecasts of the new tariff were twice as high as the actuals on Monday and Tuesday, see {UNBROKEN}"
LONG = "forecast-of-paid-amount-by-type-and-customer-segment"
REQUEST = Request(
    reason="manual", build_id="7", commit="c" * 40, run_id="run", step_run_id="step", model_name=LONG,
    decided_at="2026-01-02T03:04:05+00:00", workspace=None,
)  # fmt: skip


def cards() -> Iterator[tuple[str, str]]:
    """A card of each kind, and one with everything that warns."""
    yield "card, first release", card_page(card_of(release(now=None)))
    yield "card, release", card_page(card_of(release(now=Now(FIRST, OF_FIRST, "unknown"))))
    other = replace(FIRST.content, scoring_sha256="7" * 64)
    yield "card, redeploy", card_page(card_of(release(kind="redeploy", content=other, decision=OF_FIRST)))
    yield "card, rollback", card_page(card_of(rollback(asked=_asked(REASON))))
    earlier = tuple(
        Earlier.model_validate({"what": what, "when": "2026-11-27T10:03:00+00:00", "who": "Grace", "reason": REASON})
        for what in ("rejected", "rolled back", "undone")
    )
    warned = release(
        decision=decision("override"),
        content=replace(SECOND.content, model_name=LONG),
        now=Now(FIRST, OF_FIRST, "changed", f"The service was changed by hand: {UNBROKEN}"),
        asked=_asked(REASON),
        target=Target(service=LONG, workspace=f"{LONG}-production", tags={"evidence": "local rehearsal"}),
        earlier=earlier,
        unfinished=(f"release of {LONG}:3, by Ada",),
        report="report.html",
    )
    yield "card, everything warns", card_page(card_of(warned))


def _asked(why: str) -> Asked:
    return changed(ASKED, why=why, build_url=UNBROKEN)


def boards() -> Iterator[tuple[str, str]]:
    """A board on which all is well, and one on which nothing is."""
    yield "board, all is well", board_page(board())
    yield "board, nothing is well", board_page(worst_board())


def worst_board() -> Board:
    """Ten candidates of all states, each with a long reason; nothing agrees."""
    states = [*State] * 2
    candidates = candidate_states(
        [
            replace(
                REJECTED,
                model_name=LONG,
                version=100 - place,
                move=Move(state, "2026-11-29T10:00:00+00:00", "Grace Hopper", REASON, "104"),
                expires="2026-12-29T10:00:00+00:00",
            )
            for place, state in enumerate(states)
        ]
    )
    schedules = tuple(
        ScheduleState(
            name=f"{LONG}-{name}",
            status="active",
            recurrence="every 2 weeks on Monday, Tuesday, Wednesday, Thursday and Friday at 05:00, UTC",
            next="2026-12-07T05:00:00+00:00",
            last="2026-11-30T05:00:01+00:00",
        )
        for name in ("weekly", "data")
    )
    accuracy = Accuracy(
        model=f"{LONG}:2", first=date(2014, 6, 1), last=date(2014, 6, 7), steps=7, series=1, error=210.0,
        naive_error=180.0, gain=-0.166, coverage=0.714,
    )  # fmt: skip
    found = f"the champion is another one, the service was changed by hand: {UNBROKEN}"
    return board(
        agreement=Agreement(status="differs", finding=found),
        candidates=candidates,
        schedules=schedules,
        accuracy=accuracy,
        production=changed(PLACE, url=UNBROKEN, models=(f"{LONG}:2",)),
        drift=DriftState(run_id="r", decided_at="2026-11-30T05:00:01+00:00", status="warning", sentence=REASON),
        unfinished=(f"release of {LONG}:3, by Ada",),
        unread=(f"ledger: {UNBROKEN}",),
    )


def reports(folder: Path) -> Iterator[tuple[str, str]]:
    """A report on one series, and one on many with warnings, parts that got worse and a decision by a person."""
    yield "report, one series", _report(folder / "one", "paid_amount", "daily_by_type.csv")
    yield "report, many series", _report(folder / "many", "product_sales", "daily_sales_by_product.csv")


def _report(folder: Path, name: str, table: str) -> str:
    """The page of a decision about a real table, with the forecasts that it rests on."""
    problem = Problem(PROBLEMS / f"{name}.yml")
    panel = read_table(DATA / table, problem.source, problem.series, problem.contract)[0]
    write_candidate(folder / "champion", panel, make_recipe("window_mean", {"days": 56}), name)
    write_candidate(folder / "newer", panel, WEEKLY, name)
    champion = Champion(read_model(folder / "champion"), LONG, "3")
    made = decide_candidate(problem, folder / "newer", champion, REQUEST)
    return report(_warned(made.record), read_model(folder / "newer").model, made.judgement, made.unit)


def _warned(record: DecisionRecord) -> DecisionRecord:
    """The same with everything that is highlighted."""
    evidence = record.evidence
    changes = (0.25, 0.1, 0.04, -0.3)
    parts = tuple(
        changed(part, change=changes[place % len(changes)], judged=place % 5 != 4)
        for place, part in enumerate(evidence.segments)
    )
    warned = Rule(code="bias", status="warning", value=0.3, threshold=0.2, sentence=f"forecasts are high: {REASON}")
    rules = (*(rule for rule in evidence.rules if rule.code != "bias"), warned)
    return DecisionRecord.of(changed(evidence, segments=parts, rules=rules), record.context)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All pages, by what each shows."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, page in (*cards(), *boards(), *reports(folder)):
        found[name] = folder / f"{name.replace(', ', '_').replace(' ', '_')}.html"
        found[name].write_text(page, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window_and_everything_can_be_read(
    browser: Any, pages: dict[str, Path], scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    opened, faults = context.new_page(), {}
    for name, file in pages.items():
        opened.goto(file.as_uri())
        faults[name] = too_wide(opened, scrolls=".wide, figure") + violations(opened)
    context.close()
    assert {name: found for name, found in faults.items() if found} == {}


SHEETS = {"card": 1, "board": 1, "report": 2, "card, everything warns": 2, "board, nothing is well": 3}
"""Pages of A4 at most, by page or kind of page; the card and the board are for one glance."""


def test_printed_no_table_is_cut_and_each_page_has_its_sheets(
    browser: Any, pages: dict[str, Path], tmp_path: Path
) -> None:
    opened, faults = browser.new_page(viewport={"width": A4_PIXELS, "height": 1000}), {}
    opened.emulate_media(media="print", color_scheme="light")
    for name, file in pages.items():
        opened.goto(file.as_uri())
        split = opened.evaluate(
            "[...document.querySelectorAll('tr, figure')].filter(each => each.getBoundingClientRect().height"
            " && !getComputedStyle(each).breakInside.startsWith('avoid')).length"
        )
        sheets = printed_pages(opened, tmp_path / f"{file.stem}.pdf")
        faults[name] = too_wide(opened) + hidden_parts(opened) + violations(opened)
        faults[name] += [f"{split} rows may be split between two sheets"] if split else []
        faults[name] += [f"{sheets} sheets"] if sheets > SHEETS.get(name, SHEETS[name.partition(",")[0]]) else []
    opened.close()
    assert {name: found for name, found in faults.items() if found} == {}
