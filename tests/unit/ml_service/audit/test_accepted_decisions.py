"""What the dossier tells of decisions that accepted the bytes of a version that exists already."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ml_service.audit.events import kinds
from ml_service.audit.events.kinds import Attempt
from ml_service.azure_devops.approvals import Status
from ml_service.errors import CheckFailedError
from tests.unit.ml_service.audit.test_dossier_reading import Dossier, dossier_of
from tests.unit.ml_service.audit.trail import Trail, day, make_trail, sha


@pytest.fixture(scope="module")
def same_bytes(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    """A run that an override accepts, whose model has the bytes of version 1, and whose release is refused."""
    folder = tmp_path_factory.mktemp("same")
    trail = Trail(folder / "trail")
    trail.upload(1)
    trail.accept(1, trail.train("r1", "accepted", "model 1"))
    trail.deploy("d1", 1, "succeeded", 101)
    trail.train("r2", "override", "model 1", build=103)
    trail.answer(103, Status.APPROVED, "seen")
    error = CheckFailedError("version 1 has another decision than the approved one")
    trail.add(kinds.refused(Attempt("release", "version 1", day(trail.today)), error, trail.actor(103)))
    return dossier_of(trail, folder)


def test_a_decision_by_which_nothing_was_deployed_is_listed_with_its_refusal(same_bytes: Dossier) -> None:
    said = same_bytes.section("why-not")
    assert re.search(r"m:1 [^,]+ e\d+ , training run r2 , by an override of Ada \( e\d+ \); no deployment", said)
    assert "version 1 has another decision than the approved one" in said
    assert not said.endswith("none")
    assert "training run r1" not in said


def test_the_page_of_a_version_names_every_run_that_made_its_bytes(same_bytes: Dossier) -> None:
    said = same_bytes.section("model-1")
    assert "Decision on run r1: accepted" in said
    assert "Decision on run r2: accepted, override" in said
    assert "approval of stage Production of build 103 was given" in said
    assert "version 1 has another decision than the approved one" in said


def test_an_override_names_the_version_that_has_its_bytes_and_no_deployment_of_another_run(
    same_bytes: Dossier,
) -> None:
    said = same_bytes.section("overrides")
    assert "m:1 , training run r2" in said
    assert "never" in said
    accepted = r"the gate \( e\d+ \), a person by an override of Ada \( e\d+ \)"
    assert re.search(accepted, same_bytes.section("versions"))
    assert "by an override" not in same_bytes.section("deployments")


def test_what_is_still_open_is_listed(same_bytes: Dossier, tmp_path: Path) -> None:
    said = same_bytes.section("still-open")
    assert re.search(r"approval given: stage Production of build 103 Grace, build 103 nothing was deployed", said)
    assert "its request was refused" in said
    trail = make_trail(tmp_path / "trail")
    assert "none recorded" in dossier_of(trail, tmp_path).section("still-open")
    trail.add(kinds.approval_requested("redeploy", "m:3", "again", trail.actor(108), {}))
    said = dossier_of(trail, tmp_path).section("still-open")
    assert "approval requested: m:3" in said
    assert "nobody has answered, and nothing was deployed" in said


def test_runs_link_to_their_rows_and_hashes_of_what_served_are_short(same_bytes: Dossier) -> None:
    assert re.search(r'<a href="?#r-r2"?>', same_bytes.page)
    assert re.search(r'<tr id="?r-r2"?>', same_bytes.page)
    shown = same_bytes.section("when")
    assert f"model {sha('model 1')[:12]} scoring" in shown
    assert sha("model 1") not in shown
    assert f'title="{sha("model 1")}"' in same_bytes.page


def test_an_override_is_given_before_the_result_exists_and_tables_are_not_included(same_bytes: Dossier) -> None:
    assert "before its result exists" in same_bytes.section("overrides")
    assert "does not contain the tables" in same_bytes.section("data")
