"""The story of production: train, release, new data, release, back, forth and redeploy; and what goes wrong between.

After every move the live service, champion, ledger, endpoint and all that is printed about them agree.
"""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_service.training.snapshots import assemble_scoring
from tests.agreement import agree
from tests.runbooks import walk
from tests.story.conftest import MakeProduct
from tests.story.product import Product, Sdk, champions, cut_table, shifted_table
from tests.story.production import (
    PRODUCTION,
    ROLLBACK,
    SCORING,
    TRAINING,
    Agreed,
    Shop,
    agreed,
    break_lease,
    copies,
    deploying,
    edited,
    in_production,
    killed_while_it_deploys,
    serving,
    shop_of,
    stored,
)

pytestmark = [pytest.mark.slow, pytest.mark.campaign]


@pytest.fixture
def name(shop: Shop) -> str:
    """Name of model and service."""
    return shop.product.settings["MODEL_NAME"]


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
    originals = {path: path.read_bytes() for path in stored(environment, end)}
    try:
        for path, content in originals.items():
            path.write_bytes(content + b" ")
        assert said in shop.product.run("rollback", "--to", 1, "--reason", "worse", code=3).err
    finally:
        for path, content in originals.items():
            path.write_bytes(content)
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
    with deploying(build) as stopped:
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


def deploy_by_hand(workspace: Any, name: str, scoring: str, environment: str) -> None:
    """Deploy another scoring folder over the production service, with its model, tags and properties."""
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice, Webservice

    production = in_production(workspace)
    found = Webservice(production, name)
    settings = AciWebservice.deploy_configuration(
        cpu_cores=0.5, memory_gb=1, auth_enabled=True, tags=found.tags, properties=found.properties
    )
    conda = Environment.from_conda_specification("forecast-scoring", environment)
    inference = InferenceConfig(entry_script="score.py", source_directory=scoring, environment=conda)
    Model.deploy(production, name, found.models, inference, settings, overwrite=True).wait_for_deployment()


def remove_tags(workspace: Any, name: str) -> None:
    """Let the production service say nothing of who made it."""
    from azureml.core.webservice import Webservice

    Webservice(in_production(workspace), name).update(tags={})


TAKE_OVER = ("--take-over", "--reason", "a hotfix on Friday")


def change_by_hand(name: str, sdk: Sdk, folder: Path) -> None:
    """Deploy code whose answers are right for 28 days only, with all that the service said of itself before."""
    tree = edited(
        folder / "tree", SCORING, '"value": value}', '"value": value * (1 if question.horizon == 28 else 3)}'
    )
    scoring = assemble_scoring(folder / "scoring", tree / "mlops_code")
    before = sdk(serving, name)
    sdk(deploy_by_hand, name, str(scoring.folder), str(scoring.environment))
    now = sdk(serving, name)
    assert (now["labels"], now["versions"]) == (before["labels"], before["versions"])


def refuses_what_was_changed_by_hand(product: Product, name: str, words: str) -> None:
    """Run a verb that must not touch the service."""
    refused = product.run(*words.split(), code=4).err
    assert f"service {name} in workspace {PRODUCTION} was changed by hand" in refused, words


def test_code_that_is_deployed_by_hand_is_noticed_and_taken_over(
    shop: Shop, name: str, sdk: Sdk, tmp_path: Path
) -> None:
    product = shop.product
    change_by_hand(name, sdk, tmp_path)
    labels = sdk(serving, name)["labels"]
    assert "service_updated" in product.run("verify", "--horizon", 28, code=3).err
    assert "DIFFERS: service" in product.run("status", code=3).out
    found = product.run("audit", "verify", "--json", code=3).document["findings"]
    assert [finding["code"] for finding in found] == ["service-changed"]
    asked = datetime.now(UTC).isoformat(timespec="seconds")
    (answer,) = product.run("audit", "at", "--date", asked, "--json", code=3).document["answers"]
    assert (answer["status"], "changed by hand" in answer["why"]) == ("unknown", True)
    refuses_what_was_changed_by_hand(product, name, "rollback --to previous --reason worse")
    assert sdk(serving, name)["labels"] == labels, "nothing was changed"
    taken = product.run("release", "--model-version", "champion", *TAKE_OVER)
    assert "taking over service" in taken.err
    agreed(product, sdk, tmp_path / "after")
    last = json.loads((tmp_path / "after/releases.json").read_text())["releases"][0]
    assert (last["take_over"], last["intact"]) == ("a hotfix on Friday", True)
    (answer,) = product.run("audit", "at", "--date", asked, "--json", code=3).document["answers"]
    assert "replaced it" in answer["why"], "the record of the take-over tells since when"


def test_every_verb_refuses_code_that_was_deployed_by_hand_and_each_can_take_it_over(
    shop: Shop, name: str, sdk: Sdk, tmp_path: Path
) -> None:
    product = shop.product
    change_by_hand(name, sdk, tmp_path)
    labels = sdk(serving, name)["labels"]
    for words in (
        "rollback --to 2 --reason worse",
        "release --model-version 2",
        "release --model-version champion",
    ):
        refuses_what_was_changed_by_hand(product, name, words)
    assert sdk(serving, name)["labels"] == labels, "nothing was changed"
    sdk(remove_tags, name)
    assert "was not deployed by a release" in product.run("rollback", "--to", 2, "--reason", "worse", code=4).err
    product.run("rollback", "--to", 2, *TAKE_OVER)
    agreed(product, sdk, tmp_path / "tagged")


