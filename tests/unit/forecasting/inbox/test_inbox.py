"""What becomes of delivered files, with a datastore in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from forecasting.data.sizes import MAX_BYTES
from forecasting.errors import ContractError, Finding, UsageError
from forecasting.inbox import files
from forecasting.inbox.ingest import Ingested, When, accept, ingest, read_plan
from forecasting.inbox.tables import ACCEPTED_TAG, BEFORE_TAG, Acceptance, judged_in
from forecasting.problem.problem_file import Problem
from tests.unit.forecasting.inbox.memory import File, MemoryInbox

WHEN = When(date(2024, 6, 1), "2024-06-01T05:00:00+00:00")
BY = Acceptance("Ada", "the shop opened on Sundays", "2024-06-01T09:00:00+00:00")


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    document = {
        "source": {"date": "Day", "measures": ["Units"]},
        "series": {"name": "bakery", "measure": "Units", "aggregation": "sum"},
        "contract": {"rows_change": 0.5, "max_age_days": 30},
    }
    path = tmp_path / "bakery.yml"
    path.write_text(yaml.safe_dump(document))
    return Problem(path)


@pytest.fixture
def inbox(tmp_path: Path) -> MemoryInbox:
    return MemoryInbox(tmp_path)


def table(days: int, last: date = date(2024, 5, 31), value: str = "1") -> bytes:
    lines = [f"{last - timedelta(days=day)},{value}" for day in reversed(range(days))]
    return "\n".join(["Day,Units", *lines, ""]).encode()


def taken(done: Ingested) -> list[int | None]:
    return [receipt.version for receipt in done.taken]


def test_a_file_becomes_a_version_and_a_replay_changes_nothing(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.deliver("may.csv", table(40))
    assert taken(ingest(inbox, problem, WHEN)) == [1]
    assert inbox.versions[0] | {"rows": "40", "last_date": "2024-05-31", "problem": "bakery"} == inbox.versions[0]
    kept, fetched = dict(inbox.kept), len(inbox.fetched)
    again = ingest(inbox, problem, WHEN)
    assert (again.taken, again.created, inbox.kept, len(inbox.fetched)) == ((), (), kept, fetched)
    inbox.deliver("copy.csv", table(40))
    copied = ingest(inbox, problem, WHEN)
    assert (taken(copied), copied.created, len(inbox.versions)) == ([1], (), 1)


def test_files_become_versions_in_the_order_of_their_delivery(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.deliver("z.csv", table(40, date(2024, 5, 20)))
    inbox.deliver("a.csv", table(40, date(2024, 5, 31)))
    assert ingest(inbox, problem, WHEN).created == (1, 2)
    assert [tags["last_date"] for tags in inbox.versions] == ["2024-05-20", "2024-05-31"]


def test_a_delivery_is_read_as_the_problem_says(inbox: MemoryInbox, problem: Problem) -> None:
    written = table(40).replace(b",", b";").replace(b";1", b";1,5")
    inbox.deliver("german.csv", written)
    refused = ingest(inbox, problem, WHEN).quarantined
    assert 'Set reading.separator to ";"' in refused[0].findings[0]
    document = {**problem.document, "reading": {"separator": ";", "decimal": ","}}
    problem.path.write_text(yaml.safe_dump(document))
    inbox.deliver("german.csv", written + b"\n")
    assert taken(ingest(inbox, Problem(problem.path), WHEN)) == [1]


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"Day,Units\n2024-05-31,x\n", "column Units"),
        (b"\x00\xff", "the table"),
        (table(100), "has 100 rows, +150% against the last accepted version's 40"),
        (table(40, date(2024, 5, 5)), "ends on 2024-05-05; expected 2024-05-31"),
        (table(40).replace(b"Day,Units", b"Day,Units,More").replace(b",1\n", b",1,1\n"), "has other columns"),
    ],
)
def test_a_bad_file_waits_and_the_newest_version_stays_the_good_one(
    inbox: MemoryInbox, problem: Problem, content: bytes, finding: str
) -> None:
    inbox.deliver("good.csv", table(40))
    inbox.deliver("bad.csv", content)
    for _ in range(2):
        done = ingest(inbox, problem, WHEN)
        assert [receipt.file for receipt in done.quarantined] == ["bad.csv"]
        assert finding in done.quarantined[0].findings[0]
    assert len(inbox.versions) == 1
    assert inbox.fetched.count("bad.csv") == 1, "a verdict stands until the file is replaced"


def test_a_quarantined_file_ends_when_it_is_replaced_or_removed(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.deliver("june.csv", b"nonsense")
    assert len(ingest(inbox, problem, WHEN).quarantined) == 1
    inbox.deliver("june.csv", table(40))
    done = ingest(inbox, problem, WHEN)
    assert (taken(done), done.quarantined) == ([1], ())
    inbox.deliver("july.csv", b"nonsense")
    ingest(inbox, problem, WHEN)
    inbox.contents = {file: held for file, held in inbox.contents.items() if file.name != "july.csv"}
    assert not read_plan(inbox).quarantined


def test_a_person_accepts_an_unusual_delivery_and_the_next_one_is_compared_with_it(
    inbox: MemoryInbox, problem: Problem
) -> None:
    inbox.deliver("good.csv", table(40))
    inbox.deliver("large.csv", table(100))
    ingest(inbox, problem, WHEN)
    assert accept(inbox, problem, "large.csv", BY, WHEN.day)[0] == 2
    tags = inbox.versions[1]
    assert (tags[ACCEPTED_TAG], tags[BEFORE_TAG]) == ("Ada", "40")
    assert ingest(inbox, problem, WHEN).quarantined == ()
    inbox.deliver("next.csv", table(101))
    assert ingest(inbox, problem, WHEN).created == (3,), "100 rows are what a person has accepted"


def test_an_acceptance_that_broke_off_is_completed(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.deliver("good.csv", table(40))
    inbox.deliver("large.csv", table(100))
    ingest(inbox, problem, WHEN)
    kept = dict(inbox.kept)
    accept(inbox, problem, "large.csv", BY, WHEN.day)
    inbox.kept = kept
    assert (accept(inbox, problem, "large.csv", BY, WHEN.day)[0], len(inbox.versions)) == (2, 2)
    assert not read_plan(inbox).quarantined


class Announcements:
    """What a change schedule is told, by a storage that fails for the first time."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.fails = True

    def __call__(self, version: int, sha256: str) -> None:
        if self.fails:
            self.fails = False
            raise ConnectionError("the storage does not answer")
        assert sha256
        self.told.append(version)


