"""Names that lead elsewhere, links, and archives larger than they look. Names are from the advisories on MLflow."""

from __future__ import annotations

import gzip
import io
import tarfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from local_azure.machine_learning.engines.services import folder as archives
from local_azure.machine_learning.engines.services.folder import DeploymentError
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles
from tests.faults.fault_server import Machine, scope

# CVE-2023-1177, -2356, -2780, -6730, -6831, -6909, -6940, CVE-2024-1483, -1558, -1560, -1593, -1594, -2928, -3573
TRAVERSALS = [
    "../server.json",
    "../../server.json",
    "a/../../server.json",
    "a/b/../../../server.json",
    "..",
    ".",
    "a/..",
    "a/./b",
    "/etc/passwd",
    "//etc/passwd",
    "file:///../../etc/passwd",
    "..\\server.json",
    "a\\..\\..\\server.json",
    "C:\\Windows\\win.ini",
    "a/\x00/b",
    "a\x00.txt",
    "a\nb",
    "a\rb",
    "a\x7fb",
]
# Decoded once they are names like others: harmless, and never decoded again.
HARMLESS = ["%2e%2e/server.json", "..%2fserver.json", "%252e%252e%252fserver.json", "...", "a..b", "..a", "a;b", "#a?b", "~", "$HOME"]  # fmt: skip  # noqa: E501
BAD_NAMES = [
    "../x",
    "a/b",
    "..",
    "",
    "a b",
    "a\nb",
    "a\x00",
    "é" * 10,
    "a" * 400,
    "<b>",
    "%2e%2e",
    "$(id)",
    "'; --",
    ".",
]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_a_blob_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    files = BlobFiles(tmp_path / "blobs")
    with pytest.raises(ApiError) as refused:
        files.path("azureml-a", name)
    assert (refused.value.status, refused.value.code) == (400, "InvalidResourceName")


@pytest.mark.parametrize("name", HARMLESS)
def test_odd_names_stay_in_their_container(tmp_path: Path, name: str) -> None:
    files = BlobFiles(tmp_path / "blobs")
    path = files.path("azureml-a", name)
    assert path.resolve().is_relative_to(tmp_path / "blobs" / "azureml-a")


@pytest.mark.parametrize(
    "name", ["azureml-a_evil", "..", "azureml-a/..", "Azureml-a", "a" * 64, "-a", "", ".partial"]
)
def test_a_container_name_is_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(ApiError):
        BlobFiles(tmp_path / "blobs").path(name, "x")


def test_a_link_that_leads_out_of_its_container_is_refused(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path / "blobs")
    inside = files.container("azureml-a")
    inside.mkdir()
    (tmp_path / "blobs" / "azureml-b").mkdir()
    (tmp_path / "blobs" / "azureml-a-evil").mkdir()
    for target in ("/etc", tmp_path / "blobs" / "azureml-b", tmp_path / "blobs" / "azureml-a-evil"):
        (inside / "link").symlink_to(target)
        for name in ("link", "link/x", "link/../x"):
            with pytest.raises(ApiError):
                files.path("azureml-a", name)
        assert files.names("azureml-a") == []
        (inside / "link").unlink()


@pytest.mark.parametrize("name", [*TRAVERSALS[:8], "a\x00b"])
def test_no_plane_lets_a_path_out(shared: Machine, name: str) -> None:
    """Over HTTP, once and twice encoded: nothing of the server's own is shown or written."""
    before = sorted(path.name for path in shared.state.root.iterdir())
    artifacts = f"/artifact/v2.0{scope()}/artifacts"
    for text in (quote(name, safe=""), quote(quote(name, safe=""), safe="")):
        asked = [
            shared.send("GET", f"{artifacts}/content/ExperimentRun/dcid.x/{text}"),
            shared.send("GET", f"{artifacts}/metadata/ExperimentRun/dcid.x/{text}"),
            shared.send("GET", f"{artifacts}/ExperimentRun/{text}"),
            shared.send("GET", f"{artifacts}/ExperimentRun/dcid.x/{text}"),
            shared.send("POST", f"{artifacts}/content/ExperimentRun/{text}/x", {}),
            shared.send("GET", f"/modelmanagement/v1.0{scope()}/services/{text}/logs"),
        ]
        for answer in asked:
            assert answer.status_code < 500
            assert shared.info.token not in answer.text
            assert "root:" not in answer.text
    assert sorted(path.name for path in shared.state.root.iterdir()) == before


