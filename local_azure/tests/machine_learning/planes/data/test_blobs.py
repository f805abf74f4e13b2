"""The blob plane: large and oddly named files through the SDK, refusals over plain HTTP."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

MEGABYTE = 1024 * 1024
Send = Callable[..., requests.Response]


@pytest.fixture
def store(ws: Any) -> Any:
    """The default datastore."""
    return ws.get_default_datastore()


@pytest.fixture
def send(server: ServerInfo, store: Any, unique: Callable[[str], str]) -> Send:
    """A signed call on a blob of this test's own: `send("PUT", "a.txt", "comp=metadata", data=b"")`."""
    prefix = unique("raw")

    def call(method: str, name: str, query: str = "", **more: Any) -> requests.Response:
        path = f"{store.container_name}/{prefix}/{quote(name)}"
        return requests.request(
            method, f"{server.base_url}/{path}?{query}&{store.sas_token}", timeout=30, stream=False, **more
        )

    return call


def _listed(server: ServerInfo, store: Any, query: str) -> requests.Response:
    address = f"{server.base_url}/{store.container_name}?restype=container&comp=list&{query}&{store.sas_token}"
    return requests.get(address, timeout=30)


def _peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


def test_a_large_file_makes_the_round_trip_in_blocks_and_flat_memory(
    server: ServerInfo, store: Any, folder: Path, unique: Callable[[str], str]
) -> None:
    content = os.urandom(MEGABYTE) * 70
    (folder / "up").mkdir()
    (folder / "up" / "large.bin").write_bytes(content)
    prefix, before = unique("large"), _peak_memory(server.pid)
    store.upload(str(folder / "up"), prefix, show_progress=False)
    store.download(str(folder / "down"), prefix, show_progress=False)
    received = (folder / "down" / prefix / "large.bin").read_bytes()
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()
    assert _peak_memory(server.pid) - before < 40 * MEGABYTE


def test_odd_names_and_empty_files_come_back_as_they_were(
    store: Any, folder: Path, unique: Callable[[str], str]
) -> None:
    names = {"a b%20c+d&é#x?.txt": b"hi", "sub dir/ü.bin": b"\0\1", "empty": b""}
    for name, content in names.items():
        (folder / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "up" / name).write_bytes(content)
    prefix = unique("odd")
    store.upload(str(folder / "up"), prefix, show_progress=False)
    assert store.download(str(folder / "down"), prefix, show_progress=False) == len(names)
    assert {name: (folder / "down" / prefix / name).read_bytes() for name in names} == names


def test_overwrite_is_decided_by_the_client(store: Any, folder: Path, unique: Callable[[str], str]) -> None:
    prefix = unique("again")
    for content, overwrite, expected in (("1", False, "1"), ("2", False, "1"), ("3", True, "3")):
        (folder / "x.txt").write_text(content)
        store.upload_files([str(folder / "x.txt")], target_path=prefix, overwrite=overwrite, show_progress=False)
        store.download(str(folder / "down"), prefix, overwrite=True, show_progress=False)
        assert (folder / "down" / prefix / "x.txt").read_text() == expected


@pytest.mark.parametrize("spoil", ["sig=AAAA", "se=2000-01-01T00%3A00%3A00Z", "sp=rcwdlx", "sr=b"])
def test_a_signature_that_is_not_ours_is_refused(server: ServerInfo, store: Any, spoil: str) -> None:
    key = spoil.partition("=")[0]
    token = re.sub(rf"\b{key}=[^&]*", spoil, store.sas_token)
    answer = requests.get(f"{server.base_url}/{store.container_name}/x?{token}", timeout=30)
    assert answer.status_code == 403
    assert answer.headers["x-ms-error-code"] == "AuthenticationFailed"
    assert "<Code>AuthenticationFailed</Code>" in answer.text


def test_a_signature_opens_its_own_container_only(server: ServerInfo, ws: Any, store: Any) -> None:
    other = ws.datastores["workspaceartifactstore"].container_name
    for container in (other, "azureml-00000000-0000-0000-0000-000000000000"):
        answer = requests.get(f"{server.base_url}/{container}/x?{store.sas_token}", timeout=30)
        assert answer.status_code == 403
    assert requests.get(f"{server.base_url}/{store.container_name}/x", timeout=30).status_code == 403


@pytest.mark.parametrize("name", ["%2e%2e/%2e%2e/server.json", "a/%2e%2e/b", "..%2fserver.json", "a%5cb", "a%00b"])
def test_names_that_leave_the_container_are_refused(server: ServerInfo, store: Any, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    connection.request("PUT", f"/{store.container_name}/{name}?{store.sas_token}", body=b"evil")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("x-ms-error-code")) == (400, "InvalidResourceName")
    connection.close()


