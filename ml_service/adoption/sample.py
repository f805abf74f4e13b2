"""What belongs to the sample of the template, and to proving the template itself: it leaves an adopted repository.

Two problem files stay, parked, because `problems new` begins with their sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ml_service.adoption.changes import Change
from ml_service.settings.new_problem import FOLDER, MANY, ONE, PARKED

PROBLEM = Path(ONE).stem
DATA = Path("data/adventureworks")
_OTHERS = ("units_by_type.yml",)
_OF_THE_TEMPLATE = (
    "bench", "notebooks", "tests/story", "tests/pipelines", "tests/docs", "tests/azure", "tests/campaign",
    "tests/upgrade", "tests/faults",
)  # fmt: skip
"""They prove the template with its sample, and have done so where it was released."""
_NAMES = re.compile(r"paid.amount|adventureworks|units_by_type|product_sales", re.IGNORECASE)
_IMPORT = re.compile(r"^\s*(?:from|import) (tests[\w.]*)(?: import ([\w, ]+))?", re.MULTILINE)


def changes(root: Path) -> list[Change]:
    """Park, move and remove."""
    folder = FOLDER.relative_to(FOLDER.parents[1])
    parked = [Change(folder / name, to=folder / PARKED / name) for name in (ONE, MANY)]
    gone = [folder / name for name in _OTHERS] + [DATA]
    gone += [Path(name) for name in _OF_THE_TEMPLATE if (root / name).exists()]
    gone += [path.relative_to(root) for path in _tests_of_the_sample(root, gone)]
    return [*parked, *(Change(path) for path in gone)]


def _tests_of_the_sample(root: Path, gone: list[Path]) -> list[Path]:
    """Test modules that name the sample or need one that does or is gone; a conftest takes its folder along."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted((root / "tests").rglob("*.py"))}
    lost = {path for path in files if any(path.is_relative_to(root / folder) for folder in gone)}
    found = {path for path, text in files.items() if _NAMES.search(text)} | lost
    while more := {path for path in set(files) - found if _needs(root, path, files[path], found)}:
        found |= more
    return sorted(path for path in found - lost)


def _needs(root: Path, path: Path, text: str, found: set[Path]) -> bool:
    """Whether a test module cannot run without one of the others."""
    conftests = {folder / "conftest.py" for folder in path.parents}
    return bool((conftests | set(_imported(root, text))) & found)


def _imported(root: Path, text: str) -> Iterator[Path]:
    """The modules of tests that a module imports."""
    for module, names in _IMPORT.findall(text):
        path = root.joinpath(*module.split("."))
        yield path.with_suffix(".py")
        yield from (path / f"{name.strip()}.py" for name in names.split(",") if name.strip())
