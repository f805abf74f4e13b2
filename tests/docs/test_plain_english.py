"""Tracked text uses the project's terms: no wording of the list `plain_english.yml` remains."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.story.product import ROOT

LIST = Path(__file__).with_name("plain_english.yml")
PHRASES: list[dict[str, Any]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
WRITTEN_BY_US = {"", ".cfg", ".ini", ".md", ".py", ".sh", ".toml", ".yml", ".yaml", ".html", ".js", ".in"}


def _texts() -> dict[str, str]:
    """Each tracked text by its path, with line breaks as blanks: a phrase may be wrapped."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    ours = (path for path in paths if path.suffix in WRITTEN_BY_US and path.is_file() and path != LIST)
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="replace") for path in ours}


TEXTS = _texts()


def _found(phrase: dict[str, Any], text: str) -> list[int]:
    """Numbers of the lines on which the phrase begins."""
    pattern = re.compile(phrase["seen"].replace(" ", r"[\s#]+"), re.IGNORECASE)
    return [text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text)]


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase["write"])
def test_no_old_wording_remains(phrase: dict[str, Any]) -> None:
    allowed = tuple(phrase.get("allowed", {}))
    others = {path: text for path, text in TEXTS.items() if not (allowed and path.startswith(allowed))}
    remaining = [f"{path}:{line}" for path, text in others.items() for line in _found(phrase, text)]
    assert not remaining, f"write '{phrase['write']}' instead of {phrase['seen']}"


@pytest.mark.parametrize("phrase", [phrase for phrase in PHRASES if "allowed" in phrase], ids=str)
def test_every_exception_is_needed(phrase: dict[str, Any]) -> None:
    for allowed in phrase["allowed"]:
        assert any(_found(phrase, text) for path, text in TEXTS.items() if path.startswith(allowed)), allowed


def test_a_wrapped_phrase_is_found_on_its_first_line() -> None:
    assert _found({"seen": r"\btold by name\b"}, "one\n# told\n# by name") == [2]