def test_ranges(send: Send) -> None:
    send("PUT", "r.txt", data=b"0123456789")
    part = send("GET", "r.txt", headers={"x-ms-range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert send("GET", "r.txt", headers={"Range": "bytes=8-"}).content == b"89"
    assert send("GET", "r.txt", headers={"Range": "bytes=10-11"}).headers["x-ms-error-code"] == "InvalidRange"
    head = send("HEAD", "r.txt")
    assert (head.headers["Content-Length"], head.headers["x-ms-blob-type"]) == ("10", "BlockBlob")
    assert send("GET", "r.txt", headers={"If-Match": '"other"'}).status_code == 412


def test_a_missing_blob_is_named_in_the_header(send: Send) -> None:
    for method in ("HEAD", "GET", "DELETE"):
        answer = send(method, "nothing")
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (404, "BlobNotFound")


def test_put_checks_what_the_client_asked_it_to_check(send: Send) -> None:
    only_new = {"If-None-Match": "*"}
    assert send("PUT", "n.txt", data=b"1", headers=only_new).status_code == 201
    assert send("PUT", "n.txt", data=b"2", headers=only_new).headers["x-ms-error-code"] == "BlobAlreadyExists"
    wrong = base64.b64encode(hashlib.md5(b"2", usedforsecurity=False).digest()).decode()
    spoilt = send("PUT", "n.txt", data=b"3", headers={"Content-MD5": wrong})
    assert spoilt.headers["x-ms-error-code"] == "Md5Mismatch"
    assert send("GET", "n.txt").content == b"1"


def test_blocks_become_a_blob_in_the_order_of_the_list(send: Send) -> None:
    ids = [base64.b64encode(f"block-{n}".encode()).decode() for n in range(3)]
    for block_id in ids[:2]:
        assert send("PUT", "b.bin", f"comp=block&blockid={quote(block_id)}", data=block_id.encode()).ok
    assert send("GET", "b.bin").status_code == 404
    listed = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
    missing = send("PUT", "b.bin", "comp=blocklist", data=f"<BlockList>{listed}</BlockList>")
    assert missing.headers["x-ms-error-code"] == "InvalidBlockList"
    listed = "".join(f"<Uncommitted>{block_id}</Uncommitted>" for block_id in reversed(ids[:2]))
    assert send("PUT", "b.bin", "comp=blocklist", data=f"<BlockList>{listed}</BlockList>").status_code == 201
    assert send("GET", "b.bin").text == ids[1] + ids[0]


def test_metadata_properties_and_tags_are_kept(send: Send) -> None:
    send("PUT", "m.txt", data=b"1", headers={"x-ms-meta-owner": "me", "x-ms-blob-content-type": "text/plain"})
    assert send("HEAD", "m.txt").headers["x-ms-meta-owner"] == "me"
    assert send("PUT", "m.txt", "comp=metadata", headers={"x-ms-meta-other": "you"}).status_code == 200
    assert send("PUT", "m.txt", "comp=properties", headers={"x-ms-blob-content-type": "text/csv"}).status_code == 200
    assert send("PUT", "m.txt", "comp=tags", data=b"<Tags><TagSet/></Tags>").status_code == 204
    head = send("HEAD", "m.txt")
    assert (head.headers["x-ms-meta-other"], head.headers["Content-Type"]) == ("you", "text/csv")
    assert "x-ms-meta-owner" not in head.headers
    send("PUT", "m.txt", data=b"2")
    assert "x-ms-meta-other" not in send("HEAD", "m.txt").headers


def test_a_folder_marker_makes_room_for_blobs_below_it(send: Send) -> None:
    marker = {"x-ms-meta-hdi_isfolder": "true"}
    assert send("PUT", "dir", data=b"", headers=marker).status_code == 201
    head = send("HEAD", "dir")
    assert (head.headers["x-ms-meta-hdi_isfolder"], head.headers["Content-Length"]) == ("true", "0")
    assert send("PUT", "dir/x", data=b"1").status_code == 201
    assert send("DELETE", "dir").status_code == 202
    assert send("GET", "dir/x").content == b"1"


def test_one_name_is_a_blob_or_a_folder(send: Send) -> None:
    send("PUT", "one", data=b"1")
    send("PUT", "two/x", data=b"1")
    for name in ("one/below", "two"):
        assert send("PUT", name, data=b"2").headers["x-ms-error-code"] == "ResourceTypeMismatch"
    send("DELETE", "two/x")
    assert send("PUT", "two", data=b"2").status_code == 201


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"x-ms-blob-type": "PageBlob"}),
        ("", {"x-ms-copy-source": "http://127.0.0.1/x"}),
        ("comp=page", {}),
    ],
)
def test_what_is_not_implemented_says_so(send: Send, query: str, headers: dict[str, str]) -> None:
    answer = send("PUT", "x", query, data=b"", headers=headers)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "NotImplemented")


