"""docs/limits.md names constants that exist; every cap on untrusted input is among them."""

from __future__ import annotations

import importlib
import re

from tests.docs.test_readme import ROOT

SECTION = "## The server of local_azure"
PACKAGE = "local_azure.machine_learning"
_ROW = re.compile(r"`([A-Z_]+)` \(`([a-z_/]+)\.py`\)")

_CAPS = re.compile(r"((?:(?:MAX|MOST|LARGEST|LONGEST|SHORTEST)(?:_[A-Z_]+)?(?:, )?)+) = ")
# Bounds of what the program itself does, shows or reads of its own.
NO_LIMITS_OF_INPUT = {
    ("LONGEST_POLL_SECONDS", "machine_learning/processes/sdk_polling.py"),
    ("LONGEST_REASON", "forecasting/json_text.py"),
    ("MAX_GROUPS", "forecasting/evaluation/comparison.py"),
    ("MAX_LABELS", "forecasting/decision/charts.py"),
    ("MAX_SHOWN", "forecasting/data/rows.py"),
    ("MOST_DESCRIPTORS", "machine_learning/processes/clients/shim.py"),
    ("MOST_HASHED_BYTES", "machine_learning/domain/pipelines/reuse.py"),
    ("MOST_SECONDS", "machine_learning/engines/schedules/scheduler.py"),
    ("MOST_SPEED", "machine_learning/server.py"),
    ("MOST_TEXT_BYTES", "machine_learning/processes/forking/fork_server.py"),
    ("MAX_CHANGE", "forecasting/models/direct.py"),
}


def rows() -> list[tuple[str, str]]:
    """(constant, module) of each row of the section."""
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    section = text.split(SECTION)[1].split("\n## ")[0]
    return [(name, module.replace("/", ".")) for name, module in _ROW.findall(section)]


def test_each_constant_is_where_the_page_says() -> None:
    missing = [row for row in rows() if not hasattr(importlib.import_module(f"{PACKAGE}.{row[1]}"), row[0])]
    assert missing == []


def test_each_cap_stands_on_the_page() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    caps = {
        (name, path.relative_to(ROOT / root).as_posix())
        for root in ("local_azure/src/local_azure", "ml_service", "mlops_code")
        for path in (ROOT / root).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if (found := _CAPS.match(line))
        for name in re.findall(r"[A-Z_]+", found[1])
    }
    assert {cap for cap in caps if f"`{cap[0]}`" not in page} == NO_LIMITS_OF_INPUT
    assert len(caps) > 80
