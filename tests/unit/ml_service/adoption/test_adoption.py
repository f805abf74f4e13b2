"""`adopt`: what it would change is shown and correct, what git could not bring back is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from ml_service.adoption import emulator, pages, sample
from ml_service.adoption.changes import Change, demand_committed, make_all, rewritten
from ml_service.cli.main import main
from ml_service.errors import InvalidRequestError
from tests.docs.test_readme import dead_links
from tests.sample import ROOT, SHIPPED


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=folder, check=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a.yml").write_text("default: [x]\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old/b").write_text("b")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_changes_are_made_in_order_and_git_undoes_them(tree: Path) -> None:
    made = [
        rewritten(tree, "a.yml", ("[x]", "[own]")),
        Change(Path("new/c"), b"c"),
        Change(Path("old"), to=Path("parked/old")),
        Change(Path("parked/old/b")),
    ]
    make_all(tree, made)
    assert (tree / "a.yml").read_text() == "default: [own]\n"
    assert (tree / "new/c").read_bytes() == b"c"
    assert not (tree / "old").exists()
    assert list((tree / "parked/old").iterdir()) == []
    git(tree, "restore", ".")
    assert (tree / "old/b").read_text() == "b"


def test_a_file_that_is_not_as_the_template_has_it_is_named(tree: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"a\.yml is not as the template has it"):
        rewritten(tree, "a.yml", ("[y]", "[own]"))


def test_what_git_could_not_bring_back_is_refused(tree: Path) -> None:
    demand_committed(tree, ())
    (tree / "own.yml").write_text("mine")
    demand_committed(tree, [Path("own.yml")])
    with pytest.raises(InvalidRequestError, match=r"1 files are changed or new, such as own\.yml"):
        demand_committed(tree, ())
    with pytest.raises(InvalidRequestError, match="is not a git repository"):
        demand_committed(Path("/"), ())


@SHIPPED
@pytest.mark.parametrize("name", ["paid_amount", "units_by_type", "adventureworks"])
def test_a_name_of_the_sample_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "sales.csv"
    table.write_text("Day,Units\n")
    assert main(["adopt", name, "--data", str(table), "--dry-run"]) == 2
    assert f"{name} is a name of the sample" in capsys.readouterr().err


@SHIPPED
def test_a_preview_changes_nothing_and_names_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "sales.csv"
    rows = [f"{date(2024, 1, 1) + timedelta(days=number)},{number % 7}" for number in range(300)]
    table.write_text("\n".join(["Day,Units", *rows[:100], *rows[101:], ""]))
    before = subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = ["adopt", "bakery", "--data", str(table), "--date", "Day", "--measure", "Units", "--dry-run", "--json"]
    assert main(words) == 3
    assert "Day at 2024-04-10: no row" in capsys.readouterr().err
    table.write_text("\n".join(["Day,Units", *rows, ""]))
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    changes = set(document["changes"])
    assert {"write   variables.yml", "write   data/bakery/sales.csv"} <= changes
    assert "move    data/adventureworks to tests/sample_data" in changes
    assert {"write   README.md", "remove  README.ja.md", "write   docs/studio.md"} <= changes
    assert {"remove  local_azure/src", "remove  local_azure/tests", "write   vendor/local_azure.txt"} <= changes
    after = subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert before == after


def test_a_link_to_what_is_gone_becomes_plain_text() -> None:
    page = "[a](../old/x.md#part) [b](../kept/y.md#part) ![c](../old/z.png) [d](https://example.org/old) [e](#part)"
    kept = pages.without_links(page, Path("docs"), {Path("old")})
    assert kept == "a [b](../kept/y.md#part) c [d](https://example.org/old) [e](#part)"


@SHIPPED
def test_every_page_that_stays_links_to_what_stays(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in map(Path, filter(None, listed.split("\0"))):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    own = [Change(Path("data/bakery/sales.csv"), b""), Change(Path("mlops_code/problems/bakery.yml"), b"")]
    others = [*own, *sample.changes(tmp_path), *emulator.changes(tmp_path)]
    make_all(tmp_path, [*others, *pages.changes(tmp_path, "bakery", own[0].path, others)])

    dead = {page.relative_to(tmp_path).as_posix(): dead_links(page) for page in tmp_path.rglob("*.md")}
    assert len(dead) > 50
    assert {page: links for page, links in dead.items() if links} == {}
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# bakery\n")
    assert set(re.findall(r"^make (\w+)$", readme, re.MULTILINE)) == {"run", "test"}


@SHIPPED
def test_the_parked_sample_says_where_its_tables_are() -> None:
    parked = {change.path.name: change.content for change in sample.changes(ROOT) if change.content}
    for content in parked.values():
        table = Path(yaml.safe_load(content)["table"]["file"])
        assert table.parent == sample.PARKED_DATA
        assert (ROOT / sample.DATA / table.name).is_file()


@SHIPPED
def test_no_test_that_stays_needs_one_that_goes() -> None:
    gone = [change.path for change in sample.changes(ROOT) if change.content is None]
    staying = [path for path in (ROOT / "tests/unit").rglob("test_*.py") if path.relative_to(ROOT) not in gone]
    assert len(staying) > 80
