"""One entry of the ledger: who did what, when, on which evidence, from what to what, after which entry.

An entry is a JSON document in one canonical form (sorted keys, ASCII, no spaces), so that its SHA-256 is that of its
meaning. It names the SHA-256 of the entry before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forecasting.json_text import UNREADABLE, strict_json

NONE = "none"
_PRODUCTION = ("deployment.", "service.")
"""How the events begin that change production, which only the holder of the lease writes."""
OPENING = "deployment.started"
"""The event that opens a deployment."""
ESSENTIAL = frozenset(("event", "model_name", "model_version", "service", "workspace"))
"""What the record of every deployment tells."""
CANDIDATE = "candidate."
"""Prefix of the events about candidates."""
_OF_A_CANDIDATE = frozenset(("model_name", "model_version", "run_id", "since", "person", "reason", "build_id"))
MAX_ENTRY_BYTES = 64 * 1024
"""Of one entry, which has some 2 kB."""
_MOST_DIGITS = 18
_SHA256 = r"^[0-9a-f]{64}$"


class Event(BaseModel):
    """What happened, before it has a place in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    event: str
    """Such as `deployment.started`."""
    subject: str
    """Id of what the event is about: of a deployment, its run."""
    who: str
    """The person for whom the build ran, or else who typed the command."""
    identity: str
    """The identity that signed in, as the service names it; `unknown` where it has not been asked."""
    what: str
    """One sentence for people."""
    when: str
    """UTC. It informs; the order is that of the sequence."""
    build_id: str
    commit: str
    before: str = Field(validation_alias="from", serialization_alias="from")
    after: str = Field(validation_alias="to", serialization_alias="to")
    evidence: Mapping[str, str]
    """Names and SHA-256 of what the event rests on."""
    details: Mapping[str, Any]
    """What is particular to this kind of event."""

    @property
    def changes_production(self) -> bool:
        """Whether only the holder of the lease on production writes it; all others tell what happened beside that."""
        return self.event.startswith(_PRODUCTION)


class Entry(Event):
    """An event in its place."""

    schema_version: Literal[1] = 1
    problem: str
    sequence: int = Field(ge=1)
    previous_sha256: str = Field(pattern=f"^{NONE}$|{_SHA256}")
    """Hash of the entry before it; `none` for the first."""

    @property
    def content(self) -> bytes:
        """The canonical bytes."""
        document = self.model_dump(by_alias=True)
        text = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        return text.encode("ascii") + b"\n"

    @property
    def sha256(self) -> str:
        """Hash of the canonical bytes."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def about_build(self) -> str:
        """The build that the entry is about, which need not be the one that wrote it."""
        return str(self.details.get("build_id", self.build_id))

    @property
    def tag(self) -> str:
        """The tag of a build that notes this entry."""
        return f"ledger.{self.problem}.{self.sequence}.{self.sha256}"


def parse(content: bytes) -> Entry | None:
    """The entry of a stored document; None when it is no entry in canonical form, or too large for one."""
    if len(content) > MAX_ENTRY_BYTES:
        return None
    try:
        found = Entry.model_validate(strict_json(content))
    except (*UNREADABLE, ValidationError):
        return None
    return found if found.content == content and _is_complete(found) else None


def _is_complete(entry: Entry) -> bool:
    """Whether an entry about a model version has the fields that its readers rely on."""
    if entry.event == OPENING:
        told = entry.details.get("record")
        texts = ESSENTIAL.union(told if isinstance(told, dict) else ())
    elif entry.event.startswith(CANDIDATE):
        told, texts = entry.details, _OF_A_CANDIDATE
    else:
        return True
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in texts):
        return False
    version = told["model_version"]
    is_number = version.isascii() and version.isdecimal() and len(version) <= _MOST_DIGITS
    return is_number and entry.after == f"{told['model_name']}:{version}"


def utc_now() -> str:
    """The moment as entries write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
