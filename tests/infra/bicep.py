"""Read Bicep files by their syntax tree: what is declared, and literal values; nothing is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from tests.sample import ROOT

INFRA = ROOT / "infra"
FILES = sorted(INFRA.glob("*.bicep"))
EXPRESSION = "<an expression>"
"""Stands for a value that only the compiler or Azure knows."""

_PARSER = Parser(Language(tree_sitter_bicep.language()))


@dataclass(frozen=True)
class Declared:
    """A resource or a module."""

    symbol: str
    of: str  # the type with its API version, or the module's file
    existing: bool
    body: dict[str, Any]
    line: int


def parsed(source: str) -> Node:
    """The root of a syntax tree."""
    return _PARSER.parse(source.encode()).root_node


@cache
def tree(path: Path) -> Node:
    """The syntax tree of a file."""
    return parsed(path.read_text(encoding="utf-8"))


def nodes(root: Node, kind: str) -> Iterator[Node]:
    """Every node of a kind, in the order of the text."""
    if root.type == kind:
        yield root
    for child in root.children:
        yield from nodes(child, kind)


def text(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode()


def value(node: Node) -> Any:
    """A literal as Python has it; EXPRESSION for anything else, also within objects and lists."""
    if node.type == "object":
        pairs = (pair.named_children for pair in node.named_children if pair.type == "object_property")
        return {_key(key): value(of) for key, of in pairs}
    if node.type == "array":
        return [value(child) for child in node.named_children if child.type != "comment"]
    if node.type == "string" and not list(nodes(node, "interpolation")):
        return "".join(text(child) for child in node.named_children)
    if node.type == "number":
        return int(text(node))
    if node.type == "boolean":
        return text(node) == "true"
    return EXPRESSION


def _key(key: Node) -> str:
    return str(value(key)) if key.type == "string" else text(key)


def declared(root: Node, kind: str) -> list[Declared]:
    """Resources (kind resource_declaration) or modules (module_declaration)."""
    found = []
    for node in nodes(root, kind):
        symbol, of = node.named_children[:2]
        existing = any(child.type == "existing" for child in node.children)
        body = value(next(nodes(node, "object")))
        found.append(Declared(text(symbol), value(of), existing, body, node.start_point.row))
    return found


def names(root: Node, kind: str) -> list[str]:
    """Names of declared parameters, variables or outputs."""
    return [text(next(nodes(node, "identifier"))) for node in nodes(root, kind)]
