"""`adopt`: what it would change is shown and correct, what git could not bring back is refused."""

from __future__ import annotations

import ast
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


def test_what_is_about_the_template_only_is_left_out() -> None:
    page = (
        "# Page\n\n| a | b |\n|---|---|\n| kept | 1 |\n| gone | 2 <!-- template only --> |\n\n"
        "<!-- begin template only -->\nA passage.\n\nIts end.\n\n<!-- end template only -->\nThe rest.\n"
    )
    assert pages.without_passages(page) == "# Page\n\n| a | b |\n|---|---|\n| kept | 1 |\n\nThe rest.\n"


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this repository after `adopt`, with an empty table and problem."""
    folder = tmp_path_factory.mktemp("adopted")
    for path in listed():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    own = [Change(Path("data/bakery/sales.csv"), b""), Change(Path("mlops_code/problems/bakery.yml"), b"")]
    others = [*own, *sample.changes(folder), *emulator.changes(folder)]
    make_all(folder, [*others, *pages.changes(folder, "bakery", own[0].path, others, sample.MOVED)])
    return folder


def listed() -> list[Path]:
    """The files that git knows."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in filter(None, done.stdout.split("\0")) if (ROOT / name).exists()]


@SHIPPED
def test_every_page_that_stays_links_to_what_stays(adopted: Path) -> None:
    dead = {page.relative_to(adopted).as_posix(): dead_links(page) for page in adopted.rglob("*.md")}
    assert len(dead) > 50
    assert {page: links for page, links in dead.items() if links} == {}
    readme = (adopted / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# bakery\n")
    assert set(re.findall(r"^make (\w+)$", readme, re.MULTILINE)) == {"run", "test"}


OF_THE_PAST = ("CHANGELOG.md", "docs/decisions/", "local_azure/CHANGELOG.md")
"""Pages that tell how the template became what it is: they name what was there."""
NAMED = re.compile(r"(?<![\w./-])[\w.-]+(?:/[\w.*-]+)*/?")


def told(adopted: Path) -> dict[str, str]:
    """What people read: pages, and the texts in the sources: help, messages, reasons of skips."""
    found = {}
    for path in sorted(adopted.rglob("*")):
        name = path.relative_to(adopted).as_posix()
        if path.suffix == ".md" and not name.startswith(OF_THE_PAST):
            found[name] = path.read_text(encoding="utf-8")
        elif name == "conftest.py" or (
            path.suffix == ".py" and name.startswith(("ml_service/", "mlops_code/")) and "adoption" not in name
        ):
            found[name] = texts_of(path)
    return found


def texts_of(source: Path) -> str:
    """The sentences that a module holds; a docstring counts, because it may be the help of a command."""
    nodes = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return "\n".join(text for text in texts if " " in text)


@SHIPPED
def test_no_page_and_no_message_names_what_is_gone(adopted: Path) -> None:
    before = {part.as_posix() for path in listed() for part in (path, *path.parents)}
    gone = {name for name in before if not (adopted / name).exists()}
    gone -= {name for name in gone if "/" not in name and "." not in name}
    folders = {f"{name}/" for name in before if "/" not in name and not (adopted / name).exists()}
    named = [
        (page, name)
        for page, text in told(adopted).items()
        for name in NAMED.findall(text)
        if name.rstrip("/.") in gone or name in folders or name.startswith("local_azure/...")
    ]
    assert {"bench/run", "template.mk", "docs/campaigns.md"} <= gone
    assert named == []


@SHIPPED
def test_every_target_that_is_named_is_there(adopted: Path) -> None:
    makefile = (adopted / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    missing = {
        (page, target)
        for page, text in told(adopted).items()
        for target in re.findall(r"(?:`|^ *)(?:[A-Z]+=\S+ )*make ([a-z-]+)(?=`|$|  | [A-Z]+=)", text, re.MULTILINE)
        if target not in targets
    }
    assert missing == set()


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
