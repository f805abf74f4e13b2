"""The checks of `tests.structure.shape` find what they are for, and the product passes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure import shape

LONG = "def f() -> None:\n" + "    print()\n" * (shape.MOST_LINES + 1)
SEEDED = {
    "has 41 lines": LONG,
    "a comprehension inside another": "x = [[y for y in z] for z in ()]\n",
    "a conditional expression inside another": "x = 1 if a else 2 if b else 3\n",
}


def _tree(root: Path, text: str) -> Path:
    folder = root / "ml_service"
    folder.mkdir()
    (folder / "module.py").write_text(text)
    return root


@pytest.mark.parametrize("rule", SEEDED)
def test_a_broken_rule_is_found_at_its_line(tmp_path: Path, rule: str) -> None:
    found = list(shape.faults(_tree(tmp_path, SEEDED[rule])))
    assert len(found) == 1
    assert rule in found[0].rule
    assert found[0].place == "ml_service/module.py:1"


def test_a_folder_with_too_many_modules_is_found(tmp_path: Path) -> None:
    root = _tree(tmp_path, "")
    for number in range(shape.MOST_MODULES):
        (root / "ml_service" / f"more_{number}.py").write_text("")
    assert [str(fault) for fault in shape.faults(root)] == ["ml_service: 13 modules; at most 12"]


def test_statements_do_not_depend_on_the_format(tmp_path: Path) -> None:
    assert shape.statements(_tree(tmp_path, "a = 1; b = 2\nif a:\n    c = 3\n")) == 4


def test_the_product_passes() -> None:
    assert [str(fault) for fault in shape.faults(shape.ROOT)] == []
