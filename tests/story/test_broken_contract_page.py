"""A table that came past the upload and breaks its contract: the page of the run says what to mend."""

from __future__ import annotations

from pathlib import Path

from tests.story.conftest import MakeProduct
from tests.story.product import TABLE, Sdk, register_table


def test_the_page_names_the_rows_and_the_artifact_holds_them(
    make_product: MakeProduct, sdk: Sdk, tmp_path: Path
) -> None:
    product, file, evidence = make_product("page"), tmp_path / "delivery.csv", tmp_path / "evidence"
    kept = [line for line in TABLE.read_text().splitlines() if not line.startswith("2013-12-24")]
    file.write_text("\n".join(kept))
    sdk(register_table, product.settings["DATASET_NAME"], str(file))
    ended = product.run("run", "--unpublished", "--evidence", evidence, code=3)
    assert "the table breaks the data contract" in ended.err
    assert sorted(path.name for path in evidence.iterdir()) == ["contract_failures.csv", "summary.md"]
    page = (evidence / "summary.md").read_text()
    assert "1 rule is broken; every place is in `contract_failures.csv` beside this page." in page
    assert "| TransactionDate | no row of type S, P, W |" in page
    assert "2013-12-24" in page
    assert "2013-12-24" in (evidence / "contract_failures.csv").read_text()
