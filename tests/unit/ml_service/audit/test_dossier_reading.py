"""What an auditor reads who has only dossier.html: which version is live, who did what, what is unknown."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ml_service.audit.completeness.population import Anchor, Live
from ml_service.audit.events import kinds
from ml_service.audit.export import bundle, verifier
from ml_service.audit.export.rows import duties
from ml_service.audit.timeline.intervals import Served, deployments_of
from ml_service.production.candidates import events as candidates
from ml_service.production.candidates.candidate import Move, State
from ml_service.production.candidates.events import Acceptance, Subject
from ml_service.production.chain.entry import Event
from ml_service.production.chain.store import Chain
from tests.unit.ml_service.audit.exported import Files, summed, written
from tests.unit.ml_service.audit.trail import Trail, day, make_trail, sha


class Dossier:
    """The page of an export."""

    def __init__(self, page: str) -> None:
        self.page = page

    def section(self, name: str) -> str:
        """What a reader sees below a heading of the first or second level."""
        begin = re.search(rf"<(?:h2|section)[^>]* id=\"?{re.escape(name)}[\" >]", self.page)
        assert begin, name
        end = re.search(r"<(?:h2|section)[^>]* id=", self.page[begin.end() :])
        return self.text(self.page[begin.start() : begin.end() + end.start() if end else None])

    def text(self, html: str | None = None) -> str:
        """What a reader sees."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.page if html is None else html)).split())


def dossier_of(trail: Trail, folder: Path, **changes: Any) -> Dossier:
    """The page of an export of a story."""
    made = bundle.write(trail.verified(**changes), trail.documents, trail.actor(109, "Olga"), folder / "x.zip")
    with zipfile.ZipFile(made.path) as opened:
        return Dossier(opened.read("dossier.html").decode())


@pytest.fixture(scope="module")
def dossier(files: Files) -> Dossier:
    """The page of the story."""
    return Dossier(files["dossier.html"].decode())


