"""Production: a first release, one that undoes itself, a better one, the way back, and the record of it all."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.story.conftest import MakeProduct
from tests.story.product import Ended, Product, Sdk, champions, copy_tree, write_problem

pytestmark = pytest.mark.slow

PRODUCTION = "local-production"
WEAK = {"training.candidates": [{"recipe": "same_weekday_mean", "weeks": 2}]}


def in_production(workspace: Any) -> Any:
    """The production workspace, by the same sign-in."""
    from azureml.core import Workspace

    return Workspace.get(PRODUCTION, workspace._auth_object, workspace.subscription_id, workspace.resource_group)


def serving(workspace: Any, service: str) -> dict[str, Any]:
    """What the SDK says about the production service: state, model versions there, its labels, one live answer."""
    from azureml.core.webservice import Webservice

    found = Webservice(in_production(workspace), service)
    return {
        "state": str(found.state),
        "versions": [int(model.version) for model in found.models],
        "labels": dict(found.tags),
        "answer": found.run(json.dumps({"horizon": 1})),
        "keys": list(found.get_keys()),
    }


def register_unchecked(workspace: Any, name: str, file: str) -> int:
    """Register somebody's own file in production: from then on both workspaces count differently."""
    from azureml.core import Model

    with chdir(Path(file).parent):  # the SDK registers only what lies below the working directory
        return int(Model.register(in_production(workspace), model_path=file, model_name=name).version)


def copies(workspace: Any, name: str) -> dict[int, dict[str, str]]:
    """Properties of the production workspace's versions of a model."""
    from azureml.core import Model

    return {int(model.version): dict(model.properties) for model in Model.list(in_production(workspace), name=name)}


def stored(environment: Mapping[str, str], end: str) -> list[Path]:
    """Files of the server's storage account whose path ends so."""
    return [path for path in Path(environment["LOCAL_AZURE_STATE"], "blobs").rglob("*") if str(path).endswith(end)]


@dataclass(frozen=True)
class Shop:
    """A product with a production environment, after each of its days."""

    product: Product
    accepted: Ended
    before_release: list[int]
    first: Ended
    after_first: dict[str, Any]
    kept: Ended
    refused: Ended
    hook: Ended
    after_refusal: dict[str, Any]
    champions_after_refusal: list[int]
    second: Ended