def inside(interval: dict[str, Any]) -> str:
    """A moment of an interval of an export."""
    begin, end = (datetime.fromisoformat(interval[name]) for name in ("since", "until"))
    return (begin + (end - begin) / 2).isoformat()


def test_the_audit_trail_of_the_story_is_complete_and_proves_itself(
    shop: Shop, name: str, environment: Mapping[str, str], tmp_path: Path
) -> None:
    product, file, folder = shop.product, tmp_path / "audit.zip", tmp_path / "extracted"
    product.run("rollback", "--to", 99, "--reason", "worse", code=3)
    made = product.run("audit", "export", "--out", file, "--json").document
    assert made["findings"] == []
    assert "somebody's own code has registered model" in made["notes"][0]
    with zipfile.ZipFile(file) as opened:
        opened.extractall(folder)
    verify = [sys.executable, "-I", "verify.py", "--anchor", made["sums_sha256"]]
    plain = subprocess.run(verify, cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stderr) == (0, ""), plain.stdout
    product.run("audit", "verify", file, "--anchor", made["sha256"])

    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    kinds = {event["event"] for event in events}
    assert {"data.accepted", "run.finished", "gate.decided", "candidate.accepted", "deployment.undone"} <= kinds
    assert {"approval.requested", "request.refused"} <= kinds
    assert [event["subject"] for event in events if event["event"] == "request.refused"][-1] == "99"
    first, *rest = json.loads((folder / "facts.json").read_text())["intervals"]
    assert (first["status"], first["since"]) == ("unknown", "")
    undone = next(event["subject"] for event in events if event["event"] == "deployment.undone")
    in_failed = next(one for one in rest if one["why"] == f"deployment {undone} was in progress")
    served = next(
        one for one in rest if one["served"] and one["served"]["deployment"] == shop.agreed["first"].deployment
    )
    for date, code, status in (
        ("2026-01-01", 3, "unknown"),
        (inside(in_failed), 3, "unknown"),
        (inside(served), 0, "served"),
    ):
        (answer,) = product.run("audit", "at", "--date", date, "--json", code=code).document["answers"]
        assert answer["status"] == status, date
    assert answer["served"]["model"] == f"{name}:1"
    assert answer["gate"]["rules"]

    originals = {
        path: path.read_bytes()
        for end in ("model/model.json", "report.html", "decision.json")
        for path in stored(environment, end)
    }
    try:
        for path, content in originals.items():
            path.write_bytes(content + b" ")
        said = product.run("audit", "verify", code=3).err
    finally:
        for path, content in originals.items():
            path.write_bytes(content)
    for what in (
        f"model-changed: model {name}:1 ",
        f"report.html beside model {name}:2 ",
        f"decision.json beside copy {name}:2 in workspace {PRODUCTION}",
        f"report.html of run {events[1]['subject']}",
        f"decision.json of run {events[1]['subject']}",
    ):
        assert what in said, what
    assert product.run("audit", "verify", "--json").document["findings"] == []


def test_the_runbooks_of_production_are_walked_in_their_order(shop: Shop, name: str, tmp_path: Path) -> None:
    """A candidate is approved, then withdrawn, released nevertheless, found wrong, and rolled back."""
    product = shop.product
    before = agree(product).serves
    product.run("data", "upload", "--file", shifted_table(tmp_path / "raised.csv", "2014-05-31", "", 1.01))
    override = ("--override-by", "Ada", "--override-reason", "a new tariff")
    run_id = product.run("run", "--unpublished", *override, "--json").document["run_id"]
    newest = product.run("candidates", "list", "--json").document["candidates"][0]
    number = newest["model"].rpartition(":")[2]
    values = {
        "NUMBER": number,
        "TEXT": "walked through",
        "RUN_ID": run_id,
        "out/failed-check": tmp_path / "failed-check",
        "out/try": tmp_path / "try",
    }

    status, listed, verified = walk(product, "runbooks/approve.md", values)
    assert newest["model"] in status.out
    assert newest["model"] in listed.out
    assert f"production is as recorded: {before}" in verified.err + verified.out
    *_, withdrawn, released = walk(product, "runbooks/reject.md", values)
    assert "withdrawn" in withdrawn.out + withdrawn.err
    assert f"{newest['model']} released" in released.out
    assert agree(product).serves == newest["model"]
    first, back, again = walk(product, "runbooks/roll-back.md", values)
    assert newest["model"] in first.out
    assert f"to {before}" in back.out
    assert f"production is as recorded: {before}" in again.err + again.out
    found = agree(product)
    assert (found.serves, found.candidates[newest["model"]]["setbacks"][0]["kind"]) == (before, "rolled back")
    walk(product, "runbooks/failed-check.md", values)
    assert (tmp_path / "failed-check/releases.json").is_file()
    followed, tried = walk(product, "runbooks/failed-run.md", values)
    assert "accepted" in followed.out
    assert "nothing was registered or deployed" in tried.out + tried.err
    assert (tmp_path / "try/report.html").is_file()


def test_no_file_is_left_in_the_working_directory(shop: Shop) -> None:
    assert list(shop.product.tree.glob("re*-*/model")) == []
