"""The story of production: train, release, new data, release, back, forth and redeploy; and what goes wrong between.

After every move the live service, champion, ledger, endpoint and all that is printed about them agree.
"""

from __future__ import annotations

import csv
import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.story.conftest import MakeProduct
from tests.story.product import Sdk, champions, cut_table
from tests.story.production import (
    PRODUCTION,
    ROLLBACK,
    TRAINING,
    Agreed,
    Shop,
    agreed,
    break_lease,
    copies,
    deploying,
    edited,
    killed_while_it_deploys,
    serving,
    shop_of,
    stored,
)
from tests.story.tampering import tampered

pytestmark = [pytest.mark.slow, pytest.mark.campaign]


def test_the_run_tells_the_agent_and_moves_no_champion(shop: Shop, name: str) -> None:
    told = dict(
        line.removeprefix("##vso[task.setvariable variable=").split(";isOutput=true]")
        for line in shop.accepted.out.splitlines()
        if line.startswith("##vso[task.setvariable")
    )
    assert (told["outcome"], told["reason"], told["modelVersion"]) == ("accepted", "first-model", "1")
    card, page = (Path(path) for path in re.findall(r"^##vso\[task\.uploadsummary\](.+)$", shop.accepted.out, re.M))
    assert card.read_text().startswith(f"# Release of {name}:1")
    assert f"{name} version 1" in page.read_text()
    assert "local rehearsal" in page.read_text()
    assert json.loads((page.parent / "decision.json").read_text())["evidence"]["outcome"] == "accepted"
    assert "##vso[build.addbuildtag]accepted" in shop.accepted.out
    assert shop.before_release == [], "with a production environment only a release makes the champion"


def test_all_agree_after_every_move(shop: Shop) -> None:
    moves = {move: (found.event, found.version, found.default) for move, found in shop.agreed.items()}
    assert moves == {
        "first": ("release", 1, "101"),
        "refused": ("release", 1, "102"),  # as the publication of the new build has left it
        "second": ("release", 2, "102"),
        "back": ("rollback", 1, "101"),
        "forth": ("rollback", 2, "102"),
        "redeployed": ("release", 2, "102"),
    }
    assert shop.agreed["refused"] == Agreed(**{**vars(shop.agreed["first"]), "default": "102"})
    scripts = {move: found.scoring for move, found in shop.agreed.items()}
    assert len({scripts.pop("redeployed"), *scripts.values()}) == 2


def test_the_card_of_each_move_says_what_serves_and_what_would(shop: Shop, name: str) -> None:
    told = {
        move: (
            card["kind"],
            card["serves_now"] and card["serves_now"]["version"]["model"],
            card["proposed"]["model"],
            card["serves_now"] and card["serves_now"]["check"],
        )
        for move, card in shop.cards.items()
    }
    assert told == {
        "first": ("release", None, f"{name}:1", None),
        "back": ("rollback", f"{name}:2", f"{name}:1", "as-recorded"),
        "redeployed": ("redeploy", f"{name}:2", f"{name}:2", "as-recorded"),
    }
    back, again = shop.cards["back"], shop.cards["redeployed"]
    assert back["restores"] == shop.agreed["first"].deployment
    assert back["serves_now"]["deployment"] == shop.agreed["second"].deployment
    assert (back["asked"]["why"], back["report"], back["verdict"]["status"]) == ("worse", "report.html", "accepted")
    assert "a rollback gives that up" in back["improvement"]["sentence"]
    assert again["proposed"]["scoring_sha256"] == shop.agreed["redeployed"].scoring
    assert [(item["what"], item["reason"]) for item in again["earlier"]][:1] == [("rolled back", "worse")]
    assert any("were rolled back" in warning for warning in again["warnings"])


def test_what_a_rollback_would_refuse_is_refused_before_anybody_is_asked(shop: Shop, tmp_path: Path) -> None:
    words = ("--evidence", tmp_path / "card")
    assert "has never served" in shop.product.run(*ROLLBACK, "--to", 99, *words, code=3).err
    assert "needs a reason" in shop.product.run("propose", "rollback", "--to", 1, *words, code=2).err
    assert not (tmp_path / "card").exists()


def test_the_first_release_copies_exactly_that_version(shop: Shop, name: str, sdk: Sdk) -> None:
    document = shop.first.document
    assert (document["content"]["model_version"], document["before"], document["already"]) == ("1", "none", False)
    assert document["evidence"] == {"evidence": "local rehearsal"}
    copy = sdk(copies, name)[2]
    assert (copy["origin_workspace"], copy["origin_version"]) == ("local-development", "1")
    assert copy["model_sha256"] == document["content"]["model_sha256"]
    assert shop.kept.document["outcome"] == "kept", "the released version is the champion to beat"