@pytest.fixture(scope="module")
def shop(make_product: MakeProduct, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two models, three releases; the scoring script of the second release forecasts one too many."""
    folder = tmp_path_factory.mktemp("shop")
    weak = write_problem(folder / "weak.yml", WEAK)
    product = make_product("shop")
    name = product.settings["MODEL_NAME"]
    product = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME=PRODUCTION, PRODUCTION_SERVICE_NAME=name)
    old = product.with_settings(PROBLEM_FILE=weak)
    tree = copy_tree(folder / "tree")
    answering = tree / "mlops_code/forecasting/serving/forecaster.py"
    sound = answering.read_text()
    assert '"value": value}' in sound
    answering.write_text(sound.replace('"value": value}', '"value": value + 1}'))
    old.run("data", "upload")
    accepted = old.run("run", "--unpublished", "--pipeline-variables", "--evidence", folder / "evidence")
    before_release = sdk(champions, name)
    assert sdk(register_unchecked, name, str(weak)) == 1
    first = old.with_settings(BUILD_BUILDID=101).run("release", "--model-version", 1, "--json")
    after_first = sdk(serving, name)
    kept = old.run("run", "--unpublished", "--json")
    product.run("run", "--unpublished")
    broken = product.from_tree(tree).with_settings(BUILD_BUILDID=102)
    refused = broken.run("release", "--model-version", 2, code=3)
    hook = broken.run("rollback", "--to", "before-this-build")
    return Shop(
        product=product,
        accepted=accepted,
        before_release=before_release,
        first=first,
        after_first=after_first,
        kept=kept,
        refused=refused,
        hook=hook,
        after_refusal=sdk(serving, name),
        champions_after_refusal=sdk(champions, name),
        second=product.with_settings(BUILD_BUILDID=103).run("release", "--model-version", 2, "--pipeline-variables"),
    )


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
    page = Path(shop.accepted.found(r"^##vso\[task\.uploadsummary\](.+)$"))
    assert f"{name} version 1" in page.read_text()
    assert "local rehearsal" in page.read_text()
    assert json.loads((page.parent / "decision.json").read_text())["evidence"]["outcome"] == "accepted"
    assert "##vso[build.addbuildtag]accepted" in shop.accepted.out
    assert shop.before_release == [], "with a production environment only a release makes the champion"


def test_the_first_release_copies_exactly_that_version(shop: Shop, name: str, sdk: Sdk) -> None:
    document = shop.first.document
    assert (document["content"]["model_version"], document["before"], document["already"]) == ("1", "none", False)
    assert document["evidence"] == {"evidence": "local rehearsal"}
    copy = sdk(copies, name)[2]
    assert (copy["origin_workspace"], copy["origin_version"]) == ("local-development", "1")
    assert copy["model_sha256"] == document["content"]["model_sha256"]
    assert shop.kept.document["outcome"] == "kept", "the released version is the champion to beat"


def test_a_failing_check_is_undone_and_red(shop: Shop, name: str) -> None:
    assert "does not answer as its registered model" in shop.refused.err
    assert "rolled back by itself" in shop.refused.err
    assert f"nothing to do: {name}:1 serves" in shop.hook.out
    assert (shop.after_refusal["state"], shop.after_refusal["labels"]["model_version"]) == ("Healthy", "1")
    assert shop.after_refusal["answer"]["model"]["sha256"] == shop.first.document["content"]["model_sha256"]
    assert shop.champions_after_refusal == [1]


def test_callers_keep_their_keys_through_releases_and_what_undoes_them(shop: Shop, name: str, sdk: Sdk) -> None:
    keys = shop.after_first["keys"]
    assert f"service {name}: it is new and gets new keys" in shop.first.err
    assert shop.first.document["keys"].startswith("made with the service")
    assert shop.after_refusal["keys"] == keys
    assert "keys       kept" in shop.second.out
    assert sdk(serving, name)["keys"] == keys
    said = [told for ended in (shop.first, shop.refused, shop.hook, shop.second) for told in (ended.out, ended.err)]
    assert not any(key in told for key in keys for told in said)


def test_the_second_release_is_verified_and_repeated_for_nothing(shop: Shop, name: str, sdk: Sdk) -> None:
    assert shop.second.found(r"^##vso\[task\.setvariable variable=modelVersion;isOutput=true\](.+)$") == "2"
    assert f"verified   {name}:2 serves" in shop.product.run("verify", "--horizon", 3).out
    assert f"{name}:2 already served" in shop.product.run("release", "--model-version", "champion").out
    now = sdk(serving, name)
    assert (now["versions"], sdk(champions, name)) == ([3], [2])
    assert now["answer"]["model"]["version"] == "2", "a version has one number, that of the training workspace"


def test_status_shows_what_serves_in_production_to_who_may_see_it(shop: Shop, name: str) -> None:
    shown = shop.product.run("status", "--json").document["production"]
    assert (shown["workspace"], shown["service"]["state"]) == ("local-production", "Healthy")
    assert (shown["service"]["models"], shown["service"]["copies"]) == ([f"{name}:2"], [f"{name}:3"])
    verified = shop.product.run("verify", "--json").document
    assert (verified["model"], verified["copy"]) == (f"{name}:2", f"{name}:3")
    assert verified["service"]["models"] == [verified["smoked"]["model"]] == [f"{name}:2"]
    without = shop.product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="not-mine").run("status")
    assert "production is not shown: " in without.err
    assert "none configured" in shop.product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="").run("status").out


def test_going_back_and_forth_are_deployments_of_their_own(shop: Shop, name: str, sdk: Sdk) -> None:
    back = shop.product.run("rollback", "--to", "previous", "--json").document
    assert (back["before"], back["to"]) == (f"{name}:2", f"{name}:1")
    assert (sdk(serving, name)["labels"]["deployment"], sdk(champions, name)) == (back["deployment"], [1])
    assert f"verified   {name}:1 serves" in shop.product.run("verify", "--horizon", 1).out
    again = shop.product.run("rollback", "--to", 2, "--json").document
    assert (again["before"], again["to"]) == (f"{name}:1", f"{name}:2")
    assert sdk(champions, name) == [2]


def test_what_may_not_be_released_or_gone_back_to(shop: Shop, name: str, sdk: Sdk) -> None:
    product = shop.product
    assert "is superseded" in product.run("release", "--model-version", 1, code=3).err
    assert "there is no model" in product.run("release", "--model-version", 99, code=2).err
    assert "outcome kept" in product.run("release", "--run", shop.kept.document["run_id"], code=3).err
    assert "has never served" in product.run("rollback", "--to", 99, code=3).err
    elsewhere = product.with_settings(EXPERIMENT_NAME=f"{name}-other")
    assert "was not deployed by a release" in elsewhere.run("release", "--model-version", "champion", code=4).err
    none = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="")
    assert "no production workspace is configured" in none.run("release", "--model-version", 2, code=2).err
    assert sdk(serving, name)["versions"] == [3]


@pytest.mark.parametrize(
    ("end", "said"),
    [("model/model.json", "cannot be trusted"), ("scoring/score.py", "are not the ones that were recorded")],
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
        assert said in shop.product.run("rollback", "--to", 1, code=3).err
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
        "releases": 5,
    }
    events = [(row["event"], row["model_version"], row["state"]) for row in reversed(kinds["releases"])]
    assert events == [
        ("release", "1", "succeeded"),
        ("release", "2", "rolled-back"),
        ("release", "2", "succeeded"),
        ("rollback", "1", "succeeded"),
        ("rollback", "2", "succeeded"),
    ]
    chain = {row["deployment"]: row["from"] for row in kinds["releases"]}
    assert all(before == "none" or before in chain for before in chain.values())
    assert all(row["intact"] for row in (*kinds["releases"], *kinds["decisions"]))
    for kind, listed in kinds.items():
        with (tmp_path / f"{kind}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len(rows) == 1 + len(listed)
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def killed_while_it_deploys(product: Product, version: str = "champion") -> None:
    """Start a release and kill -9 it while it deploys: what has happened by then, the way back must be the same."""
    command = [sys.executable, "-m", "ml_service", "release", "--model-version", version]
    environment = {**product.environment, **product.settings}
    with subprocess.Popen(command, cwd=product.tree, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(line.startswith("deploying") for line in process.stderr)
        process.kill()


def test_a_killed_release_is_seen_and_put_right(shop: Shop, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    with (tree / "mlops_code/score.py").open("a") as script:
        script.write("# another scoring script\n")
    before = shop.product.run("verify", "--horizon", 1, "--json").document
    build = shop.product.from_tree(tree).with_settings(BUILD_BUILDID=104)
    killed_while_it_deploys(build)
    build.run("rollback", "--to", "before-this-build")
    after = shop.product.run("verify", "--horizon", 1, "--json").document
    assert after["model"] == before["model"]
    shop.product.run("history", "--out", tmp_path / "history")
    rows = json.loads((tmp_path / "history/releases.json").read_text())["releases"]
    assert [row["state"] for row in rows].count("never ended") == 1


def test_a_killed_first_release_is_withdrawn_and_its_record_says_so(
    make_product: MakeProduct, sdk: Sdk, tmp_path: Path
) -> None:
    product = make_product("first")
    name = product.settings["MODEL_NAME"]
    product = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME=PRODUCTION, PRODUCTION_SERVICE_NAME=name)
    product.run("data", "upload")
    product.run("run", "--unpublished")
    build = product.with_settings(BUILD_BUILDID=201)
    killed_while_it_deploys(build, "1")
    undone = build.run("rollback", "--to", "before-this-build", "--json").document
    assert (undone["to"], bool(undone["deployment"])) == ("none", True)
    assert "nothing serves now" in build.run("rollback", "--to", "before-this-build").out, "repeated for nothing"
    assert "there is no service" in product.run("verify", code=1).err
    assert sdk(champions, name) == []
    product.with_settings(BUILD_BUILDID=202).run("release", "--model-version", 1)
    product.run("history", "--out", tmp_path / "history")
    rows = json.loads((tmp_path / "history/releases.json").read_text())["releases"]
    told = [(row["event"], row["build_id"], row["state"], row["from"], row["serves"]) for row in reversed(rows)]
    assert told == [
        ("release", "201", "rolled-back", "none", "no service, as before"),
        ("release", "202", "succeeded", "none", f"{name}:1"),
    ]
    attempt = rows[-1]
    assert (attempt["deployment"], attempt["intact"]) == (undone["deployment"], True)
    assert "it broke off, and was withdrawn in build 201" in attempt["reason"]
    assert attempt["ended"]


def test_no_file_is_left_in_the_working_directory(shop: Shop) -> None:
    assert list(shop.product.tree.glob("re*-*/model")) == []
