"""Fixtures of the studio's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_fixtures import Studio  # type: ignore[import-not-found]


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Studio]:
    """A studio that nobody has signed in to."""
    with asyncio.Runner() as runner:
        made = Studio(tmp_path, runner)
        yield made
        made.store.close()


@pytest.fixture
def studio(visitor: Studio) -> Studio:
    """A studio with a client that has signed in."""
    visitor.sign_in()
    return visitor
