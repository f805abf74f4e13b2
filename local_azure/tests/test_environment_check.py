"""What a step is told about its environment: locked lines are read like others."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import pytest

from local_azure.machine_learning.domain.workspace.environment_check import differences

HASH = "--hash=sha256:" + "0" * 64
MAJOR, MINOR, PATCH = platform.python_version_tuple()


def told(*dependencies: Any) -> list[str]:
    return differences({"name": "e", "python": {"condaDependencies": {"dependencies": list(dependencies)}}})


def test_hashes_of_a_line_are_no_part_of_its_version() -> None:
    here = version("pyyaml")
    assert told({"pip": [f"pyyaml=={here} {HASH} {HASH}", f"numpy=={version('numpy')}   {HASH}"]}) == []
    assert told({"pip": [f"pyyaml==0.1 {HASH}"]}) == [f"The environment 'e' asks for pyyaml==0.1; here it is {here}."]
    (missing,) = told({"pip": ["--require-hashes", f"no-such-package==1 {HASH}"]})
    assert missing == "The environment 'e' asks for no-such-package==1; it is not installed here."


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (f"python={MAJOR}.{MINOR}", 0),
        (f"python={MAJOR}.{MINOR}.{int(PATCH) + 1}", 0),
        (f"python={MAJOR}.{MINOR}1.2", 1),
        ("python=3.6.2", 1),
    ],
)
def test_another_patch_release_of_python_is_not_worth_a_warning(asked: str, said: int) -> None:
    assert len(told(asked)) == said