def test_a_failing_check_is_undone_and_red(shop: Shop, name: str) -> None:
    assert "gives other answers than its registered model" in shop.refused.err
    assert f"rolled back automatically: {name}:1" in shop.refused.err
    live, _, happened = shop.refused.err.partition("live now: ")[2].partition("\nwhat happened: ")
    assert live.strip().startswith(f"{name}:1 in workspace {PRODUCTION}, service {name} Healthy, deployed ")
    assert "error: service" in happened
    assert "\nwhat to do next: " in happened
    for event in ("live_check.failed", "release.failed"):
        assert f"notification {event}: not sent" in shop.refused.err, "a receiver that is dead changes nothing"
    assert f"nothing to do: {name}:1 serves" in shop.hook.out


def test_callers_keep_their_keys_through_releases_and_what_undoes_them(shop: Shop, name: str, sdk: Sdk) -> None:
    keys = shop.keys
    assert f"service {name}: it is new and gets new keys" in shop.first.err
    assert shop.first.document["keys"].startswith("created with the service")
    assert "keys       kept" in shop.second.out
    assert sdk(serving, name)["keys"] == keys
    said = [told for ended in (shop.first, shop.refused, shop.hook, shop.second) for told in (ended.out, ended.err)]
    assert not any(key in told for key in keys for told in said)


def test_a_release_is_repeated_for_nothing(shop: Shop, name: str, sdk: Sdk) -> None:
    assert shop.second.found(r"^##vso\[task\.setvariable variable=modelVersion;isOutput=true\](.+)$") == "2"
    assert f"{name}:2 already served" in shop.product.run("release", "--model-version", "champion").out
    now = sdk(serving, name)
    assert now["labels"]["deployment"] == shop.agreed["redeployed"].deployment
    assert (now["versions"], sdk(champions, name)) == ([3], [2])
    assert now["answer"]["model"]["version"] == "2", "a version has one number, that of the training workspace"


def test_status_shows_production_to_who_may_see_it_only(shop: Shop, name: str) -> None:
    shown = shop.product.run("status", "--json").document["production"]
    assert (shown["service"]["models"], shown["service"]["copies"]) == ([f"{name}:2"], [f"{name}:3"])
    verified = shop.product.run("verify", "--json").document
    assert (verified["model"], verified["copy"]) == (f"{name}:2", f"{name}:3")
    assert verified["service"]["models"] == [verified["smoked"]["model"]] == [f"{name}:2"]
    without = shop.product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="not-mine").run("status")
    assert "production cannot be read: " in without.err
    assert (
        "no production workspace is configured"
        in shop.product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="").run("status").out
    )


def test_going_back_and_forth_are_deployments_of_their_own(shop: Shop, name: str) -> None:
    for move, ended, versions in (("back", shop.back, (2, 1)), ("forth", shop.forth, (1, 2))):
        document = ended.document
        assert (document["before"], document["to"]) == tuple(f"{name}:{version}" for version in versions)
        assert document["deployment"] == shop.agreed[move].deployment


def test_what_may_not_be_released_or_gone_back_to(shop: Shop, name: str, sdk: Sdk) -> None:
    product = shop.product
    assert "is superseded" in product.run("release", "--model-version", 1, code=3).err
    assert "there is no model" in product.run("release", "--model-version", 99, code=2).err
    assert "outcome kept" in product.run("release", "--run", shop.kept.document["run_id"], code=3).err
    assert "has never served" in product.run("rollback", "--to", 99, "--reason", "worse", code=3).err
    test_service = product.with_settings(PRODUCTION_SERVICE_NAME=name, AZUREML_PRODUCTION_WORKSPACE_NAME=TRAINING)
    assert "was not deployed by a release" in test_service.run("release", "--model-version", "champion", code=4).err
    none = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="")
    assert "no production workspace is configured" in none.run("release", "--model-version", 2, code=2).err
    assert sdk(serving, name)["versions"] == [3]


@pytest.mark.parametrize(
    ("end", "said"),
    [("model/model.json", "cannot be trusted"), ("scoring/score.py", "differ from the recorded ones")],
)
def test_a_target_with_another_hash_is_refused(
    shop: Shop, environment: Mapping[str, str], sdk: Sdk, end: str, said: str
) -> None:
    name = shop.product.settings["MODEL_NAME"]
    before = sdk(serving, name)
    with tampered(stored(environment, end)):
        assert said in shop.product.run("rollback", "--to", 1, "--reason", "worse", code=3).err
    after = sdk(serving, name)
    assert (after["labels"], after["state"]) == (before["labels"], "Healthy"), "nothing was changed"


