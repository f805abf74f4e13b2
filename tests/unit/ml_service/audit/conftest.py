"""The story of a year, its export and what that holds, for every test here that only reads them."""

from __future__ import annotations

import zipfile

import pytest

from ml_service.audit.export import bundle
from ml_service.audit.export.bundle import Made
from tests.unit.ml_service.audit.exported import Files
from tests.unit.ml_service.audit.trail import Trail, make_trail


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """The story, which tests only read."""
    return make_trail(tmp_path_factory.mktemp("trail"))


@pytest.fixture(scope="module")
def made(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An export of the story."""
    return bundle.write(
        trail.verified(), trail.documents, trail.actor(109, "Olga"), tmp_path_factory.mktemp("x") / "x.zip"
    )


@pytest.fixture(scope="module")
def files(made: Made) -> Files:
    """What the export holds."""
    with zipfile.ZipFile(made.path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
