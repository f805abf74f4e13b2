"""Model files that are small to store and large to open: refused before they are parsed, or in linear time."""

from __future__ import annotations

import hashlib
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from forecasting import json_text
from forecasting.errors import ModelFileError
from forecasting.json_text import strict_json
from forecasting.models import model_file
from forecasting.models.model_file import read_model

MILLION = 1_000_000
SECONDS, MEMORY = 10.0, 300_000_000


def replaced(folder: Path, content: bytes) -> None:
    """Another model.json, with a manifest that vouches for it."""
    (folder / "model.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def changed(folder: Path, **values: Any) -> None:
    """The model with other values, in model file and manifest."""
    document = json.loads((folder / "model.json").read_text()) | values
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {key: value for key, value in values.items() if key in manifest}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    replaced(folder, json.dumps(document).encode())


BOMBS = {
    "lists": (b'{"a":[' + b"[]," * (10 * MILLION) + b"[]]}", "lists and mappings, expected at most 1000000"),
    "mappings": (b'{"a":[' + b"{}," * (10 * MILLION) + b"{}]}", "lists and mappings, expected at most 1000000"),
    "numbers": (b'{"a":[' + b"1," * (10 * MILLION) + b"1]}", "values, expected at most 8000000"),
    "keys": (b'{"a":{' + b'"":1,' * (5 * MILLION) + b'"":1}}', "keys, expected at most 1000000"),
    "depth": (b'{"a":' + b"[" * 900_000 + b"]" * 900_000 + b"}", "recursion"),
    "depth of mappings": (b'{"a":' * 900_000 + b"1" + b"}" * 900_000, "recursion"),
    "a long number": (b'{"a":' + b"9" * (10 * MILLION) + b"}", "4300 digits"),
    "a long fraction": (b'{"a":0.' + b"3" * (10 * MILLION) + b"}", "keys missing"),
    "a long text": (b'{"a":"' + b"x" * (30 * MILLION) + b'"}', "keys missing"),
    "a long key": (b'{"' + b"x" * (30 * MILLION) + b'":1}', "keys missing"),
    "one key twice": (b'{"a":1,"a":2}', "occurs twice"),
    "other letters": ('{"a":1}'.encode("utf-16"), "utf-8"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_in_time_and_memory(candidate: Path, kind: str) -> None:
    content, said = BOMBS[kind]
    replaced(candidate, content)
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(ModelFileError, match=said) as caught:
            read_model(candidate)
        seconds, memory = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < SECONDS
    assert memory < MEMORY
    assert len(str(caught.value)) < 2_000


def test_a_wrong_value_is_shown_cut(candidate: Path) -> None:
    changed(candidate, lower=list(range(100_000)))
    with pytest.raises(ModelFileError, match="is not a finite number") as caught:
        read_model(candidate)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    ("content", "cap"),
    [
        (b'{"a":[[],[]]}', "MAX_CONTAINERS"),
        (b'{"a":[1,2,3,4]}', "MAX_NUMBERS"),
        (b'{"a":{"b":{"c":{}}}}', "MAX_KEYS"),
    ],
)
def test_at_a_cap_a_document_is_read_and_above_it_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes, cap: str
) -> None:
    most = {"MAX_CONTAINERS": 4, "MAX_NUMBERS": 4, "MAX_KEYS": 3}[cap]
    monkeypatch.setattr(json_text, cap, most)
    assert strict_json(content)["a"]
    monkeypatch.setattr(json_text, cap, most - 1)
    with pytest.raises(ValueError, match=f"expected at most {most - 1}"):
        strict_json(content)


@pytest.mark.parametrize(("file", "cap"), [("model.json", "MAX_BYTES"), ("manifest.json", "MAX_MANIFEST_BYTES")])
def test_at_a_cap_of_bytes_a_file_is_read_and_above_it_refused(
    candidate: Path, monkeypatch: pytest.MonkeyPatch, file: str, cap: str
) -> None:
    most = (candidate / file).stat().st_size
    monkeypatch.setattr(model_file, cap, most)
    assert read_model(candidate).horizon == 28
    monkeypatch.setattr(model_file, cap, most - 1)
    with pytest.raises(ModelFileError, match=f"more than {most - 1}: not a file of ours"):
        read_model(candidate)


@pytest.mark.parametrize("cutoff", ["1900-01-01", "2200-12-31"])
def test_the_cutoff_may_be_any_day_that_a_table_may_hold(candidate: Path, cutoff: str) -> None:
    changed(candidate, cutoff=cutoff)
    assert read_model(candidate).model.cutoff.isoformat() == cutoff


@pytest.mark.parametrize("cutoff", ["9999-12-31", "2201-01-01", "1899-12-31", "0001-01-01"])
def test_a_cutoff_that_leaves_no_days_to_forecast_is_refused(candidate: Path, cutoff: str) -> None:
    changed(candidate, cutoff=cutoff)
    with pytest.raises(ModelFileError, match=f"cutoff {cutoff}, expected a day from 1900-01-01 to 2200-12-31"):
        read_model(candidate)


def test_half_a_character_names_no_series(candidate: Path) -> None:
    changed(candidate, series=["\ud800"])
    with pytest.raises(ModelFileError, match="surrogates not allowed"):
        read_model(candidate)
