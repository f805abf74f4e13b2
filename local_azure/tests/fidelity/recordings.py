"""Answers of the real service, and how an answer of ours differs from one in shape.

A place such as "workspace.properties.tenantId" is an object of docs/fidelity.md and a key in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT.parent / "shared" / "recordings"
PAGE = ROOT / "docs" / "fidelity.md"
_ROW = re.compile(r"\| `([^`]+)` \| (missing|extra|[a-z]+ recorded, [a-z]+ here) \| [^|]{10,} \|")
_KINDS = {dict: "object", list: "list", str: "text", bool: "flag", type(None): "null", int: "number", float: "number"}


def exchange(file: str, method: str, path: str, status: int = 200, nth: int = 0) -> dict[str, Any]:
    """An exchange of a file; skips the test where the recordings are not there."""
    if not FOLDER.is_dir():
        pytest.skip(f"the recordings of the service are not part of this repository: {FOLDER} is not there")
    exchanges = json.loads((FOLDER / file).read_text(encoding="utf-8"))["exchanges"]
    found = [
        one
        for one in exchanges
        if (one.get("method"), one.get("status")) == (method, status) and one["path"].startswith(path)
    ]
    return dict(found[nth])


def differences(recorded: Any, ours: Any, place: str) -> Iterator[str]:
    """Each key that is missing, extra or of another kind, with its place; of lists the first entries are compared."""
    kinds = _KINDS[type(recorded)], _KINDS[type(ours)]
    if kinds[0] != kinds[1]:
        yield f"{place}: {kinds[0]} recorded, {kinds[1]} here"
    elif isinstance(recorded, dict):
        yield from (f"{place}.{key}: missing" for key in recorded if key not in ours)
        yield from (f"{place}.{key}: extra" for key in ours if key not in recorded)
        for key in recorded.keys() & ours.keys():
            yield from differences(recorded[key], ours[key], f"{place}.{key}")
    elif isinstance(recorded, list) and recorded and ours:
        yield from differences(recorded[0], ours[0], f"{place}[]")


def missing_headers(recorded: dict[str, Any], ours: Any, place: str) -> Iterator[str]:
    """Each recorded header that an answer of ours lacks."""
    return (f"{place} header {name}: missing" for name in recorded if name.lower() not in ours)


def xml_of(text: str) -> Any:
    """XML as nested objects; an empty element is null."""
    return _element(ElementTree.fromstring(text.lstrip("\ufeff").encode()))  # noqa: S314 - of our own server


def _element(element: ElementTree.Element) -> Any:
    if len(element) == 0:
        return element.text
    return {child.tag: _element(child) for child in element}


def stated(objects: set[str]) -> set[str]:
    """The differences that docs/fidelity.md states for these objects."""
    rows = (_ROW.fullmatch(line) for line in PAGE.read_text(encoding="utf-8").splitlines())
    found = (f"{row[1]}: {row[2]}" for row in rows if row)
    return {one for one in found if re.split(r"[.:]| header ", one)[0] in objects}
