"""Check the shape of the product's code, and count its statements: python -m tests.structure.shape

What ruff and import-linter cannot see: how long a function is, how many modules a folder has, comprehensions and
conditional expressions inside one another. Tests and benchmarks are not product code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("ml_service", "mlops_code", "local_azure/src")
MOST_MODULES = 12
MOST_LINES = 40
Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Fault:
    """One place that breaks a rule."""

    place: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


def sources(root: Path) -> list[Path]:
    """Every Python file of the product below `root`."""
    return sorted(path for folder in PRODUCT for path in (root / folder).rglob("*.py"))


def faults(root: Path) -> Iterator[Fault]:
    """Every place that breaks a rule of this module."""
    files = sources(root)
    for path in files:
        for line, rule in _faults_of(ast.parse(path.read_text(encoding="utf-8"))):
            yield Fault(f"{path.relative_to(root)}:{line}", rule)
    for folder in sorted({path.parent for path in files}):
        modules = len(list(folder.glob("*.py")))
        if modules > MOST_MODULES:
            yield Fault(str(folder.relative_to(root)), f"{modules} modules; at most {MOST_MODULES}")


def statements(root: Path) -> int:
    """Number of statements of the product: the measure of its size, which formatting does not change."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sources(root))
    return sum(isinstance(node, ast.stmt) for tree in trees for node in ast.walk(tree))


def _faults_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, Function) and _length(node) > MOST_LINES:
            yield node.lineno, f"{node.name} has {_length(node)} lines; at most {MOST_LINES}"
        if isinstance(node, Comprehension) and _holds(node, Comprehension):
            yield node.lineno, "a comprehension inside another"
        if isinstance(node, ast.IfExp) and _holds(node, ast.IfExp):
            yield node.lineno, "a conditional expression inside another"


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def _holds(node: ast.AST, kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> bool:
    return any(isinstance(inner, kind) for inner in ast.walk(node) if inner is not node)


def main() -> int:
    """Print what was found; 1 when a rule is broken."""
    found = list(faults(ROOT))
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"The product has {statements(ROOT)} statements in {len(sources(ROOT))} modules.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
