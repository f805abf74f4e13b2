"""An export of many events takes no more memory than the events themselves, and no more to verify."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.audit import actor_of, population_of
from ml_service.audit.completeness.documents import Documents
from ml_service.audit.completeness.verifying import judge
from ml_service.audit.export import bundle, verifier
from tests.unit.ml_service.audit.exported import Files

FEW, MANY = 60, 300
NAMES = ("a", "b")


@contextmanager
def peak() -> Iterator[SimpleNamespace]:
    """The bytes that are taken at most, once it has ended."""
    found = SimpleNamespace(bytes=0)
    tracemalloc.start()
    try:
        yield found
        found.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_neither_with_rows_nor_with_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_PIECE", 16 * 1024)  # else a whole page is one piece, and larger with more rows
    written, verified = list[int](), list[int]()
    for count in (FEW, FEW, MANY):  # the first one imports and compiles
        documents = Documents(tmp_path)
        of_many = judge(population_of(count, documents))
        with peak() as writing:
            made = bundle.write(of_many, documents, actor_of(count), tmp_path / "x.zip")
        with peak() as verifying:
            assert verifier.verify(str(made.path), made.sha256) == []
        written.append(writing.bytes)
        verified.append(verifying.bytes)
    assert (written[2] - written[1]) / (MANY - FEW) < 4_000, "bytes for each event"
    assert (verified[2] - verified[1]) / (MANY - FEW) < 2_700, "bytes for each event and its documents"


def test_facts_are_written_as_one_document_is(files: Files) -> None:
    written = files["facts.json"].decode()
    assert json.dumps(json.loads(written), indent=1, sort_keys=True) + "\n" == written


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("size", [16, 64, 1024 * 1024])
def test_the_verifier_reads_what_it_compares_and_passes_over_the_rest(
    monkeypatch: pytest.MonkeyPatch, indent: int | None, size: int
) -> None:
    monkeypatch.setattr(verifier, "_PIECE", size)
    long = [{"x": number, "y": ["\u00e9]}", {}]} for number in range(30)]
    document = {"a": long, "c": long, "d": [], "e": {}, "f": [[]], "g": -1.5e10, "h": "[", "b": 12345678901}
    text = json.dumps(document, indent=indent)
    assert verifier.Json(io.BytesIO(text.encode())).members(NAMES) == {"a": long, "b": 12345678901}
    assert verifier.Json(io.BytesIO(b" {} ")).members(NAMES) == {}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "1", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', '{"c":[1,]}', '{"c":[1 2]}', '{"c":[1[2]]}'),
        *('{"c":[1}', "{1:2}", '{"a":1}{}', '{"c":[],"d"}', '{"c":[' * 50_000, '{"c":1.}', '{"c":"\n"}'),
    ],
)
def test_what_is_no_object_of_json_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        verifier.Json(io.BytesIO(text.encode())).members(NAMES)
    with pytest.raises(UnicodeDecodeError):
        verifier.Json(io.BytesIO(b"{}\xc3")).members(NAMES)


def test_facts_of_any_size_are_refused_above_the_limit(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "MOST_FACTS", len(files["facts.json"]) - 1)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    assert "facts.json: it is not readable" in verifier.verify(str(tmp_path / "x.zip"))