def test_the_history_holds_everything_also_what_failed(shop: Shop, tmp_path: Path) -> None:
    shop.product.run("history", "--out", tmp_path)
    kinds = {path.stem: json.loads(path.read_text())[path.stem] for path in tmp_path.glob("*.json")}
    assert {kind: len(rows) for kind, rows in kinds.items()} == {
        "runs": 3,
        "decisions": 3,
        "models": 2,
        "candidates": 2,
        "releases": 7,
        "findings": 0,
    }
    events = [(row["event"], row["model_version"], row["state"]) for row in reversed(kinds["releases"])]
    assert events == [
        ("release", "1", "succeeded"),
        ("release", "2", "undone"),
        ("release", "2", "abandoned"),
        ("release", "2", "succeeded"),
        ("rollback", "1", "succeeded"),
        ("rollback", "2", "succeeded"),
        ("release", "2", "succeeded"),
    ]
    chain = {row["deployment"]: row["from"] for row in kinds["releases"]}
    assert all(before == "none" or before in chain for before in chain.values())
    assert all(row["intact"] for row in (*kinds["releases"], *kinds["decisions"]))
    for kind, listed in kinds.items():
        with (tmp_path / f"{kind}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len(rows) == 1 + len(listed)
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_a_stopped_release_is_put_right_and_ends_without_changing_anything_when_it_goes_on(
    shop: Shop, name: str, sdk: Sdk, tmp_path: Path
) -> None:
    before = agreed(shop.product, sdk, tmp_path / "before")
    tree = edited(tmp_path / "tree", "mlops_code/score.py", "KEPT_ANSWERS = 32", "KEPT_ANSWERS = 8")
    build = shop.product.from_tree(tree).with_settings(BUILD_BUILDID=105)
    with deploying(build, "release", "--model-version", "champion") as stopped:
        stopped.send_signal(signal.SIGSTOP)
        shop.product.run("history", "--out", tmp_path / "between")
        unfinished = json.loads((tmp_path / "between/releases.json").read_text())["releases"][0]
        assert (unfinished["state"], unfinished["build_id"]) == ("never ended", "105"), "reading changes nothing"
        in_progress = shop.product.run("status", "--json").document["production"]["unfinished"]
        assert [line.partition(", since ")[0].rpartition(", ")[2] for line in in_progress] == ["build 105"]
        undone = build.run("rollback", "--to", "before-this-build", "--reason", "worse")
        assert "locked by: release of version champion by" in undone.err, "until its lease has expired"
        assert "closing as abandoned: release of " in undone.err
        after = agreed(shop.product, sdk, tmp_path / "after")
        stopped.send_signal(signal.SIGCONT)
        assert stopped.stderr is not None
        said = stopped.stderr.read()
        assert stopped.wait(60) == 4
    assert "has lost the lease on production of the problem" in said
    assert "taken over by rollback to before-this-build by " in said
    assert "rolling back" not in said
    assert (after.version, after.scoring) == (before.version, before.scoring)
    assert agreed(shop.product, sdk, tmp_path / "at-last") == after
    rows = json.loads((tmp_path / "at-last/releases.json").read_text())["releases"]
    assert [row["state"] for row in rows].count("abandoned") == 2, "the story has one of its own"


def test_a_killed_first_release_is_withdrawn_and_its_record_says_so(
    make_product: MakeProduct, sdk: Sdk, tmp_path: Path
) -> None:
    product, _ = shop_of(make_product("first"), tmp_path)
    name = product.settings["MODEL_NAME"]
    product.run("data", "upload", "--file", cut_table(tmp_path / "old.csv", "2014-05-03"))
    product.run("run", "--unpublished")
    build = product.with_settings(BUILD_BUILDID=201)
    killed_while_it_deploys(build, "1")
    sdk(break_lease, name.replace("-", "_"))
    undone = build.run("rollback", "--to", "before-this-build", "--reason", "worse", "--json").document
    assert (undone["to"], bool(undone["deployment"])) == ("none", True)
    assert "nothing serves now" in build.run("rollback", "--to", "before-this-build", "--reason", "worse").out, (
        "repeated for nothing"
    )
    assert "there is no service" in product.run("verify", code=1).err
    assert sdk(champions, name) == []
    product.with_settings(BUILD_BUILDID=202).run("release", "--model-version", 1)
    product.run("history", "--out", tmp_path / "history")
    rows = json.loads((tmp_path / "history/releases.json").read_text())["releases"]
    told = [(row["event"], row["build_id"], row["state"], row["from"], row["serves"]) for row in reversed(rows)]
    assert told == [
        ("release", "201", "abandoned", "none", "unknown"),
        ("release", "202", "succeeded", "none", f"{name}:1"),
    ]
    attempt = rows[-1]
    assert (attempt["deployment"], attempt["intact"]) == (undone["deployment"], True)
    assert "its process ended before the deployment did; closed in build 201" in attempt["reason"]
    assert attempt["ended"]


def test_no_file_is_left_in_the_working_directory(shop: Shop) -> None:
    assert list(shop.product.tree.glob("re*-*/model")) == []