def test_names_of_snapshots_stay_in_the_snapshot(shared: Machine) -> None:
    base = f"/content/v2.0{scope()}/snapshots"
    for name in (*TRAVERSALS[:8], "a\x00b", "a?b", "a#b"):
        assert shared.send("POST", f"{base}/getblob", {"FileNames": [name]}).status_code == 400, name
        node = {"FullName": name, "BlobUri": f"https://x/azureml-x/Snapshots/{uuid.uuid4()}/{name}", "FileSize": 1}
        tree = {"type": "Directory", "children": {name: {"type": "File"}}}
        body = {"FileRevisionList": {"FileNodes": [node]}, "DirTreeNode": tree}
        assert shared.send("POST", f"{base}/{uuid.uuid4()}", body).status_code == 400, name
    for identifier in ("..", "x", f"{uuid.uuid4()}x"):
        assert shared.send("POST", f"{base}/{identifier}", {}).status_code in (400, 401), identifier
    many = {"FileNames": [str(number) for number in range(2001)]}
    assert "2000 are allowed" in shared.send("POST", f"{base}/getblob", many).text


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_of_things_are_checked(shared: Machine, name: str) -> None:
    posts: dict[str, Any] = {
        f"/modelmanagement/v1.0{scope()}/models": {"name": name, "url": "aml://asset/x"},
        f"/modelmanagement/v1.0{scope()}/services": {"name": name, "computeType": "ACI"},
        f"/datastore/v1.0{scope()}/datastores": {"name": name, "dataStoreType": "AzureBlob"},
        f"/history/v1.0{scope()}/experiments/faults/runs/{quote(name or ' ', safe='')}": {},
        f"/history/v1.0{scope()}/experiments/{quote(name or ' ', safe='')}": {},
    }
    for path, body in posts.items():
        method = "PATCH" if "/runs/" in path else "POST"
        answer = shared.send(method, path, body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
    secret = shared.send("PUT", f"/credential/v2.0{scope()}/secrets", {"name": name, "value": "x"})
    assert secret.status_code == 400


def test_in_which_case_names_are_one(shared: Machine) -> None:
    """As in Azure: workspaces and secrets are found in any case, models and experiments are not."""
    assert shared.get(scope().upper().replace("/SUBSCRIPTIONS", "/subscriptions"))["name"]
    secrets = f"/credential/v2.0{scope()}/secrets"
    shared.post(secrets, {"name": "Case", "value": "x"}, "PUT")
    assert shared.get(f"{secrets}/case")["value"] == "x"
    shared.post(f"/history/v1.0{scope()}/experiments/Case")
    assert shared.send("GET", f"/history/v1.0{scope()}/experiments/case").status_code == 404


# --- archives of service code


def archive(tmp_path: Path, fill: Callable[[tarfile.TarFile], None]) -> Path:
    """A tar.gz with what `fill` puts into it."""
    path = tmp_path / "code.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        fill(made)
    return path


def entry(name: str, content: bytes = b"x", **more: Any) -> Callable[[tarfile.TarFile], None]:
    """Adds one member."""

    def add(made: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for key, value in more.items():
            setattr(member, key, value)
        made.addfile(member, io.BytesIO(content))

    return add


@pytest.mark.parametrize(
    "fill",
    [
        entry("../outside.py"),
        entry("/outside.py"),
        entry("a/../../outside.py"),
        entry("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("link", b"", type=tarfile.SYMTYPE, linkname="../../outside.py"),
        entry("link", b"", type=tarfile.LNKTYPE, linkname="../outside.py"),
        entry("pipe", b"", type=tarfile.FIFOTYPE),
        entry("device", b"", type=tarfile.CHRTYPE),
    ],
)
def test_an_archive_with_a_way_out_is_refused(tmp_path: Path, fill: Callable[[tarfile.TarFile], None]) -> None:
    (tmp_path / "target").mkdir()
    with suppress(DeploymentError):
        archives.unpack(archive(tmp_path, fill), tmp_path / "target")
    assert {path.name for path in tmp_path.iterdir()} == {"target", "code.tar.gz"}
    assert not [path for path in (tmp_path / "target").rglob("*") if path.is_symlink() or not path.is_file()]


def test_an_archive_that_grows_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNPACKED_BYTES", 1_000_000)
    monkeypatch.setattr(archives, "UNPACKED_FILES", 10)
    (tmp_path / "target").mkdir()
    bomb = archive(tmp_path, entry("zeros", bytes(2_000_000)))
    assert bomb.stat().st_size < 10_000
    with pytest.raises(DeploymentError, match="too large"):
        archives.unpack(bomb, tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []
    many = archive(tmp_path, lambda made: [entry(f"f{number}")(made) for number in range(11)].clear())
    with pytest.raises(DeploymentError, match="too large"):
        archives.unpack(many, tmp_path / "target")


def test_a_header_that_grows_too_large_is_refused(tmp_path: Path) -> None:
    """A PAX header is read into memory before there is a member whose size could be looked at."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 50_000_000
    with gzip.open(tmp_path / "code.tar.gz", "wb") as out:
        out.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(50):
            out.write(bytes(1_000_000))
    (tmp_path / "target").mkdir()
    with pytest.raises(DeploymentError, match="too large"):
        archives.unpack(tmp_path / "code.tar.gz", tmp_path / "target")


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no archive"), gzip.compress(b"x" * 9999)[:-20]],
    ids=["empty", "text", "gzip of a text", "gzip cut off"],  # the bytes hold the second in which they were made
)
def test_what_is_no_archive_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "code.tar.gz").write_bytes(content)
    (tmp_path / "target").mkdir()
    with pytest.raises(DeploymentError, match="cannot be unpacked"):
        archives.unpack(tmp_path / "code.tar.gz", tmp_path / "target")
