"""docs/limits.md names constants that exist; every cap of the server is among them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from tests.docs.test_readme import ROOT

SECTION = "## The server of local_azure"
PACKAGE = "local_azure.machine_learning"
_ROW = re.compile(r"`([A-Z_]+)` \(`([a-z_/]+)\.py`\)")


def rows() -> list[tuple[str, str]]:
    """(constant, module) of each row of the section."""
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    section = text.split(SECTION)[1].split("\n## ")[0]
    return [(name, module.replace("/", ".")) for name, module in _ROW.findall(section)]


def test_each_constant_is_where_the_page_says() -> None:
    missing = [row for row in rows() if not hasattr(importlib.import_module(f"{PACKAGE}.{row[1]}"), row[0])]
    assert missing == []


def test_each_cap_stands_on_the_page() -> None:
    source = ROOT / "local_azure" / "src" / "local_azure" / "machine_learning"
    known = {name for name, _ in rows()}
    caps = {
        (name, path.relative_to(source).as_posix())
        for path in source.rglob("*.py")
        for name in re.findall(r"^(MAX_[A-Z_]+)\b.* = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {cap for cap in caps if cap[0] not in known | {"MAX_TAG_KEY_CHARS"}} == set()
    assert len(caps) > 20
    assert Path(source).is_dir()
