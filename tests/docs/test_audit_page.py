"""The page about the audit trail names every finding and every kind of event that this package writes."""

from __future__ import annotations

from pathlib import Path

from ml_service.audit.completeness.finding import MEANINGS
from ml_service.audit.events import kinds

PAGE = (Path(__file__).resolve().parents[2] / "docs/audit.md").read_text(encoding="utf-8")


def test_every_finding_says_what_to_do() -> None:
    assert [code for code in MEANINGS if f"`{code}`" not in PAGE] == []


def test_every_kind_of_event_is_listed() -> None:
    written = {value for name, value in vars(kinds).items() if name.isupper() and isinstance(value, str)}
    whole = {kind for kind in written if "." in kind and not kind.endswith(".")}
    assert len(whole) > 8
    assert [kind for kind in sorted(whole) if f"`{kind}`" not in PAGE] == []
