"""A production with two released versions and two scoring scripts, between which verbs move it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.story.product import Product, Sdk, cut_table
from tests.story.production import Agreed, agreed, edited, shop_of

FIRST_BUILD, SECOND_BUILD = "101", "102"


@dataclass
class Shop:
    """Where verbs are raced and killed."""

    product: Product
    other: Product
    """The same with another scoring script."""
    sdk: Sdk
    folder: Path
    defaults: Mapping[int, str]
    """The build whose pipeline the endpoint runs while a version serves."""
    looks: int = field(default=0)

    @property
    def name(self) -> str:
        """Name of model and service."""
        return self.product.settings["MODEL_NAME"]

    def look(self) -> Agreed:
        """What serves. Raises: AssertionError where verify, status, history, registry and live answers disagree."""
        self.looks += 1
        found = agreed(self.product, self.sdk, self.folder / f"look{self.looks}")
        assert found.default == self.defaults[found.version], (
            f"the endpoint runs build {found.default} beside {found}"
        )
        return found

    @property
    def releases(self) -> list[dict[str, Any]]:
        """The deployments of the last look, the newest first."""
        rows = json.loads((self.folder / f"look{self.looks}" / "releases.json").read_text())["releases"]
        return list(rows)


def shop_around(product: Product, sdk: Sdk, folder: Path, defaults: Mapping[int, str]) -> Shop:
    """The shop of a product that has released versions 1 and 2; its other scoring script answers the same."""
    tree = edited(folder / "other", "mlops_code/score.py", "KEPT_ANSWERS = 32", "KEPT_ANSWERS = 16")
    return Shop(product, product.from_tree(tree), sdk, folder, defaults)


def stocked(environment: Mapping[str, str], sdk: Sdk, folder: Path, name: str) -> Shop:
    """Train and release two versions. name: of all that is the shop's own."""
    names = (
        *("PIPELINE_NAME", "PIPELINE_ENDPOINT_NAME", "EXPERIMENT_NAME"),
        *("MODEL_NAME", "DATASET_NAME", "TEST_SERVICE_NAME"),
    )
    product, weak = shop_of(Product(environment).with_settings(**dict.fromkeys(names, name)), folder)
    weak.run("data", "upload", "--file", cut_table(folder / "old.csv", "2014-05-03"))
    weak.with_settings(BUILD_BUILDID=FIRST_BUILD).run("publish")
    weak.run("run")
    weak.with_settings(BUILD_BUILDID=FIRST_BUILD).run("release", "--model-version", 1)
    product.run("data", "upload", "--file", cut_table(folder / "new.csv", "2014-05-31"))
    product.with_settings(BUILD_BUILDID=SECOND_BUILD).run("publish")
    product.run("run")
    product.with_settings(BUILD_BUILDID=SECOND_BUILD).run("release", "--model-version", 2)
    return shop_around(product, sdk, folder, {1: FIRST_BUILD, 2: SECOND_BUILD})