def test_listing_folds_sorts_and_pages(
    server: ServerInfo, store: Any, folder: Path, unique: Callable[[str], str]
) -> None:
    prefix = unique("list")
    for name in ("b.txt", "a&b.txt", "sub/x", "sub/y", "z.txt"):
        path = f"{server.base_url}/{store.container_name}/{prefix}/{quote(name)}?{store.sas_token}"
        assert requests.put(path, data=b"12", timeout=30).status_code == 201
    seen: list[str] = []
    marker, pages = "", 0
    while pages == 0 or marker:
        body = _listed(server, store, f"prefix={prefix}/&delimiter=/&maxresults=2&marker={quote(marker)}").text
        seen += re.findall(r"<Name>([^<]*)</Name>", body)
        marker = (re.findall(r"<NextMarker>([^<]+)</NextMarker>", body) or [""])[0].replace("&amp;", "&")
        pages += 1
    assert [name.removeprefix(f"{prefix}/") for name in seen] == ["a&amp;b.txt", "b.txt", "sub/", "z.txt"]
    assert pages == 2
    flat = _listed(server, store, f"prefix={prefix}/sub").text
    assert flat.count("<Blob>") == 2
    assert "<Content-Length>2</Content-Length>" in flat
    assert _listed(server, store, "maxresults=none").status_code == 400


def test_containers_are_the_workspaces_own(server: ServerInfo, store: Any) -> None:
    address = f"{server.base_url}/{store.container_name}?restype=container&{store.sas_token}"
    assert requests.head(address, timeout=30).status_code == 200
    assert requests.put(address, timeout=30).status_code == 409
    assert requests.delete(address, timeout=30).status_code == 409


def test_append_blobs_grow_at_their_end(server: ServerInfo, store: Any, send: Send) -> None:
    append = {"x-ms-blob-type": "AppendBlob"}
    assert send("PUT", "log", headers=append).status_code == 201
    first = send("PUT", "log", "comp=appendblock", data=b"one")
    assert (first.status_code, first.headers["x-ms-blob-append-offset"]) == (201, "0")
    at_end = {"x-ms-blob-condition-appendpos": "3"}
    assert send("PUT", "log", "comp=appendblock", data=b"two", headers=at_end).status_code == 201
    again = send("PUT", "log", "comp=appendblock", data=b"two", headers=at_end)
    assert (again.status_code, again.headers["x-ms-error-code"]) == (412, "AppendPositionConditionNotMet")
    long = send("PUT", "log", "comp=appendblock", data=b"1234", headers={"x-ms-blob-condition-maxsize": "9"})
    assert (long.status_code, long.headers["x-ms-error-code"]) == (412, "MaxBlobSizeConditionNotMet")
    found = send("GET", "log")
    assert (found.content, found.headers["x-ms-blob-type"]) == (b"onetwo", "AppendBlob")
    prefix = quote(found.request.path_url.split("/")[2])
    assert "<BlobType>AppendBlob</BlobType>" in _listed(server, store, f"prefix={prefix}").text


def test_only_append_blobs_are_appended_to_within_a_cap(send: Send) -> None:
    assert send("PUT", "none", "comp=appendblock", data=b"x").status_code == 404
    send("PUT", "block", data=b"x", headers={"x-ms-blob-type": "BlockBlob"})
    other = send("PUT", "block", "comp=appendblock", data=b"x")
    assert (other.status_code, other.headers["x-ms-error-code"]) == (409, "InvalidBlobType")
    filled = send("PUT", "log", data=b"x", headers={"x-ms-blob-type": "AppendBlob"})
    assert filled.status_code == 400
    send("PUT", "log", headers={"x-ms-blob-type": "AppendBlob"})
    assert send("PUT", "log", "comp=appendblock", data=b"").status_code == 400
    assert send("PUT", "log", "comp=appendblock", data=bytes(4 * MEGABYTE)).status_code == 201
    assert send("PUT", "log", "comp=appendblock", data=bytes(4 * MEGABYTE + 1)).status_code == 413
    assert send("HEAD", "log").headers["Content-Length"] == str(4 * MEGABYTE)


def test_a_table_is_partitioned(store: Any, unique: Callable[[str], str]) -> None:
    """The SDK's data engine writes the parts as append blobs."""
    import pandas as pd
    from azureml.core import Dataset

    name = unique("parts")
    rows = pd.DataFrame({"store": [1, 1, 2], "sold": [3, 4, 5]})
    table = Dataset.Tabular.register_pandas_dataframe(rows, (store, f"{name}/raw"), name, show_progress=False)
    parts = table.partition_by(["store"], (store, f"{name}/parts"), show_progress=False)
    assert sorted(part["store"] for part in parts.get_partition_key_values()) == [1, 2]
    assert sorted(parts.to_pandas_dataframe()["sold"]) == [3, 4, 5]
