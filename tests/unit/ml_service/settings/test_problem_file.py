"""The problem file is read by name, and a file that is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_service.errors import InvalidRequestError
from ml_service.settings.problem_file import read_problem


def test_a_problem_file_that_is_absent_or_no_mapping_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text("- a\n")

    with pytest.raises(InvalidRequestError, match="cannot be read"):
        read_problem(tmp_path / "absent.yml")
    with pytest.raises(InvalidRequestError, match="is not a problem"):
        read_problem(tmp_path / "list.yml")
