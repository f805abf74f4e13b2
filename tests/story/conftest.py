"""One server for all stories; each story has names of its own on it, so that none disturbs another."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.machine_learning.server import SPEED_VARIABLE
from local_azure.machine_learning.storage.state import StateFolder
from ml_service.training.snapshots import assemble_scoring
from tests.preloading import preloaded
from tests.story.live import Live, deploy, train
from tests.story.product import Ended, Product, Sdk, clean_environment
from tests.story.production import Shop, open_shop

MakeProduct = Callable[[str], Product]


@dataclass(frozen=True)
class Rehearsed:
    """A product that ran the whole pipeline twice with no change in between."""

    product: Product
    first: Ended
    second: Ended


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The variables of a client of a running server."""
    state = StateFolder(tmp_path_factory.mktemp("story") / "state")
    # A schedule that asks every minute asks every second here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SPEED_VARIABLE, "60")
        info = lifecycle.start(state)
    clean = clean_environment(tmp_path_factory.mktemp("home"))
    yield preloaded(state, clean | client_variables(state, info, clean))
    lifecycle.stop(state)


@pytest.fixture(scope="session")
def sdk(environment: Mapping[str, str]) -> Iterator[Sdk]:
    """Plain SDK code in a process of its own."""
    process = Sdk(environment)
    yield process
    process.close()


@pytest.fixture(scope="session")
def make_product(environment: Mapping[str, str]) -> MakeProduct:
    """A product whose pipeline, endpoint, experiment, model, data set and service nobody else uses."""

    def make(stem: str) -> Product:
        name = f"{stem}-{uuid.uuid4().hex[:8]}"
        return Product(environment).with_settings(
            PIPELINE_NAME=name,
            PIPELINE_ENDPOINT_NAME=f"{name}-endpoint",
            EXPERIMENT_NAME=name,
            MODEL_NAME=name,
            DATASET_NAME=name,
            TEST_SERVICE_NAME=name,
        )

    return make


@pytest.fixture(scope="session")
def services(sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Live]:
    """Our scoring script behind a model of one series and behind one of many, with the names of docs/scoring.md."""
    folder = tmp_path_factory.mktemp("services")
    scoring = str(assemble_scoring(folder / "scoring").folder)
    started = {}
    for problem, name in {"paid_amount": "paid-amount-test", "product_sales": "product-sales-test"}.items():
        model = train(problem, folder / problem / "model")
        state, url, key, log = sdk(deploy, name, str(model), scoring)
        assert state == "Healthy", log
        started[name] = Live(url, key, model)
    return started


@pytest.fixture(scope="session")
def rehearsed(make_product: MakeProduct) -> Rehearsed:
    """The story itself: two rehearsals."""
    product = make_product("story")
    return Rehearsed(product, product.run("rehearse"), product.run("rehearse"))


@pytest.fixture(scope="session")
def shop(make_product: MakeProduct, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The story of production, at its end: two versions that were released, and a ledger of all that went on."""
    return open_shop(make_product("shop"), sdk, tmp_path_factory.mktemp("shop"))


@pytest.fixture
def name(shop: Shop) -> str:
    """Name of model and service of the story of production."""
    return shop.product.settings["MODEL_NAME"]
