"""COVERAGE.md says what the tests of this very run have shown: runs last, and only with all the others."""

from __future__ import annotations

import pytest

from local_azure.machine_learning import coverage


def test_every_driven_route_was_driven(evidence: set[tuple[str, str]]) -> None:
    missing = [f"{r.method} {r.path}" for r in coverage.routes() if r.evidence == "driven" and r.key not in evidence]
    assert not missing, "the real client never reached these: give them a test, or another word than driven"


def test_routes_that_could_be_called_driven(evidence: set[tuple[str, str]]) -> None:
    more = [f"{r.method} {r.path}" for r in coverage.routes() if r.evidence == "sdk-source" and r.key in evidence]
    if more:
        pytest.skip(f"the real client has reached these too: {', '.join(more)}")
