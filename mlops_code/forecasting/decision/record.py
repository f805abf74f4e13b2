"""The decision record: one typed model of decision.json, which also generates docs/decision.schema.json.

`read_decision` and `parse_decision` return a `DecisionRecord`; `blocks.py` lists all attributes:

    record = read_decision(folder, model_sha256)
    record.evidence.challenger.metrics.mae    # None where the challenger or this metric was not scored
    record.evidence.override                  # None where the gate decided
    record.context.champion                   # None where the registry said that there is none
    record.verdict, record.metrics, record.content, record.sha256
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

from forecasting.decision.blocks import SEASONAL_NAIVE, Block, Context, Evidence, Sha256, Verdict
from forecasting.errors import ModelFileError, UsageError
from forecasting.json_text import UNREADABLE, hash_of, reason, strict_json, to_json

SCHEMA_VERSION: Literal[2] = 2
MAX_BYTES = 64 * 1024 * 1024  # of decision.json; with 20,000 series and a segment for each it has some 6 MB
DECISION_FILE, REPORT_FILE = "decision.json", "report.html"


class DecisionRecord(Block):
    """What the gate decided about a model and on what evidence.

    `evidence` follows from data, policy, recipes and override alone; `evidence_sha256` is the hash of its compact
    JSON with sorted keys. `context` says who asked, when, and which registered version was the champion.
    """

    schema_version: Literal[2]
    evidence: Evidence
    evidence_sha256: Sha256
    context: Context

    @classmethod
    def of(cls, evidence: Evidence, context: Context) -> DecisionRecord:
        """Record evidence under its hash."""
        return cls(
            schema_version=SCHEMA_VERSION,
            evidence=evidence,
            evidence_sha256=hash_of(as_json(evidence)),
            context=context,
        )

    @property
    def verdict(self) -> Verdict:
        """The final verdict; `evidence.gate` is the gate's own."""
        evidence = self.evidence
        return Verdict(outcome=evidence.outcome, reason=evidence.reason, sentence=evidence.sentence)

    @property
    def overridden_by(self) -> dict[str, str]:
        """Who has decided against the gate and why, as tags and properties tell it; empty without an override."""
        override = self.evidence.override
        return {"override_by": override.person, "override_reason": override.reason} if override else {}

    @property
    def content(self) -> bytes:
        """The bytes of decision.json."""
        return to_json(as_json(self))

    @property
    def sha256(self) -> str:
        """Hash of decision.json, which run history and the registered model carry."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def metrics(self) -> dict[str, float]:
        """Every finite metric, named who_what, for run history."""
        evidence = self.evidence
        scored = {
            "challenger": evidence.challenger,
            "champion": evidence.champion,
            SEASONAL_NAIVE: evidence.baselines.get(SEASONAL_NAIVE),
        }
        found: dict[str, float] = {}
        for who, entry in scored.items():
            if entry is not None and entry.metrics is not None:
                found |= {f"{who}_{name}": value for name, value in entry.metrics if value is not None}
        return found

    def write(self, folder: Path) -> Path:
        """Write decision.json into the folder and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / DECISION_FILE
        path.write_bytes(self.content)
        return path


def as_json(block: Block) -> dict[str, Any]:
    """A block as the JSON document that is written; a key that was left out stays out."""
    return block.model_dump(mode="json", exclude_unset=True)


def read_decision(folder: Path, *model_sha256: str) -> DecisionRecord:
    """Read a decision about this model, or about one of these.

    Raises: UsageError (no file), ModelFileError (changed after it was written, other schema, another model).
    """
    path = folder / DECISION_FILE
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name a folder written by evaluate.py.")
    with path.open("rb") as content:
        record = parse_decision(content.read(MAX_BYTES + 1), str(path))
    found = record.evidence.challenger.model_sha256
    if found not in model_sha256:
        raise ModelFileError(
            f"{path} decides about the model {found}, the candidate is {' or '.join(model_sha256)}. "
            "Evaluate this candidate."
        )
    return record


def parse_decision(content: bytes, name: str = DECISION_FILE) -> DecisionRecord:
    """Read the bytes of a decision.json and verify the hash of its evidence. name: for messages.

    Raises: ModelFileError (too large, no decision record, other schema version, evidence changed after its hash).
    """
    if len(content) > MAX_BYTES:
        raise _malformed(name, f"more than {MAX_BYTES} bytes")
    try:
        document = strict_json(content)
        version, decided = document["schema_version"], document["evidence_sha256"]
        found = hash_of(document["evidence"])
    except UNREADABLE as mistake:
        raise _malformed(name, f"{type(mistake).__name__}: {reason(mistake)}") from None
    if version != SCHEMA_VERSION:
        raise ModelFileError(f"{name} has schema version {version!r}, this code reads {SCHEMA_VERSION}.")
    if decided != found:
        raise ModelFileError(f"{name}: the evidence was changed after it was hashed. Evaluate again.")
    try:
        record = DecisionRecord.model_validate_json(content)
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _malformed(name, f"{place}: {first['msg']}") from None
    if record.content != to_json(document):
        raise _malformed(name, "a day or a number is written in another way")
    return record


def _malformed(name: str, why: str) -> ModelFileError:
    return ModelFileError(f"{name} is not a decision record ({why}). Evaluate again.")


class _Untitled(GenerateJsonSchema):
    """A schema whose titles do not repeat the names of its keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's interface
        return False


def schema_of(model: type[Block], file: str, title: str) -> str:
    """The text of a JSON schema that follows from a typed document. file: its name in docs/."""
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": file,
        **model.model_json_schema(schema_generator=_Untitled),
        "title": title,
    }
    return json.dumps(about, indent=2) + "\n"


def schema() -> str:
    """The text of docs/decision.schema.json, which `make schema` writes."""
    title = f"Decision record of the promotion gate, schema version {SCHEMA_VERSION}"
    return schema_of(DecisionRecord, "decision.schema.json", title)
