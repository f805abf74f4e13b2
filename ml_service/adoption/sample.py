"""What belongs to the sample of the template, and to proving the template as it is: parked, or removed by `adopt`.

The sample stays as what unit tests work on, and as what `problems new` begins with; nothing else uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ml_service.adoption.changes import Change
from ml_service.settings.new_problem import FOLDER, MANY, ONE, PARKED
from ml_service.settings.variables import ROOT

PROBLEM = Path(ONE).stem
PROBLEMS = FOLDER.relative_to(ROOT)
DATA, PARKED_DATA = Path("data/adventureworks"), Path("tests/sample_data")
_FILES = (ONE, MANY, "units_by_type.yml")
NAMES = frozenset((*(Path(name).stem for name in _FILES), DATA.name))
"""Of the problems and the folder of data that are parked: a problem of one's own would be parked with them."""
MOVED = {
    **{(PROBLEMS / name).as_posix(): (PROBLEMS / PARKED / name).as_posix() for name in _FILES},
    DATA.as_posix(): PARKED_DATA.as_posix(),
}
"""Where the files that pages name are then."""
_OF_THE_TEMPLATE = (
    "bench", "docs/campaigns.md", "notebooks", "tests/azure", "tests/campaign", "tests/docs", "tests/faults",
    "tests/pipelines", "tests/story", "tests/structure/test_order_of_tests.py",
    "tests/structure/test_regular_expressions.py", "tests/unit/bench", "tests/unit/ml_service/adoption",
    "tests/upgrade",
)  # fmt: skip
"""They run the whole template with its sample, on many servers, and have done so where it was released; or they are
about what an adopted repository does not have."""
_IMPORT = re.compile(r"^ *(?:from|import) ((?:bench|tests)[\w.]*)(?: import ([\w, ]+))?", re.MULTILINE)


def changes(root: Path) -> list[Change]:
    """Park, move and remove."""
    parked = []
    for name in _FILES:
        text = (root / PROBLEMS / name).read_text(encoding="utf-8")
        text = text.replace(f"file: {DATA.as_posix()}/", f"file: {PARKED_DATA.as_posix()}/")
        parked += [Change(PROBLEMS / PARKED / name, text.encode()), Change(PROBLEMS / name)]
    gone = [Path(name) for name in _OF_THE_TEMPLATE if (root / name).exists()]
    gone += _without_helpers(root, gone)
    return [*parked, Change(DATA, to=PARKED_DATA), *(Change(path) for path in gone)]


def _without_helpers(root: Path, gone: list[Path]) -> list[Path]:
    """Tests that import what is gone, or another test that does; a conftest takes its folder along."""
    sources = [*(root / "tests").rglob("*.py"), *(root / "bench").rglob("*.py")]
    files = {path: path.read_text(encoding="utf-8") for path in sorted(sources)}
    folders = {root / folder for folder in gone}
    lost = {path for path in files if folders & {path, *path.parents}}
    found = set(lost)
    while more := {path for path in set(files) - found if _needs(root, path, files[path], found)}:
        found |= more
    return sorted(path.relative_to(root) for path in found - lost)


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