@pytest.fixture(scope="module")
def override(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    """A version that serves by an override of Ada, who approved it too, and whose bytes were accepted once more."""
    folder = tmp_path_factory.mktemp("override")
    trail = Trail(folder / "trail")
    trail.upload(1)
    trail.accept(1, trail.train("r1", "accepted", "model 1"))
    trail.deploy("d1", 1, "succeeded", 101)
    trail.accept(2, trail.train("r2", "override", "model 2", build=102), 102)
    trail.deploy("d2", 2, "succeeded", 102, approver="Ada")
    again = trail.train("r3", "accepted", "model 1", build=103)
    subject = Subject("m", 1, sha("model 1"), "r3")
    trail.add(candidates.accepted(Acceptance(subject, again.sha256, "2", "better again"), trail.actor(103)))
    move = Move(State.AWAITING, day(trail.today), "Ada", "", "103")
    trail.add(candidates.moved(subject, move, trail.actor(103), stage="Production_p"))
    rejected = Move(State.REJECTED, day(trail.today), "Grace", "still too high", "103")
    trail.add(candidates.moved(subject, rejected, trail.actor(104)))
    return dossier_of(trail, folder, builds=None, unread=("builds: no job token",))


def test_each_version_says_first_whether_it_is_live(dossier: Dossier) -> None:
    begun = "Version m:1 not live ; served from 2026-01-13 09:00:00 to 2026-01-25 09:00:00 , and from"
    assert begun in dossier.section("model-1")
    assert "Version m:2 never served" in dossier.section("model-2")
    assert "Version m:3 live now ; served from" in dossier.section("model-3")
    assert dossier.section("versions").count("live now") == 1
    ended = "the service was changed by hand; deployment d5 replaced it, since 2026-02-01 09:00:00"
    assert f"No longer live, because: {ended}" in dossier.section("model-1")
    assert ended in dossier.section("not-live")


def test_a_version_whose_deployment_has_not_ended_may_be_live(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    trail.deploy("d6", 1, "", 108)
    said = dossier_of(trail, tmp_path, live=None).section("versions")
    assert said.count("unknown whether live") == 2, "the one before and the one that is deployed"


def test_after_a_change_by_hand_no_version_is_claimed_not_to_be_live(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    live = Live("changed", "another image", day(trail.today))
    said = dossier_of(trail, tmp_path, live=live)
    assert said.section("versions").count("unknown whether live") == 2, "all that ever served"
    for name in ("versions", "model-1", "model-3"):
        assert not re.search(r"not live ;|live now", said.section(name)), name
    assert "unknown whether live : it differs from the record: another image" in said.section("model-3")


def test_a_rejected_version_says_that_it_served_before(override: Dossier) -> None:
    said = override.section("model-1")
    assert "not live ; served from" in said
    assert "release of m:2 replaced it" in said
    assert "no release followed" in override.section("why-not")
    assert "candidate.rejected" not in override.text()
    assert "awaiting_approval" not in override.text()
    row = r"m:1 \S+ \S+ e\d+ , training run r3 .*rejected e\d+ .*Grace still too high"
    assert re.search(row, override.section("why-not"))


def test_an_event_that_was_recorded_later_has_both_times_everywhere(dossier: Dossier) -> None:
    both = "2026-01-18 09:00:00 recorded 2026-01-19 09:00:00"
    assert all(both in dossier.section(name) for name in ("approvals", "refused", "model-2"))
    assert "18 2026-01-19 09:00:00, happened 2026-01-18 09:00:00 approval refused" in dossier.text()


def test_what_could_not_be_checked_stands_in_the_heading_and_beside_each_approval(
    dossier: Dossier, override: Dossier
) -> None:
    assert "0 findings, and 1 thing that could not be checked" in override.text()
    assert "<p class=good>" not in override.page
    assert "(not checked with Azure DevOps)" in override.section("approvals")
    assert "(not checked with Azure DevOps)" in override.section("deployments")
    assert "not checked" not in dossier.text(), "Azure DevOps had all of them"


def test_an_override_is_named_wherever_its_version_is(override: Dossier) -> None:
    for name in ("versions", "when", "deployments", "model-2"):
        assert "by an override of Ada" in override.section(name), name
    assert "by an override" not in override.section("model-1")
    said = override.section("overrides")
    assert "m:2 , training run r2" in said
    assert "not passed: Clearly better than the champion (margin), +0.0%, allowed at least 2.0%" in said
    assert "deployment d2" in said


def test_a_rejection_that_only_the_candidate_has_is_among_the_approvals(override: Dossier) -> None:
    said = override.section("approvals")
    assert "rejected stage Production_p of build 103 , m:1 Grace" in said
    assert "still too high" in said


@pytest.mark.parametrize(
    ("persons", "approver", "expected"),
    [
        (("Rita", "Ada", ""), "Grace", ("yes", "as far as different names are different persons")),
        (("Rita", "", ""), "Grace", ("yes", "as far as different names are different persons")),
        (("Grace", "Ada", ""), "grace", ("no", "grace approved it and also asked for it")),
        (("Rita", "Ada", "Grace"), "Grace", ("no", "Grace approved it and also overrode the gate")),
        (("Rita", "Grace", "Grace"), "Grace", ("no", "Grace approved it and also trained it, overrode the gate")),
        (("unknown", "Ada", ""), "Grace", ("unknown", "who asked for it is unknown")),
        (("Rita", "Ada", ""), "", ("unknown", "who approved it is unknown")),
        (("local rehearsal", "", ""), "local rehearsal", ("unknown", "who approved it is unknown")),
        (("local rehearsal", "Ada", ""), "Grace", ("unknown", "who asked for it is unknown")),
    ],
)
def test_duties_are_separate_only_if_every_name_is_known_and_another_one(
    trail: Trail, persons: tuple[str, str, str], approver: str, expected: tuple[str, str]
) -> None:
    asked, trained, overrode = persons
    one = next(iter(deployments_of(trail.chain.entries)))
    record = {"record": {**one.record, "approver": approver}}
    served = Served(one.opened.model_copy(update={"who": asked, "details": record}))
    entry = trail.chain.entries[0]
    run = entry.model_copy(update={"details": {"requested_for": trained}})
    overrides = [entry.model_copy(update={"details": {"person": overrode}})] if overrode else []
    found = duties(served, run, overrides)
    assert (found.separate, found.why) == expected


def test_one_name_in_every_role_is_no_separation_of_duties(override: Dossier) -> None:
    assert "no : Ada approved it and also trained it, overrode the gate" in override.section("deployments")


def test_rules_show_what_is_allowed_and_in_which_direction(dossier: Dossier) -> None:
    said = dossier.section("model-1")
    assert "(coverage) passed 75.9% 60.0% to 98.0% the 80 % interval covers" in said
    assert 'more is worse where "at most" is allowed' in said
    assert not re.search(r"\d\.\d{6}", said), "numbers are rounded"


def test_sections_without_rows_say_so_and_every_section_is_in_the_contents(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "trail")
    trail.upload(1)
    said = dossier_of(trail, tmp_path)
    for name in ("failed", "schedules", "exports", "overrides", "approvals"):
        assert said.section(name).endswith("none recorded"), name
    headings = re.findall(r"<(?:h2|section)[^>]* id=\"?([\w-]+)", said.page)
    assert re.findall(r'<a href="#([\w-]+)">', said.page.partition("<nav>")[2].partition("</nav>")[0]) == headings


def test_what_failed_has_a_section(dossier: Dossier) -> None:
    said = dossier.section("failed")
    assert "run failed: r3" in said
    assert re.search(r"deployment undone: d2 Rita, build 104 it answers wrongly e\d+", said)


def test_every_build_has_a_row_and_every_cited_entry_exists(dossier: Dossier, trail: Trail) -> None:
    named = {entry.build_id for entry in trail.chain.entries}
    assert named == set(re.findall(r'<tr id="b-([^"]+)">', dossier.page))
    cited = set(re.findall(r'href="#([^"]+)"', dossier.page))
    assert cited <= set(re.findall(r' id="?([^" >]+)', dossier.page)), "every link has its place"


def test_entries_after_the_last_anchor_are_named(trail: Trail, tmp_path: Path) -> None:
    last = trail.chain.entries[-1].sequence
    anchored = replace(trail.population(), anchors=(Anchor("run d1", last - 3, trail.chain.entries[-4].sha256),))
    said = dossier_of(trail, tmp_path, anchors=anchored.anchors).section("anchors")
    assert f"Entries e{last - 2} to e{last} come after the last of them: only this export notes them" in said


def test_the_page_says_how_it_is_covered_and_what_it_cannot_contain(dossier: Dossier) -> None:
    said = dossier.section("check")
    assert "SHA256SUMS contains the hash of dossier.html" in said
    assert "Extract the whole ZIP file" in said
    assert "export_sha256 of the entry export.made" in said
    assert "The entry about this export is written after the file" in dossier.section("exports")


def test_each_term_has_one_meaning_in_the_glossary(dossier: Dossier) -> None:
    terms = re.findall(r"<dt>([^<]+)</dt>", dossier.page)
    assert len(terms) == len(set(terms)) > 20
    assert terms == sorted(terms, key=str.casefold)


def test_a_page_of_an_earlier_version_verifies_and_a_mixed_one_does_not(files: Files, tmp_path: Path) -> None:
    entries = [verifier.parsed(line) or {} for line in files["events.jsonl"].splitlines(keepends=True)]
    lines = files["dossier.html"].decode().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if line.startswith('<tr id="e'))
    hashes = [re.findall("[0-9a-f]{64}", line)[-1] for line in lines[place : place + len(entries)]]
    earlier = [verifier.earlier_row(entry, sha256) + "\n" for entry, sha256 in zip(entries, hashes, strict=True)]
    for count, faulty in ((len(entries), False), (len(entries) - 1, True)):
        changed = dict(files)
        mixed = [*lines[:place], *earlier[:count], *lines[place + count :]]
        changed["dossier.html"] = "".join(mixed).encode()
        summed(changed)
        faults = verifier.verify(str(written(changed, tmp_path / str(count))))
        assert bool(faults) == faulty, faults


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-30T09:12:05+00:00", "2026-11-30 09:12:05"),
        ("2026-11-30T09:12:05.678Z", "2026-11-30 09:12:05"),
        ("2026-11-30T09:12:05+09:00", "2026-11-30T09:12:05+09:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_only_a_time_in_utc_is_shortened(text: str, shown: str) -> None:
    assert verifier.moment(text) == shown


def test_what_no_comparison_settles_is_told_before_everything_else(dossier: Dossier, override: Dossier) -> None:
    said = dossier.section("unsettled")
    assert "local rehearsal, not real production" in said
    assert "Facts that nobody recorded are absent" in said
    assert "after the last anchor" in said or "The last entry is noted" in said
    assert "Azure DevOps was not asked" in override.section("unsettled")
    assert override.page.index("id=unsettled") < override.page.index("id=versions")
    assert override.page.count("<li>", 0, override.page.index("<nav>")) <= 12
    assert "(a local rehearsal, not real production)" in override.text()


def test_a_failed_check_is_a_sentence_of_the_verdict(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    said = dossier_of(trail, tmp_path, runs=()).text()
    assert re.search(r"A check failed : .+ \([^()]+\)\. Until this is explained, do not rely on", said)


def test_nothing_before_differs_from_an_unknown_deployment_before(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "trail")
    trail.upload(1)
    trail.accept(1, trail.train("r1", "accepted", "model 1"))
    trail.deploy("d1", 1, "undone", 101)
    trail.deploy("d2", 1, "succeeded", 102, **{"from": "d0"})
    said = dossier_of(trail, tmp_path).section("deployments")
    assert "(nothing was deployed before)" in said
    assert "(what was deployed before is unknown)" in said


def test_the_decision_of_the_gate_is_told_apart_from_its_override(override: Dossier) -> None:
    said = override.section("timeline-of-all")
    decided, granted = said.index("the gate decided on run r2"), said.index("overrode the gate on run r2")
    assert decided < granted
    assert "the gate decided on run r2: accepted, override" not in said


def test_no_reason_is_claimed_to_be_optional_that_is_required(dossier: Dossier, override: Dossier) -> None:
    for page in (dossier, override):
        said = page.text()
        assert "asked nobody for a reason" not in said
        assert "asks nobody for a reason" not in said
        assert "could give a reason" not in said
        assert "unknown ; the approver left" not in said
        assert "unknown; the approver left" not in said
    assert "a release needs one only for a version that was rejected, withdrawn or has expired" in dossier.text()


def test_nobody_is_named_by_the_default_of_a_local_run(dossier: Dossier) -> None:
    assert "the name local rehearsal says that nobody gave one" in dossier.section("unsettled")


def test_when_an_override_was_given_and_where_its_build_keeps_a_hash_is_said(override: Dossier) -> None:
    assert "A person overrides the gate when the training run is started" in override.section("overrides")
    assert "Get the hash from the tag or the log of the build" in override.section("check")


def test_an_export_made_outside_of_a_pipeline_sends_nobody_to_a_build(tmp_path: Path) -> None:
    trail = make_trail(tmp_path / "trail")
    file = tmp_path / "x.zip"
    bundle.write(trail.verified(), trail.documents, {**trail.actor(109), "build_id": "local-20261201T045319Z"}, file)
    with zipfile.ZipFile(file) as opened:
        page = opened.read("dossier.html").decode()
    assert "no build has a tag or a log with its hash" in page
    assert "Get the hash from the tag or the log" not in page


def test_a_command_outside_of_a_pipeline_has_no_approval_and_names_its_uncommitted_changes(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "trail")
    trail.upload(1)
    trail.accept(1, trail.train("r1", "override", "model 1"))
    trail.deploy("d1", 1, "succeeded", 102, approver="")
    chain = Chain("p")
    for entry in trail.chain.entries:
        local = (
            {"build_id": "local-20261201T045546Z", "commit": "c0ffee-dirty"}
            if entry.build_id == "102" or entry.event == kinds.OVERRIDE_GRANTED
            else {}
        )
        chain = chain.followed_by(Event(**{**{name: getattr(entry, name) for name in Event.model_fields}, **local}))
    trail.chain = chain
    page = dossier_of(trail, tmp_path)
    said = page.section("deployments")
    assert "no approval is recorded; the command ran outside of a pipeline" in said
    assert "not checked" not in said
    first = page.section("unsettled")
    assert "3 entries name a commit with uncommitted changes (-dirty): the commit is not the code that ran" in first
    assert re.search(
        r"outside of a pipeline deployed, and no approval is recorded: e\d+. An override .* so: e\d+", first
    )
    assert "of several changes of a service by hand" in first.casefold()
    assert re.search(r'<code class="?warn"?>c0ffee-dirty', page.page)
    assert "<dt>dirty commit</dt>" in page.page
    assert "Ada (name as typed):" in page.section("overrides")