def test_an_announcement_that_failed_is_made_when_the_file_is_ingested_again(
    inbox: MemoryInbox, problem: Problem
) -> None:
    inbox.deliver("may.csv", table(40))
    announce = Announcements()
    with pytest.raises(ConnectionError):
        ingest(inbox, problem, WHEN, announce)
    assert (len(inbox.versions), inbox.kept) == (1, {})
    for _ in range(2):
        ingest(inbox, problem, WHEN, announce)
    assert (announce.told, len(inbox.versions), len(inbox.kept)) == ([1], 1, 1)


def test_an_announcement_that_failed_is_made_when_the_file_is_accepted_again(
    inbox: MemoryInbox, problem: Problem
) -> None:
    inbox.deliver("good.csv", table(40))
    inbox.deliver("large.csv", table(100))
    ingest(inbox, problem, WHEN)
    announce = Announcements()
    with pytest.raises(ConnectionError):
        accept(inbox, problem, "large.csv", BY, WHEN.day, announce=announce)
    assert accept(inbox, problem, "large.csv", BY, WHEN.day, announce=announce)[0] == 2
    assert (announce.told, len(inbox.versions)) == ([2], 2)
    assert not read_plan(inbox).quarantined


def test_nobody_can_accept_what_is_no_table(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.deliver("bad.csv", table(40, value="x"))
    ingest(inbox, problem, WHEN)
    with pytest.raises(ContractError, match="column Units"):
        accept(inbox, problem, "bad.csv", BY, WHEN.day)
    assert not inbox.versions
    with pytest.raises(UsageError, match=r"No file other\.csv is quarantined; bad\.csv is"):
        accept(inbox, problem, "other.csv", BY, WHEN.day)


def test_a_version_says_how_it_was_judged(inbox: MemoryInbox, problem: Problem) -> None:
    """The steps go by it: the champion still has 40 rows, and both later versions must train."""
    inbox.deliver("good.csv", table(40))
    inbox.deliver("large.csv", table(100))
    ingest(inbox, problem, WHEN)
    accept(inbox, problem, "large.csv", BY, WHEN.day)
    inbox.deliver("next.csv", table(101))
    ingest(inbox, problem, WHEN)
    assert [judged_in(tags) for tags in inbox.versions] == [
        {},
        {"rows_before": 40, "accepted_by": "Ada", "reason": "the shop opened on Sundays"},
        {"rows_before": 100},
    ]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (File("old/may.csv"), "subfolder"),
        (File("may.csv.part"), "does not end with .csv or .csv.gz"),
        (File("may.csv", type="AppendBlob"), "may still grow"),
        (File("may.csv", size=0), "still empty"),
    ],
)
def test_what_is_no_whole_delivery_is_not_read(inbox: MemoryInbox, problem: Problem, file: File, why: str) -> None:
    inbox.contents = {file: table(40)}
    done = ingest(inbox, problem, WHEN)
    assert why in done.waiting[file.name]
    assert (inbox.fetched, inbox.kept) == ([], {})


