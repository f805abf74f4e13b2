"""Somebody with write access to the workspace changes what an auditor would read: each change is named.

A server of its own, because the store is changed behind its back while it is down.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.machine_learning.storage.state import StateFolder
from tests.preloading import preloaded
from tests.story.product import Product, clean_environment, raised_table
from tests.story.tampering import tampered

pytestmark = [pytest.mark.slow, pytest.mark.campaign]

DATA = "paid-amount-transactions"
_ROWS = "SELECT seq, workspace, kind, id, name, parent, doc FROM entity WHERE"
ADA = {"TF_BUILD": "True", "BUILD_REASON": "Manual", "BUILD_REQUESTEDFOR": "Ada Lovelace"}
OVERRIDE = ("--override-by", "Ada Lovelace", "--override-reason", "the new tariff")


@dataclass
class Office:
    """A product with its own server, and the way to its store and files."""

    state: StateFolder
    home: Path
    product: Product

    def forge(self, changes: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
        """Stop the server, change properties of (kind, id) in its database, start it again."""
        lifecycle.stop(self.state)
        with closing(sqlite3.connect(self.state.database)) as store, store:
            for what, properties in changes.items():
                found = store.execute("SELECT seq, doc FROM entity WHERE kind = ? AND id = ?", what).fetchall()
                assert found, f"no {what}"
                for row, text in found:
                    document = json.loads(text)
                    document["properties"] = {**document["properties"], **properties}
                    store.execute("UPDATE entity SET doc = ? WHERE seq = ?", (json.dumps(document), row))
        self.start()

    @contextmanager
    def without(self, *objects: tuple[str, str]) -> Iterator[None]:
        """The server, as long as the block lasts, without objects that each are known by (kind, id)."""
        lifecycle.stop(self.state)
        with closing(sqlite3.connect(self.state.database)) as store, store:
            found = [row for what in objects for row in store.execute(f"{_ROWS} kind = ? AND id = ?", what)]
            store.executemany("DELETE FROM entity WHERE seq = ?", [row[:1] for row in found])
        assert len(found) >= len(objects)
        self.start()
        try:
            yield
        finally:
            lifecycle.stop(self.state)
            with closing(sqlite3.connect(self.state.database)) as store, store:
                store.executemany("INSERT INTO entity VALUES (?, ?, ?, ?, ?, ?, ?)", found)
            self.start()

    def start(self) -> None:
        """Start the server; its port and token are new ones."""
        info = lifecycle.start(self.state)
        clean = clean_environment(self.home)
        environment = preloaded(self.state, clean | client_variables(self.state, info, clean))
        self.product = Product(environment, self.product.settings if hasattr(self, "product") else {})

    def files(self, end: str) -> list[Path]:
        """Files of the storage account whose path ends so."""
        return [path for path in self.state.blobs.rglob("*") if str(path).endswith(end)]

    def history(self, folder: Path, code: int = 0) -> tuple[dict[str, list[dict[str, Any]]], str]:
        """Every exported kind, and what standard error says."""
        ended = self.product.run("history", "--out", folder, code=code)
        return {path.stem: json.loads(path.read_text())[path.stem] for path in folder.glob("*.json")}, ended.err


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A model that was released for Ada, then one that she accepted against the gate, released too."""
    state = StateFolder(tmp_path_factory.mktemp("office") / "state")
    opened = Office(state, tmp_path_factory.mktemp("home"), Product({}))
    opened.start()
    opened.product = opened.product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="local-production")
    product = opened.product
    product.run("data", "upload")
    product.run("run", "--unpublished", "--evidence", tmp_path_factory.mktemp("evidence"))
    product.with_settings(BUILD_BUILDID=1, **ADA).run("release", "--model-version", 1)
    product.run("data", "upload", "--file", raised_table(tmp_path_factory.mktemp("table") / "raised.csv", 1.01))
    product.with_settings(**ADA).run("run", "--unpublished", *OVERRIDE)
    product.with_settings(BUILD_BUILDID=2, **ADA).run("release", "--model-version", 2)
    yield opened
    lifecycle.stop(state)


