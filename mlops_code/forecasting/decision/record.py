"""Pydantic schema of decision.json; docs/decision.schema.json is generated from it.

`read_decision` and `parse_decision` return a `DecisionRecord`; `blocks.py` lists all attributes:

    record = read_decision(folder, model_sha256)
    record.evidence.challenger.metrics.mae    # None where the challenger or this metric was not scored
    record.evidence.override                  # None where the gate decided
    record.context.champion                   # None where the problem had no champion
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
_ADVICE = "Do not use this file; run the training again."


class DecisionRecord(Block):
    """What the gate decided about a model and on what evidence.

    `evidence` is a deterministic function of data, policy, compared models and any override; `evidence_sha256` is the
    hash of its compact JSON with sorted keys. `context` holds who started the run, when, and which registered version
    was the champion.
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
    def override_tags(self) -> dict[str, str]:
        """Tags and properties that name who overrode the gate and why; empty without an override."""
        override = self.evidence.override
        return {"override_by": override.person, "override_reason": override.reason} if override else {}

    @property
    def content(self) -> bytes:
        """The bytes of decision.json."""
        return to_json(as_json(self))

    @property
    def sha256(self) -> str:
        """Hash of decision.json, stored in run history and on the registered model."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric for run history, named {challenger,champion,seasonal_naive}_{metric}."""
        evidence = self.evidence
        scored = {
            "challenger": evidence.challenger,
            "champion": evidence.champion,
            SEASONAL_NAIVE: evidence.baselines.get(SEASONAL_NAIVE),
        }
        found: dict[str, float] = {}
        for model, entry in scored.items():
            if entry is not None and entry.metrics is not None:
                found |= {f"{model}_{name}": value for name, value in entry.metrics if value is not None}
        return found

    def write(self, folder: Path) -> Path:
        """Write decision.json into the folder and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / DECISION_FILE
        path.write_bytes(self.content)
        return path


def as_json(block: Block) -> dict[str, Any]:
    """Convert a block to its JSON document; unset keys are omitted."""
    return block.model_dump(mode="json", exclude_unset=True)


def read_decision(folder: Path, *model_sha256: str) -> DecisionRecord:
    """Read a decision and require that it is about one of these models.

    Raises: UsageError (no file), ModelFileError (changed after it was written, other schema, another model).
    """
    path = folder / DECISION_FILE
    if not path.is_file():
        raise UsageError(f"{path} does not exist. Expected a folder that contains {DECISION_FILE}.")
    with path.open("rb") as content:
        record = parse_decision(content.read(MAX_BYTES + 1), str(path))
    found = record.evidence.challenger.model_sha256
    if found not in model_sha256:
        raise ModelFileError(f"{path} is about model sha256 {found}; expected {' or '.join(model_sha256)}. {_ADVICE}")
    return record


def parse_decision(content: bytes, name: str = DECISION_FILE) -> DecisionRecord:
    """Read the bytes of a decision.json and verify the hash of its evidence. name: of the file, for messages.

    Raises: ModelFileError (too large, not a decision record, other schema version, evidence changed after its hash).
    """
    if len(content) > MAX_BYTES:
        raise _malformed(name, f"more than {MAX_BYTES} bytes")
    try:
        document = strict_json(content)
        version, recorded_hash = document["schema_version"], document["evidence_sha256"]
        actual_hash = hash_of(document["evidence"])
    except UNREADABLE as mistake:
        raise _malformed(name, f"{type(mistake).__name__}: {reason(mistake)}") from None
    if version != SCHEMA_VERSION:
        raise ModelFileError(f"{name} has schema version {version!r}, this code reads {SCHEMA_VERSION}.")
    if recorded_hash != actual_hash:
        raise ModelFileError(f"{name}: the evidence was changed after it was hashed. {_ADVICE}")
    try:
        record = DecisionRecord.model_validate_json(content)
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _malformed(name, f"{place}: {first['msg']}") from None
    if record.content != to_json(document):
        raise _malformed(name, "its JSON is not in canonical form")
    return record


def _malformed(name: str, why: str) -> ModelFileError:
    return ModelFileError(f"{name} is not a decision record ({why}). {_ADVICE}")


class _OmitFieldTitles(GenerateJsonSchema):
    """A schema generator that omits field titles: they repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's interface
        return False


def schema_of(model: type[Block], file: str, title: str) -> str:
    """Generate the text of a document's JSON schema. file: name of the schema file in docs/."""
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": file,
        **model.model_json_schema(schema_generator=_OmitFieldTitles),
        "title": title,
    }
    return json.dumps(about, indent=2) + "\n"


def schema() -> str:
    """Generate the text of docs/decision.schema.json, which `make schema` writes."""
    title = f"Decision record of the promotion gate, schema version {SCHEMA_VERSION}"
    return schema_of(DecisionRecord, "decision.schema.json", title)