def test_a_file_that_is_replaced_while_it_is_read_is_read_next_time(
    inbox: MemoryInbox, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.deliver("may.csv", table(40))
    with monkeypatch.context() as context:
        context.setattr(MemoryInbox, "fetch", lambda *_: None)
        done = ingest(inbox, problem, WHEN)
    assert (done.created, inbox.kept, list(done.waiting)) == ((), {}, ["may.csv"])
    assert ingest(inbox, problem, WHEN).created == (1,)


def test_one_ingest_reads_so_many_files_and_the_next_one_continues(
    inbox: MemoryInbox, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_NEW", 2)
    for number in range(3):
        inbox.deliver(f"{number}.csv", table(40 + number))
    assert [ingest(inbox, problem, WHEN).left for _ in range(3)] == [1, 0, 0]
    assert len(inbox.versions) == 3


def test_a_file_at_the_cap_is_fetched_and_one_above_is_not(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.contents = {File("most.csv", size=MAX_BYTES): table(40), File("more.csv", size=MAX_BYTES + 1): table(41)}
    done = ingest(inbox, problem, WHEN)
    assert (inbox.fetched, [receipt.file for receipt in done.quarantined]) == (["most.csv"], ["more.csv"])
    with pytest.raises(ContractError, match=f"has {MAX_BYTES + 1} bytes"):
        accept(inbox, problem, "more.csv", BY, WHEN.day)


def test_a_receipt_keeps_so_many_findings() -> None:
    refusal = ContractError("may.csv", [])
    finding = replace(_finding(), found="f" * 2_000)
    refusal.findings = (finding,) * (files.MAX_FINDINGS + 3)
    told = files.findings_of(refusal)
    assert (len(told), max(map(len, told)), told[-1]) == (files.MAX_FINDINGS + 1, 1_000, "and 3 more findings")


def test_a_damaged_receipt_says_what_to_do(inbox: MemoryInbox, problem: Problem) -> None:
    inbox.deliver("may.csv", table(40))
    inbox.kept = {files.key_of(next(iter(inbox.contents))): b"{"}
    with pytest.raises(UsageError, match="Remove the blob below deliveries/"):
        ingest(inbox, problem, WHEN)


def _finding() -> Finding:
    return Finding("Units", (), "found", "expected", "fix")
