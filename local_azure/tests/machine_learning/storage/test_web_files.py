"""Which local file stands for a web address, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage import web_files
from local_azure.machine_learning.storage.web_files import WebFiles, name_of

USABLE = {
    "https://Example.org/data/titanic.csv": "example.org/data/titanic.csv",
    "http://example.org:80/a": "example.org/a",
    "https://example.org:443/a": "example.org/a",
    "https://example.org:8443/a": "example.org:8443/a",
    "http://example.org:443/a": "example.org:443/a",
    "https://example.org./a": "example.org/a",
    "https://example.org": "example.org/index.html",
    "https://example.org/folder/": "example.org/folder/index.html",
    "https://example.org/a%20b/c%2Bd.csv": "example.org/a b/c+d.csv",
    "https://example.org/%C3%BC.csv": "example.org/ü.csv",
    "https://example.org/download?id=5&kind=csv": "example.org/download?id=5&kind=csv",
    "https://example.org/download?path=a/b": "example.org/download?path=a%2Fb",
    "https://a.blob.core.windows.net/c/x.csv?sv=2021&sig=abc%3D": "a.blob.core.windows.net/c/x.csv",
    "https://example.org/x.csv#part": "example.org/x.csv",
    "wasbs://c@a.blob.core.windows.net/p/x.csv": "a.blob.core.windows.net/c/p/x.csv",
}
UNUSABLE = (
    "https://example.org/../secret", "https://example.org/a/%2e%2e/%2e%2e/secret", "https://example.org/./a",
    "https://example.org/a//b", "https://example.org/a%2Fb", "https://example.org/a%5Cb", "https://example.org/a%00b",
    "https://example.org/%0A", "https://example.org/%FF", "https://../a", "https:///a", "https://[::1]/a",
    "https://user@example.org/a", "https://example.org:99999/a", "file:///etc/passwd", "ftp://example.org/a",
    "abfss://c@a.dfs.core.windows.net/a", "wasbs://a.blob.core.windows.net/a", "https://a b/c", "https://ä.org/a",
)  # fmt: skip


@pytest.mark.parametrize("address", USABLE)
def test_an_address_has_a_file_at_its_host_and_path(address: str) -> None:
    assert name_of(address) == USABLE[address]


@pytest.mark.parametrize("address", UNUSABLE)
def test_an_address_that_could_leave_the_folder_has_none(address: str) -> None:
    with pytest.raises(ApiError, match="cannot stand for a local file"):
        name_of(address)


def test_lengths_have_caps() -> None:
    longest = f"https://example.org/{'a' * web_files.MAX_NAME_BYTES}"
    assert name_of(longest).endswith("a")
    with pytest.raises(ApiError, match="may have 255 bytes"):
        name_of(f"{longest}a")
    with pytest.raises(ApiError, match="may have 4096 characters; this one has 4097"):
        name_of("https://example.org/".ljust(web_files.MAX_ADDRESS_CHARS + 1, "a"))


def test_a_refusal_never_shows_a_signature() -> None:
    with pytest.raises(ApiError) as refused:
        name_of("https://example.org/a//b?sig=secret")
    assert "secret" not in refused.value.message


def test_a_missing_file_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match=r"with --web-data FOLDER and save .* as FOLDER/example.org/x.csv, or upload"):
        WebFiles().require("example.org/x.csv")
    with pytest.raises(ApiError, match=f"save the data of this web address as {tmp_path}/example.org/x.csv"):
        WebFiles(lambda: tmp_path).require("example.org/x.csv")


def test_files_below_a_name_are_listed_up_to_a_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.csv", "a.csv", "deep/c.csv"):
        file = tmp_path / "example.org" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.touch()
    files = WebFiles(lambda: tmp_path)
    assert files.below("example.org") == ["example.org/a.csv", "example.org/b.csv", "example.org/deep/c.csv"]
    assert files.below("example.org/a.csv") == ["example.org/a.csv"]
    monkeypatch.setattr(web_files, "MAX_LISTED", 2)
    with pytest.raises(ApiError, match="more than 2 files"):
        files.below("example.org")
