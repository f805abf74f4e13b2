"""The approval of a stage of a build, as Azure DevOps tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How an approval stands; whatever else the service says counts as ended."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    ENDED = "ended"
    """Nobody has decided, and nobody will: it timed out, was skipped, or its build was canceled before."""


@dataclass(frozen=True)
class Approval:
    """The approval of one stage of one build."""

    status: Status
    person: str = ""
    """Who approved or rejected it; empty while nobody has."""
    comment: str = ""
    when: str = ""
    """UTC; empty while nobody has decided."""
    approval_id: str = ""
    said: str = ""
    """The service's own word for the status."""
