"""Decisions to show, made from records that a gate has really written."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from forecasting.decision.blocks import Block, Evidence
from forecasting.decision.record import DecisionRecord, parse_decision

Some = TypeVar("Some", bound=Block)
WRITTEN = Path(__file__).parents[1] / "forecasting" / "decision" / "golden"


def decision(name: str, **changes: object) -> DecisionRecord:
    """A record, such as `kept`, with other values in its evidence."""
    record = parse_decision((WRITTEN / f"{name}.json").read_bytes())
    return changed(record, evidence=changed(record.evidence, **changes))


def evidence(name: str, **changes: object) -> Evidence:
    """The evidence of a record."""
    return decision(name, **changes).evidence


def changed(block: Some, **changes: object) -> Some:
    """A block with other values."""
    return block.model_copy(update=changes)
