"""Who types what the pages say, in a clone of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.cli import lifecycle
from tests.docs.newcomer import Newcomer, make_clone
from tests.story.product import clean_environment


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """No variable of a build or of an outer make, no state folder of another server, no path to other sources."""
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home")
    for name in ("LOCAL_AZURE_STATE", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    environment = {
        name: value for name, value in environment.items() if not name.startswith(("AZURE", "ARM_", "MSI_"))
    }
    newcomer = Newcomer(make_clone(tmp_path / "clone"), environment)
    yield newcomer
    lifecycle.stop(newcomer.state)
