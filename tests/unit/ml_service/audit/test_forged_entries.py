"""Entries in canonical form that tell less than they should: they stop no command of audit."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from azure_ml.workspace import Workspace
from ml_service.audit.export import bundle
from ml_service.audit.timeline import at as asking
from ml_service.audit.timeline.intervals import intervals
from ml_service.audit.timeline.log import Index
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.candidates.histories import read_histories
from ml_service.production.chain import store
from ml_service.production.chain.entry import Entry, parse
from ml_service.production.chain.store import Chain
from tests.unit.ml_service.audit.trail import Trail
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs

RECORD = {"event": "release", "model_name": "m", "model_version": "1", "service": "s", "workspace": "prod"}


@pytest.mark.parametrize(
    ("details", "is_one"),
    [
        ({}, False),
        ({"record": None}, False),
        ({"record": {}}, False),
        ({"record": {**RECORD, "from": 1}}, False),
        ({"record": {**RECORD, "model_version": "x"}}, False),
        ({"record": RECORD}, True),
    ],
)
def test_an_entry_opens_a_deployment_only_with_its_record(
    trail: Trail, details: dict[str, Any], is_one: bool
) -> None:
    opened = next(entry for entry in trail.chain.entries if entry.event == "deployment.started")
    assert (parse(opened.model_copy(update={"details": details}).content) is not None) == is_one


def read_again(entries: list[Entry]) -> Chain:
    """The chain as it is read from storage, each entry behind the one before."""
    chain, blobs = Chain("p"), MemoryBlobs()
    for entry in entries:
        chain = chain.followed_by(entry)
    blobs.stored.update({store.path("p", entry.sequence): entry.content for entry in chain.entries})
    return store.read(blobs, "p")


@pytest.mark.parametrize("value", [None, "x", 1, ["x"], {"x": "x"}])
def test_details_of_another_shape_stop_nothing(
    trail: Trail, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "find_run", lambda *_: None)
    forged = list(trail.chain.entries)
    for entry in trail.chain.entries:
        details = {} if value is None else dict.fromkeys((*entry.details, "record", "told", "findings"), value)
        forged.append(entry.model_copy(update={"details": details}))
        forged.append(entry.model_copy(update={"details": details, "subject": "new", "before": "x", "after": "x"}))
    chain = read_again(forged)
    read_histories(chain.entries)
    for record in ledger.records_of(chain, (), Workspace(None, "w", "g")):
        assert (record.content, record.told) is not None
    assert Index(chain.entries).of_model("m:1")
    asked = asking.Asked(datetime(2026, 1, 5, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC))
    out = io.StringIO()
    asking.show(Terminal(out=out, err=out), asking.answer(asked, chain.entries, intervals(chain.entries), (), {}))
    verified = trail.verified(chain=chain)
    assert bundle.write(verified, trail.documents, trail.actor(109), tmp_path / "x.zip").files
