"""The story of production: two versions that are released, one that fails, one that is killed, back and forth.

Tests of production and the campaign `production` start where it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.agreement import agree
from tests.story.product import Ended, Product, Sdk, champions, copy_tree, cut_table, write_problem

TRAINING, PRODUCTION = "local-development", "local-production"
OPEN_END = {"series.last_date": None}
WEAK = {**OPEN_END, "training.candidates": [{"recipe": "same_weekday_mean", "weeks": 2}]}


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


def default_pipeline(workspace: Any, endpoint: str) -> str:
    """The build that published what an endpoint runs."""
    from azureml.pipeline.core import PipelineEndpoint

    return str(PipelineEndpoint.get(workspace, name=endpoint).get_pipeline().version)


@dataclass(frozen=True)
class Agreed:
    """What serves, once everybody says the same."""

    event: str
    version: int
    deployment: str
    scoring: str
    default: str
    """The build whose pipeline the endpoint runs."""


def agreed(product: Product, sdk: Sdk, folder: Path) -> Agreed:
    """Ask verify, status, history, the live service and the registry, and compare what they say."""
    name = product.settings["MODEL_NAME"]
    verified = product.run("verify", "--horizon", 3, "--json").document
    found = agree(product)
    status, board = found.status, found.status["board"]
    product.run("history", "--out", folder)
    releases = json.loads((folder / "releases.json").read_text())["releases"]
    last = next(row for row in releases if row["state"] == "succeeded")
    live = sdk(serving, name)
    version = int(last["model_version"])
    assert all(row["intact"] and row["state"] != "never ended" for row in releases)
    assert (verified["model"], verified["deployment"], verified["event"]) == (
        f"{name}:{version}",
        last["deployment"],
        last["event"],
    )
    assert status["production"]["service"]["state"] == live["state"] == "Healthy"
    assert status["production"]["service"]["models"] == [f"{name}:{version}"]
    assert [model["version"] for model in status["models"] if model["champion"]] == [version]
    assert (found.deployment, found.states[f"{name}:{version}"], board["unread"]) == (
        last["deployment"],
        "released",
        [],
    )
    assert bool(board["accuracy"]) == board["data"]["newer_than_served"], "actuals that have arrived are compared"
    assert live["labels"]["deployment"] == last["deployment"]
    assert live["answer"]["model"]["sha256"] == last["model_sha256"] == verified["smoked"]["model_sha256"]
    assert sdk(champions, name) == [version]
    default = sdk(default_pipeline, product.settings["PIPELINE_ENDPOINT_NAME"])
    return Agreed(last["event"], version, last["deployment"], last["scoring_sha256"], default)


@contextmanager
def deploying(product: Product, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A release or rollback in a process of its own that has begun to deploy; killed at the end of the block."""
    command = [sys.executable, "-m", "ml_service", *words]
    environment = {**product.environment, **product.settings}
    with subprocess.Popen(command, cwd=product.tree, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any(line.startswith("deploying") for line in process.stderr)
            yield process
        finally:
            process.kill()


def killed_while_it_deploys(product: Product, version: str) -> None:
    """Kill -9 a release while it deploys: what has happened by then, the way back must be the same."""
    with deploying(product, "release", "--model-version", version):
        pass


def break_lease(workspace: Any, problem: str) -> None:
    """End the lease that a dead process has left, where a test need not see that it ends by itself."""
    from azureml._vendor.azure_storage.blob import BlobLeaseClient

    store = workspace.get_default_datastore()
    BlobLeaseClient(store.blob_service.get_blob_client(store.container_name, f"leases/{problem}.json")).break_lease(0)


@dataclass(frozen=True)
class Shop:
    """A product with a production environment, and what everybody agreed on after each of its moves."""

    product: Product
    accepted: Ended
    before_release: list[int]
    first: Ended
    keys: list[str]
    kept: Ended
    refused: Ended
    hook: Ended
    second: Ended
    back: Ended
    forth: Ended
    redeployed: Ended
    cards: dict[str, Any]
    """Of the first release, the rollback, and the redeployment."""
    agreed: dict[str, Agreed]


def open_shop(product: Product, sdk: Sdk, folder: Path) -> Shop:
    """The story: a second release whose answers are wrong, one that is killed, and one that is right."""
    product, old = shop_of(product, folder)
    name = product.settings["MODEL_NAME"]
    after: dict[str, Agreed] = {}

    def agree_after(move: str) -> None:
        after[move] = agreed(product, sdk, folder / move)

    old.run("data", "upload", "--file", cut_table(folder / "old.csv", "2014-05-03"))
    old.with_settings(BUILD_BUILDID=101).run("publish")
    accepted = old.run("run", "--pipeline-variables", "--evidence", folder / "evidence")
    before_release = sdk(champions, name)
    assert sdk(register_unchecked, name, str(folder / "weak.yml")) == 1
    first = old.with_settings(BUILD_BUILDID=101).run("release", "--model-version", 1, "--json")
    keys = sdk(serving, name)["keys"]
    agree_after("first")
    kept = old.run("run", "--json")
    product.run("data", "upload", "--file", cut_table(folder / "new.csv", "2014-05-31"))
    product.with_settings(BUILD_BUILDID=102).run("publish")
    product.run("run")
    broken = product.from_tree(edited(folder / "broken", SCORING, '"value": value}', '"value": value + 1}'))
    nobody = {"NOTIFICATION_WEBHOOK": "http://127.0.0.1:1/nobody"}
    refused = broken.with_settings(BUILD_BUILDID=102, **nobody).run("release", "--model-version", 2, code=3)
    agree_after("refused")
    hook = broken.with_settings(BUILD_BUILDID=102).run("rollback", "--to", "before-this-build", "--reason", "worse")
    last = product.with_settings(BUILD_BUILDID=103)
    killed_while_it_deploys(last, "2")
    sdk(break_lease, name.replace("-", "_"))
    second = last.run("release", "--model-version", 2, "--pipeline-variables")
    agree_after("second")
    proposed = product.run(*ROLLBACK, "--to", "previous", "--evidence", folder / "card", "--json").document
    back = product.run("rollback", "--to", proposed["restores"], "--reason", "worse", "--json")
    agree_after("back")
    twice = product.run("rollback", "--to", "previous", "--reason", "worse", code=3)
    left = proposed["serves_now"]["deployment"]
    assert "was itself rolled back; nothing was changed" in twice.err and f"--to {left}" in twice.err
    forth = product.run("rollback", "--to", left, "--reason", "worse", "--json")
    agree_after("forth")
    other = product.from_tree(
        edited(folder / "other", "mlops_code/score.py", "KEPT_ANSWERS = 32", "KEPT_ANSWERS = 16")
    )
    again = other.with_settings(BUILD_BUILDID=104).run(
        *PROPOSE, "--model-version", "champion", "--evidence", folder / "again", "--json"
    )
    redeployed = other.with_settings(BUILD_BUILDID=104).run("release", "--model-version", "champion", "--json")
    agree_after("redeployed")
    return Shop(
        product=other,
        accepted=accepted,
        before_release=before_release,
        first=first,
        keys=keys,
        kept=kept,
        refused=refused,
        hook=hook,
        second=second,
        back=back,
        forth=forth,
        redeployed=redeployed,
        cards={
            "first": json.loads((folder / "evidence/approval_card.json").read_text()),
            "back": proposed,
            "redeployed": again.document,
        },
        agreed=after,
    )


PROPOSE, ROLLBACK = ("propose", "release"), ("propose", "rollback", "--reason", "worse")
SCORING = "mlops_code/forecasting/serving/forecaster.py"


def shop_of(product: Product, folder: Path) -> tuple[Product, Product]:
    """A product with production and a problem of its own, and the same with a weak recipe."""
    name = product.settings["MODEL_NAME"]
    problem = {"series.name": name.replace("-", "_")}
    product = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME=PRODUCTION, PRODUCTION_SERVICE_NAME=name)
    return (
        product.with_settings(PROBLEM_FILE=write_problem(folder / "all.yml", {**OPEN_END, **problem})),
        product.with_settings(PROBLEM_FILE=write_problem(folder / "weak.yml", {**WEAK, **problem})),
    )


def edited(tree: Path, file: str, old: str, new: str) -> Path:
    """A copy of the repository with one text of a file replaced."""
    path = copy_tree(tree) / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return tree
