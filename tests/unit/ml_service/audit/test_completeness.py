"""What was changed, deleted or done by hand is found: each line of the auditor's list, and the ledger itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_service.audit.completeness.population import (
    Anchor,
    DeploymentFacts,
    Live,
    ModelFacts,
    Population,
    RunFacts,
    ServiceFacts,
    TableFacts,
)
from ml_service.audit.completeness.verifying import judge
from ml_service.audit.history import History
from ml_service.production.chain import store
from ml_service.production.chain.store import Chain
from tests.unit.ml_service.audit.trail import Trail, day, make_trail, sha
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs


@pytest.fixture
def whole(trail: Trail) -> Population:
    """A population in which everything agrees."""
    return trail.population()


def lines(found: Population) -> list[str]:
    """What is found."""
    return [finding.line for finding in judge(found).findings]


def codes(found: Population) -> set[str]:
    """The kinds of what is found."""
    return {finding.code for finding in judge(found).findings}


def run_with(whole: Population, run_id: str, **files: str) -> tuple[RunFacts, ...]:
    """The runs, one of them with other documents."""
    return tuple(
        replace(run, files={**run.files, **{name.replace("_", "."): value for name, value in files.items()}})
        if run.id == run_id
        else run
        for run in whole.runs
    )


def model_with(models: tuple[ModelFacts, ...] | None, version: int, **files: str) -> tuple[ModelFacts, ...]:
    """The versions, one of them with other files."""
    changes: Mapping[str, str] = {name.replace("_", "."): value for name, value in files.items()}
    return tuple(
        replace(model, files={**(model.files or {}), **changes}) if model.version == version else model
        for model in models or ()
    )


def test_where_everything_agrees_nothing_is_found(whole: Population) -> None:
    assert lines(whole) == []


def test_every_finding_has_a_meaning(whole: Population) -> None:
    for finding in judge(replace(whole, runs=(), models=(), tables=())).findings:
        assert finding.meaning


def test_a_deleted_model_version_is_named(whole: Population) -> None:
    found = lines(replace(whole, models=tuple(model for model in whole.models if model.version != 2)))
    assert any(line.startswith("model-gone: model version 2 (expected it, as entry ") for line in found)


def test_a_gap_in_the_numbers_of_versions_is_named(whole: Population) -> None:
    newer = replace(whole.models[0], version=5, number="5")
    assert "version-missing: model version 4 (expected every number up to the newest)" in lines(
        replace(whole, models=(*whole.models, newer))
    )


def test_a_huge_number_of_a_version_is_one_gap(whole: Population) -> None:
    newer = replace(whole.models[0], version=20261130, number="20261130")
    gap = "model version 4 to 20261129 (expected every number up to the newest)"
    assert f"version-missing: {gap}" in lines(replace(whole, models=(*whole.models, newer)))
    tables = (*whole.tables, TableFacts("data", 20261130, {}))
    assert lines(replace(whole, tables=tables)) == [
        "table-gone: data version data:3 to 20261129 (expected every number up to the newest)",
        "table-unrecorded: data version data:20261130",
    ]


def test_deleted_runs_are_named_with_the_entry_that_tells_of_them(whole: Population) -> None:
    gone = ("r1", "r2", "r3")
    found = lines(replace(whole, runs=tuple(run for run in whole.runs if run.id not in gone)))
    assert sorted(line.partition(" (")[0] for line in found) == [f"run-gone: run {name}" for name in gone]


def test_model_bytes_that_were_changed_are_named_with_both_hashes(whole: Population) -> None:
    found = lines(replace(whole, models=model_with(whole.models, 1, model_json="f" * 64)))
    assert f"model-changed: model m:1 (found sha256 {'f' * 64}; expected sha256 {sha('model 1')})" in found


@pytest.mark.parametrize("file", ["decision_json", "report_html"])
def test_a_document_beside_a_model_that_was_changed_is_named(whole: Population, file: str) -> None:
    named = file.replace("_", ".")
    found = lines(replace(whole, models=model_with(whole.models, 1, **{file: "f" * 64})))
    assert any(line.startswith(f"document-changed: {named} beside model m:1 (found sha256 ffff") for line in found)
    found = lines(replace(whole, copies=model_with(whole.copies, 3, **{file: "f" * 64})))
    assert any(line.startswith(f"document-changed: {named} beside copy m:3 in workspace prod") for line in found)


@pytest.mark.parametrize("file", ["decision_json", "report_html"])
def test_a_document_of_a_run_that_was_changed_or_deleted_is_named(whole: Population, file: str) -> None:
    named = file.replace("_", ".")
    changed = lines(replace(whole, runs=run_with(whole, "r1", **{file: "f" * 64})))
    assert [line.partition(" (")[0] for line in changed] == [f"document-changed: {named} of run r1"]
    gone = lines(replace(whole, runs=run_with(whole, "r1", **{file: ""})))
    assert [line.partition(" (")[0] for line in gone] == [f"document-gone: {named} of run r1"]


def test_a_manifest_beside_a_copy_that_is_not_that_of_its_original_is_named(whole: Population) -> None:
    found = lines(replace(whole, copies=model_with(whole.copies, 1, manifest_json="f" * 64)))
    assert [line.partition(" (")[0] for line in found] == [
        "document-changed: manifest.json beside copy m:1 in workspace prod"
    ]


def test_a_service_that_was_deployed_by_hand_is_named_with_since_when(whole: Population) -> None:
    live = Live("changed", "The service was changed by hand: service_updated is 2", "2026-02-01T10:00:00+00:00")
    assert lines(replace(whole, live=live)) == [
        "service-changed: service s: The service was changed by hand: service_updated is 2 "
        "(found since 2026-02-01T10:00:00+00:00)"
    ]


@pytest.mark.parametrize(("labels", "is_named"), [({}, True), ({"problem": "p"}, True), ({"problem": "q"}, False)])
def test_another_service_is_named_unless_it_is_another_problems(
    whole: Population, labels: dict[str, str], is_named: bool
) -> None:
    other = ServiceFacts("by-hand", "Healthy", day(3), labels)
    found = lines(replace(whole, services=(*whole.services, other)))
    assert found == [f"service-unrecorded: service by-hand (found Healthy, {day(3)})"] * is_named


def test_an_entry_that_was_rewritten_with_its_successors_is_found_by_an_anchor(trail: Trail) -> None:
    first, *rest = trail.chain.entries
    forged = Chain("p").followed_by(first.model_copy(update={"who": "Mallory"}))
    for entry in rest:
        forged = forged.followed_by(entry)
    found = lines(trail.population(chain=forged, anchors=trail.population().anchors))
    assert all(line.startswith("anchor-differs: entry ") for line in found)
    assert len(found) == 5


def test_a_tail_that_was_cut_is_found_by_an_anchor(whole: Population) -> None:
    last = whole.chain.entries[-1]
    cut = replace(whole.chain, entries=whole.chain.entries[:-1])
    tagged = (*whole.anchors, Anchor("tag of build 108", last.sequence, last.sha256))
    assert codes(replace(whole, chain=cut, anchors=tagged)) == {"anchor-differs"}


def test_a_deployment_that_never_ended_is_named(tmp_path: Path) -> None:
    trail = make_trail(tmp_path)
    trail.deploy("d6", 1, "", 109)
    assert lines(trail.population()) == [f"deployment-open: deployment d6 (found begun {day(trail.today)})"]


def test_a_run_that_no_entry_tells_of_is_named_once_it_has_ended(whole: Population) -> None:
    running = RunFacts("r8", "Running", day(1), "", "spn", {}, {})
    ended = replace(running, id="r9", status="Canceled")
    assert lines(replace(whole, runs=(*whole.runs, running, ended))) == [
        f"run-unrecorded: run r9 (found Canceled, created {day(1)})"
    ]


@pytest.mark.parametrize("tags", [{}, {"problem": "p"}])
def test_a_table_that_no_entry_tells_of_is_named(whole: Population, tags: dict[str, str]) -> None:
    tables = (*whole.tables, TableFacts("data", 3, tags))
    assert lines(replace(whole, tables=tables)) == ["table-unrecorded: data version data:3"]


def test_tables_of_an_earlier_version_are_not_named(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.upload(2)
    trail.tables.append(TableFacts("data", 1, {"problem": "p"}))
    assert lines(trail.population(services=(), live=None)) == []


def test_a_deleted_table_is_named(whole: Population) -> None:
    assert "table-gone: data version data:1 (expected every number up to the newest)" in lines(
        replace(whole, tables=whole.tables[1:])
    )


@pytest.mark.parametrize(
    ("tag", "files", "told"),
    [
        ("data 1", ("f" * 64,), f"file of data version data:1 (found sha256 {'f' * 64}; "),
        ("data 1", (), "file of data version data:1 (found no file; "),
        ("data 1", (sha("data 1"), "f" * 64), f"file of data version data:1 (found sha256 {sha('data 1')} and fff"),
        ("data 7", (sha("data 1"),), f"tag sha256 of data version data:1 (found sha256 {sha('data 7')}; "),
    ],
)
def test_a_table_that_was_changed_is_named_with_both_hashes(
    whole: Population, tag: str, files: tuple[str, ...], told: str
) -> None:
    changed = replace(whole.tables[0], tags={"problem": "p", "sha256": sha(tag)}, files=files)
    (line,) = lines(replace(whole, tables=(changed, *whole.tables[1:])))
    assert line.startswith(f"table-changed: {told}")
    assert line.endswith(f"expected sha256 {sha('data 1')})")


def test_a_table_of_an_earlier_version_is_compared_with_its_tag(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.upload(2)
    earlier = TableFacts("data", 1, {"problem": "p", "sha256": sha("data 1")}, (sha("data 1"),))
    trail.tables.append(earlier)
    assert lines(trail.population(services=(), live=None)) == []
    trail.tables[-1] = replace(earlier, files=("f" * 64,))
    assert [line.partition(" (")[0] for line in lines(trail.population(services=(), live=None))] == [
        "table-changed: file of data version data:1"
    ]


def test_a_model_that_was_registered_outside_the_pipeline_is_named(whole: Population) -> None:
    properties = {"model_sha256": "e" * 64}
    forged = replace(whole.models[0], version=4, properties=properties, files={"model.json": "e" * 64})
    found = lines(replace(whole, models=(*whole.models, forged)))
    assert [line.partition(" (")[0] for line in found] == ["model-unrecorded: model m:4"]


def test_somebodys_own_version_is_a_note_and_no_finding(whole: Population) -> None:
    own = replace(whole.models[0], version=4, properties={}, files={"x.pkl": "e" * 64})
    verified = judge(replace(whole, models=(*whole.models, own)))
    assert not verified.findings
    assert "own code has registered model m:4" in verified.document["notes"][0]


def test_a_champion_that_was_moved_by_hand_is_named(whole: Population) -> None:
    assert lines(replace(whole, champion="m:1")) == ["champion-differs: champion of p (found m:1; expected m:3)"]


def test_a_build_that_azure_devops_has_no_more_is_named(whole: Population) -> None:
    found = lines(replace(whole, builds={**(whole.builds or {}), "103": None}))
    assert [line.partition(" (")[0] for line in found] == ["build-gone: build 103"]


def test_what_a_deployment_left_and_was_changed_is_named(whole: Population) -> None:
    changed = (DeploymentFacts("d1", True, ("scoring_sha256 is 1, expected 2",), ""), *whole.deployments[1:])
    assert lines(replace(whole, deployments=changed)) == [
        "record-changed: deployment d1: scoring_sha256 is 1, expected 2"
    ]
    gone = (DeploymentFacts("d1", False, (), ""), *whole.deployments[1:])
    assert lines(replace(whole, deployments=gone)) == ["run-gone: run d1 of a deployment"]


def test_a_field_that_was_edited_is_named_as_history_names_it(whole: Population) -> None:
    row = {"run_id": "r1", "intact": False, "differences": []}
    differences = tuple(History("w", {"runs": [row]}).not_intact)
    assert lines(replace(whole, differences=differences)) == ["record-changed: runs: r1"]


def test_an_entry_that_names_a_deployment_nobody_opened_is_dangling(tmp_path: Path) -> None:
    trail = make_trail(tmp_path)
    trail.deploy("d6", 1, "succeeded", 109, back_to="d0")
    found = lines(trail.population())
    assert found == [f"reference-dangling: entry {len(trail.chain.entries) - 1} of the ledger (found back_to d0)"]


@pytest.mark.parametrize("how", ["changed", "removed", "reordered", "inserted"])
def test_entries_that_were_tampered_with_are_named(trail: Trail, whole: Population, how: str) -> None:
    blobs, stored = MemoryBlobs(), {}
    for entry in trail.chain.entries:
        stored[store.path("p", entry.sequence)] = entry.content
    names = sorted(stored)
    if how == "changed":
        stored[names[3]] = stored[names[3]].replace(b"Ada", b"Eve")
    elif how == "removed":
        del stored[names[3]]
    elif how == "reordered":
        stored[names[3]], stored[names[4]] = stored[names[4]], stored[names[3]]
    else:
        stored[store.path("p", len(names) + 1)] = stored[names[3]]
    blobs.stored.update(stored)
    changes: dict[str, Any] = {"chain": store.read(blobs, "p")}
    assert "ledger-changed" in codes(replace(whole, **changes))
