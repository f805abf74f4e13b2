"""What a client may store beside JSON: names, metadata, tags, blocks, sizes; how datasets choose files by name."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.domain.data import blobs
from local_azure.machine_learning.domain.data.blobs import Blob
from local_azure.machine_learning.domain.data.dataset_paths import MAX_PATTERN_CHARS, fits
from local_azure.machine_learning.domain.runs.run_documents import MAX_TAG_CHARS, MAX_TAG_KEY_CHARS, MAX_TAGS
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.data.blobs import MAX_TAGS_BYTES
from local_azure.machine_learning.storage import files as blob_files
from local_azure.machine_learning.storage import store as stores
from local_azure.machine_learning.storage.files import MAX_BLOB_NAME_CHARS, BlobFiles
from local_azure.machine_learning.storage.store import Store
from tests.faults.fault_server import Machine, scope
from tests.processor_time import least_seconds


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    """A blob that does not exist yet."""
    return Blob(Store(tmp_path / "store.sqlite"), BlobFiles(tmp_path / "blobs"), "azureml-a", "folder/blob")


def test_a_blob_name_has_a_length(tmp_path: Path) -> None:
    files, part = BlobFiles(tmp_path / "blobs"), "x" * 127 + "/"
    files.path("azureml-a", part * (MAX_BLOB_NAME_CHARS // 128 - 1) + "x" * 128)
    with pytest.raises(ApiError, match=f"{MAX_BLOB_NAME_CHARS} characters"):
        files.path("azureml-a", part * (MAX_BLOB_NAME_CHARS // 128 - 1) + "x" * 129)


@pytest.mark.parametrize("name", ["a\ufffe", "\uffffb"])
def test_a_name_that_would_break_every_later_listing_is_refused(shared: Machine, name: str) -> None:
    assert shared.blob("PUT", name, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 400
    container, signature = shared.signature()
    listed = shared.send("GET", f"/{container}?restype=container&comp=list&{signature}")
    assert listed.status_code == 200


@pytest.mark.parametrize("name", ["a-b", "1a", "a.b", "a&b", "a'b"])
def test_names_of_metadata_can_stand_in_a_listing(shared: Machine, name: str) -> None:
    headers = {"x-ms-blob-type": "BlockBlob", f"x-ms-meta-{name}": "v"}
    assert shared.blob("PUT", "described", data=b"x", headers=headers).status_code == 400
    assert shared.blob("HEAD", "described").status_code == 404, "nothing is kept"


def test_an_upload_has_a_size(blob: Blob, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (blob_files, blobs):
        monkeypatch.setattr(module, "MAX_UPLOAD_BYTES", 1_000)
    blob.write([b"x" * 600, b"x" * 400], {})
    with pytest.raises(ApiError) as refused:
        blob.write([b"y" * 600, b"y" * 401], {})
    assert refused.value.status == 413
    with pytest.raises(ApiError):
        blob.write([], {}, size=1_001)
    assert blob.path.read_bytes() == b"x" * 1_000
    with pytest.raises(ApiError):
        blob_files.append_chunks(blob.path, [b"z"])
    assert blob.path.stat().st_size == 1_000
    with pytest.raises(ApiError):
        blob.write_block("a", [b"y" * 1_001], None, None)


def test_a_block_list_has_a_length(blob: Blob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAX_BLOCKS", 3)
    blob.write_block("a", [b"x"], None, None)
    blob.commit_blocks(["a"] * 3, {})
    assert blob.path.read_bytes() == b"xxx"
    blob.write_block("a", [b"x"], None, None)
    with pytest.raises(ApiError, match="4 blocks"):
        blob.commit_blocks(["a"] * 4, {})


def test_block_lists_are_read_in_linear_time(shared: Machine) -> None:
    begun = time.monotonic()
    for body in ("<Latest>" + " " * 1_000_000, "<Latest>" * 120_000, "<Latest> </" * 20_000):
        assert shared.blob("PUT", "blocks", "comp=blocklist", data=body).status_code in (201, 400)
    assert time.monotonic() - begun < 10


def test_tags_of_a_blob_have_a_size(shared: Machine) -> None:
    shared.blob("PUT", "tagged", data=b"x", headers={"x-ms-blob-type": "BlockBlob"})
    assert shared.blob("PUT", "tagged", "comp=tags", data=b"x" * MAX_TAGS_BYTES).status_code == 204
    assert shared.blob("PUT", "tagged", "comp=tags", data=b"x" * (MAX_TAGS_BYTES + 1)).status_code == 413
    assert shared.blob("PUT", "tagged", "comp=tags", data=b"\xff").status_code == 400


@pytest.mark.parametrize("what", ["tags", "properties"])
def test_tags_of_a_run_have_a_number_and_a_length(shared: Machine, what: str) -> None:
    run_id = f"many-{what}"
    most: dict[str, Any] = {what: {str(number): "v" for number in range(MAX_TAGS)}}
    shared.create_run(run_id, **most)
    path = f"/history/v1.0{scope()}/experiments/faults/runs/{run_id}"
    over: list[dict[str, Any]] = [{"one more": "v"}]
    assert shared.send("PATCH", path, {what: over[0]}).status_code == 400
    assert len(shared.run(run_id)[what]) == MAX_TAGS
    other = f"/history/v1.0{scope()}/experiments/faults/runs/long-{what}"
    longest: dict[str, Any] = {what: {"k" * MAX_TAG_KEY_CHARS: "v" * MAX_TAG_CHARS}}
    shared.create_run(f"long-{what}", **longest)
    for pairs in ({"k" * (MAX_TAG_KEY_CHARS + 1): "v"}, {"k": "v" * (MAX_TAG_CHARS + 1)}):
        answer = shared.send("PATCH", other, {what: pairs})
        assert answer.status_code == 400
        assert len(answer.text) < 5_000


def test_a_document_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MAX_DOCUMENT_BYTES", 1_000)
    store = Store(tmp_path / "store.sqlite")
    store.put("w", "k", "a", {"text": "x" * (1_000 - len('{"text": ""}'))})
    with pytest.raises(ApiError, match="1001 bytes"):
        store.put("w", "k", "a", {"text": "x" * (1_001 - len('{"text": ""}'))})
    store.close()


# --- patterns of names


def by_expression(pattern: str, path: str) -> bool:
    """What patterns meant before they were read in linear time."""
    steps = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.fullmatch("".join(steps.get(piece, re.escape(piece)) for piece in pieces), path) is not None


def test_patterns_mean_what_they_meant() -> None:
    parts = ["a", "b/", "*", "**", "**/", "?", "/"]
    patterns = ["".join(chosen) for length in range(5) for chosen in itertools.product(parts, repeat=length)]
    paths = ["", "a", "b", "a/b", "b/a", "b/b/a", "aa", "a/", "/a", "ab/a", "b/ab/b", "aab"]
    wrong = [(one, path) for one in patterns for path in paths if fits(one, path) != by_expression(one, path)]
    assert wrong == []


@pytest.mark.parametrize("piece", ["*a", "**a", "**/a", "?*", "a*", "*"])
def test_a_pattern_of_many_stars_is_read_in_time(piece: str) -> None:
    pattern, path = piece * (MAX_PATTERN_CHARS // len(piece)), "a" * 1_000 + "b"
    assert least_seconds(lambda: fits(pattern, path), 3) < 3
