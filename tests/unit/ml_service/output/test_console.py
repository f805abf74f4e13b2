"""What is printed into a file is whole."""

from __future__ import annotations

import io

from ml_service.output.console import Terminal


def test_a_table_in_a_file_is_never_cut() -> None:
    out = io.StringIO()
    columns = [f"a long heading {number}" for number in range(12)]
    Terminal(out=out).table(columns, [["0.123456789"] * 12], right=columns)
    assert out.getvalue().count("0.123456789") == 12
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) < 300, "a table is as wide as it must be"
