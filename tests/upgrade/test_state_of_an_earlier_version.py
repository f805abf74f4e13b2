"""What an earlier version has stored and registered goes on: services, evidence, reuse, release, rollback.

`state-0.1.0.tar.xz` was written by version 0.1.0 (commit 1f07bfc): version 1 of the model, made from a weak recipe,
was released to production; version 2 was accepted afterwards and never released. It holds `blobs/` and
`store.sqlite` after `local_azure down`. A file is added for each release and none is ever written again.

The tests of this module go on from each other: they are one upgrade, in the order of the file.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.story.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("upgrade")]


def test_services_return_and_the_record_of_production_verifies(product: Product) -> None:
    status = product.run("status", "--json").document
    assert status["service"]["state"] == "Healthy"
    assert product.run("smoke").code == 0
    unverified = product.run("verify", code=3).err
    assert "the code of service paid-amount is unverified; everything else agrees with the ledger" in unverified
    assert "its scoring script does not report the hash of its folder" in unverified


def test_hashes_and_figures_in_the_history_are_intact(product: Product, tmp_path: Path) -> None:
    product.run("history", "--out", tmp_path)
    models, releases, decisions = (
        list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
        for name in ("models", "releases", "decisions")
    )
    assert [row["version"] for row in models] == ["2", "1"]
    assert len(releases) == 1
    assert {row["intact"] for row in [*models, *releases, *decisions]} == {"True"}


def test_the_published_pipeline_runs_and_reuses_what_it_had_trained(product: Product) -> None:
    ended = product.run("run", "--reason", "manual")
    assert "kept" in ended.out or "accepted" in ended.out
    assert ended.out.count("Finished (reused)") == 2


def releases(product: Product, folder: Path) -> list[dict[str, str]]:
    """The deployments of the history, the oldest first."""
    product.run("history", "--out", folder)
    return list(csv.DictReader((folder / "releases.csv").read_text().splitlines()))[::-1]


@pytest.mark.campaign
def test_a_model_registered_by_the_earlier_version_is_released_and_rolled_back(
    product: Product, tmp_path: Path
) -> None:
    before = releases(product, tmp_path / "before")
    product.run("release", "--model-version", "2")
    assert "paid-amount:2" in product.run("verify").out
    product.run("rollback", "--to", "1", "--reason", "worse")
    assert product.run("status", "--json").document["production"]["service"]["models"] == ["paid-amount:1"]
    unverified = product.run("verify", code=3).err
    assert "its scoring script does not report the hash of its folder" in unverified, "the one of the earlier version"
    assert "update time and image" not in unverified
    after = releases(product, tmp_path / "after")
    assert after[:1] == before, "the record of the earlier version has moved to the ledger as it was"
    assert [(row["event"], row["model_version"], row["state"], row["intact"]) for row in after] == [
        ("release", "1", "succeeded", "True"),
        ("release", "2", "succeeded", "True"),
        ("rollback", "1", "succeeded", "True"),
    ]
    assert [row["from"] for row in after] == ["none", after[0]["deployment"], after[1]["deployment"]]
