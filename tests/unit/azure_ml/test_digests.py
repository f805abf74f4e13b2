"""Hashes of files and folders: what records of production hold must verify for ever."""

from __future__ import annotations

from pathlib import Path

from azure_ml.digests import COMPILED, file_sha256, folder_sha256


def test_hashes_that_earlier_versions_have_recorded_still_verify(tmp_path: Path) -> None:
    """Of this very folder both earlier functions, that of the release and that of the deploy step, gave this hash."""
    (tmp_path / "scoring/forecasting").mkdir(parents=True)
    (tmp_path / "scoring/score.py").write_text("print(1)\n")
    (tmp_path / "scoring/forecasting/errors.py").write_text("")

    assert folder_sha256(tmp_path / "scoring") == "48afcf6b845097bd16991d28e7d299bb289086a3f0baa5ca20b49ad05bb42df2"
    assert (
        file_sha256(tmp_path / "scoring/score.py")
        == "cc42155088fca5730758db72b2a5bca33112a941dfaa2d43098ec422ce4ea213"
    )


def test_a_compiled_file_counts(tmp_path: Path) -> None:
    """Python runs it, so a service with another one serves other code."""
    (tmp_path / "score.py").write_text("")
    before = folder_sha256(tmp_path)
    (tmp_path / "score.pyc").write_bytes(b"x")

    assert folder_sha256(tmp_path) != before


def test_a_running_service_does_not_count_what_its_interpreter_has_compiled(tmp_path: Path) -> None:
    (tmp_path / "forecasting").mkdir()
    (tmp_path / "forecasting/errors.py").write_text("")
    deployed = folder_sha256(tmp_path)
    (tmp_path / "forecasting" / COMPILED).mkdir()
    (tmp_path / "forecasting" / COMPILED / "errors.cpython-311.pyc").write_bytes(b"x")

    assert folder_sha256(tmp_path, without=COMPILED) == deployed != folder_sha256(tmp_path)


def test_the_digest_sees_names_and_bytes_only(tmp_path: Path) -> None:
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)

    assert folder_sha256(tmp_path / "a") == folder_sha256(tmp_path / "b") != folder_sha256(tmp_path / "c")
    (tmp_path / "b" / "file").rename(tmp_path / "b" / "other")
    assert folder_sha256(tmp_path / "a") != folder_sha256(tmp_path / "b")
