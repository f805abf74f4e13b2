"""Whatever the path of a template is, the answer says that it is none, with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Faults = Callable[..., list[str]]


@pytest.mark.parametrize("path", ["''", ".", "/", "'@self'", '"a\\0b.yml"', "a" * 5_000, "a/" * 3_000, "sub", "./"])
def test_a_path_that_names_no_file(faults: Faults, path: str) -> None:
    (found,) = faults(f"steps:\n- template: {path}\n", **{"sub/t.yml": "steps: []\n"})
    assert found.startswith("azure-pipelines.yml:2: ")
    assert "was not found" in found or "needs a path" in found


@pytest.mark.parametrize("within", ["steps:\n- ", "jobs:\n- ", "extends:\n  "])
def test_a_path_that_is_no_text(faults: Faults, within: str) -> None:
    (found,) = faults(f"{within}template: ${{{{ parameters }}}}\n")
    assert found.startswith(
        "azure-pipelines.yml:2: The path of a template must be a string: A mapping cannot be written"
    )


def test_a_link_that_leads_out_of_the_repository(write: Callable[..., Path], faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "outside.yml").write_text("steps: [{bash: echo}]\n", encoding="utf-8")
    folder = write("steps: []\n").parent
    (folder / "t.yml").symlink_to(tmp_path / "outside.yml")
    (found,) = faults("steps:\n- template: t.yml\n")
    assert "is outside of the repository" in found