@pytest.fixture(scope="module")
def honest(office: Office, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The history before anybody touched it."""
    return office.history(tmp_path_factory.mktemp("honest"))[0]


def test_the_honest_history_is_intact_and_names_who(honest: dict[str, list[dict[str, Any]]]) -> None:
    assert all(row["intact"] is True for rows in honest.values() for row in rows)
    second, first = honest["releases"]
    assert (first["requested_for"], first["created_by"]) == ("Ada Lovelace", "Local User")
    assert (first["override_by"], second["override_by"]) == ("", "Ada Lovelace")
    assert second["override_reason"] == "the new tariff"
    runs = {row["requested_for"]: row for row in honest["runs"]}
    assert (runs[""]["override_by"], runs["Ada Lovelace"]["override_by"]) == ("", "Ada Lovelace")
    assert {row["created_by"] for row in honest["runs"]} == {"Local User"}
    overridden = {row["version"]: row["override_by"] for row in honest["models"]}
    assert overridden == {1: "", 2: "Ada Lovelace"}
    assert {row["created_by"] for row in honest["models"]} == {"Local User"}


def test_verify_says_whose_number_is_whose(office: Office) -> None:
    office.product.run("rollback", "--to", 1, "--reason", "worse")
    office.product.run("rollback", "--to", 2, "--reason", "worse")
    said = office.product.run("verify", "--horizon", 1).out
    assert "paid-amount:2 is its number in local-development; the copy in local-production" in said


def test_a_superseded_version_is_told_what_is_newer_and_what_to_do(office: Office) -> None:
    said = office.product.run("release", "--model-version", 1, code=3).err
    assert "version 1 of model paid-amount is superseded" in said
    assert "the gate compared it with no champion" in said
    assert "compared with version 2, which is champion by now" in said
    assert "rollback --to NUMBER" in said


@pytest.mark.parametrize("file", ["decision.json", "report.html"])
def test_verify_release_and_rollback_refuse_a_changed_evidence_file(office: Office, file: str) -> None:
    copies = {path: path.read_bytes() for path in office.files(f"model/{file}") if "LocalUpload" in str(path)}
    assert len(copies) == 4, "two versions in two workspaces"
    for path, content in copies.items():
        serves = b"Ada Lovelace" in content
        with tampered([path]):
            refused = office.product.run(
                *(("verify",) if serves else ("rollback", "--to", 1, "--reason", "worse")), code=3
            )
            if serves:
                office.product.run("release", "--model-version", 2, code=3)
        number = 2 if serves else 1
        assert f"the {file} of model paid-amount:" in refused.err
        assert re.search(rf":{number} in workspace local-development|:\d+ in workspace local-production", refused.err)
        assert "differs from the one recorded at its release" in refused.err
    office.product.run("verify", "--horizon", 1)


def test_a_damaged_ledger_is_named_stops_production_and_is_restored_from_the_copy(
    office: Office, tmp_path: Path
) -> None:
    ledger = next(path for path in office.state.blobs.rglob("ledger/paid_amount") if path.is_dir())
    copy = shutil.copytree(ledger, tmp_path / "copy")
    entries = sorted(ledger.iterdir())
    office.history(tmp_path / "honest")
    forged = next(number for number, entry in enumerate(entries) if b"Ada Lovelace" in entry.read_bytes())
    entries[forged].write_bytes(entries[forged].read_bytes().replace(b"Ada Lovelace", b"Eva Lovelace"))
    entries[forged + 2].unlink()
    _, said = office.history(tmp_path / "damaged", code=3)
    assert f"error: ledger: ledger/paid_amount/{entries[forged + 1].name}: follows an entry with sha256 " in said
    assert f"error: ledger: ledger/paid_amount/{entries[forged + 2].name}: it is missing" in said
    for words in (
        ("verify",),
        ("release", "--model-version", "champion"),
        ("rollback", "--to", "previous", "--reason", "worse"),
    ):
        refused = office.product.run(*words, code=3).err
        assert (
            "the ledger of the problem paid_amount was changed or damaged; this command has changed nothing"
            in refused
        )
    shutil.copytree(copy, ledger, dirs_exist_ok=True)
    last = max(number for number, entry in enumerate(entries) if b"deployment.succeeded" in entry.read_bytes())
    for entry in entries[last:]:
        entry.unlink()
    _, said = office.history(tmp_path / "cut", code=3)
    assert "error: ledger: ledger/paid_amount: no entry tells that deployment " in said
    shutil.copytree(copy, ledger, dirs_exist_ok=True)
    office.history(tmp_path / "restored")
    office.product.run("verify", "--horizon", 1)


def test_every_forged_figure_is_named_with_both_values(
    office: Office, honest: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    now, _ = office.history(tmp_path / "before")
    release, run = next(row for row in now["releases"] if row["model_version"] == "1"), honest["runs"][0]
    office.forge(
        {
            ("run", release["deployment"]): {"commit": "c0ffee", "scoring_sha256": "f" * 64},
            ("run", run["run_id"]): {"outcome": "kept"},
            ("model", "paid-amount:1"): {"recipe": "magic()"},
        }
    )
    forged, said = office.history(tmp_path / "after", code=3)
    for kind, what, field, told in (
        ("releases", release["deployment"], "commit", f"is c0ffee, release.json says {release['commit']}"),
        ("releases", release["deployment"], "scoring_sha256", f"is {'f' * 64}, release.json says "),
        ("runs", run["run_id"], "outcome", "is kept, decision.json says accepted"),
        ("models", "paid-amount:1", "recipe", "is magic(), decision.json says same_weekday_mean(weeks=8)"),
    ):
        assert f"error: {kind}: {what}: {field} {told}" in said
    assert len([line for line in said.splitlines() if line.startswith("error:")]) == 4
    assert [row["deployment"] for row in forged["releases"] if not row["intact"]] == [release["deployment"]]
    with (tmp_path / "after/runs.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["run_id"]: row for row in csv.DictReader(file)}
    assert rows[run["run_id"]]["intact"] == "False"
    assert "release.json" in office.product.run("rollback", "--to", 1, "--reason", "worse", code=3).err, (
        "no way back to a forged record"
    )


def test_a_removed_hash_or_file_does_not_make_a_record_intact(
    office: Office, honest: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    run = honest["runs"][-1]["run_id"]
    for path in office.files(f"{run}/decision.json"):
        path.write_text("no JSON")
    _, said = office.history(tmp_path, code=3)
    assert f"error: decisions: {run}: decision_sha256 is " in said
    assert f"error: runs: {run}: decision_sha256 is " in said


def test_what_was_deleted_from_the_workspace_and_other_bytes_of_data_are_named(
    office: Office, honest: dict[str, list[dict[str, Any]]]
) -> None:
    """Whoever may write to the workspace deletes runs, models, data versions and an entry of the ledger."""
    run, deployment = honest["runs"][0]["run_id"], honest["releases"][-1]["deployment"]
    gone = [("run", run), ("run", deployment), ("model", "paid-amount:1"), ("dataset_version", f"{DATA}/1")]
    sha256 = honest["runs"][0]["data_sha256"]
    (newest,) = (path for path in office.files("/data.csv") if f"{DATA}/{sha256}/" in str(path))
    entry = next(path for path in office.files("/00000003.json"))
    with tampered([newest], removed=[entry]), office.without(*gone):
        said = office.product.run("audit", "verify", code=3).err
    for line in (
        f"run-gone: run {run} (expected it, as entry ",
        f"run-gone: run {deployment} of a deployment",
        "model-gone: model version 1 (expected it, as entry ",
        "model-gone: model version 1 in workspace local-production (expected it, as entry ",
        f"table-gone: data version {DATA}:1 (expected every number up to the newest)",
        f"table-changed: file of data version {DATA}:2 (found sha256 ",
        "ledger-changed: ledger/paid_amount/00000003.json: it is missing",
    ):
        assert f"error: {line}" in said, said
