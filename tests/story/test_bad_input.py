"""What a user gets wrong: a message that names the object and says what to do, the right exit code, and no model."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.story.conftest import MakeProduct, Rehearsed
from tests.story.product import (
    TABLE,
    Ended,
    Product,
    Sdk,
    copy_tree,
    register_table,
    registered_versions,
    served,
    write_problem,
)

HEADER, *ROWS = TABLE.read_text().splitlines()


def changed(*edits: tuple[str, str]) -> list[str]:
    """The table with some texts of its rows replaced."""
    text = "\n".join([HEADER, *ROWS])
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text.splitlines()


FIRST_ROW = "2013-08-01,S,140,140,39771.1"
TABLES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "missing column": (
        changed((HEADER, HEADER.replace("Amount", "Betrag"))),
        ("column Amount: missing", "the header is TransactionDate, TransactionType, Transactions, Quantity, Betrag"),
    ),
    "negative amount": (
        changed((FIRST_ROW, "2013-08-01,S,140,140,-39771.1")),
        ("column Amount at line 4 ('-39771.1'): negative", "expected at least 0"),
    ),
    "duplicate date": (
        [HEADER, *ROWS[:3], FIRST_ROW, *ROWS[3:]],
        ("at line 5 (2013-08-01 S)", "a day and TransactionType that occurred before", "Remove the repeated rows"),
    ),
    "gap": (
        [HEADER, *(row for row in ROWS if not row.startswith("2013-12-24"))],
        ("column TransactionDate at 2013-12-24: no row of type S, P, W", "Deliver the missing days"),
    ),
    "nan": (
        changed((FIRST_ROW, "2013-08-01,S,140,140,NaN")),
        ("column Amount at line 4 ('NaN'): NaN, infinite or not a number", "expected a finite number"),
    ),
    "empty file": ([], ("is an empty file", "expected a header and one row a day")),
    "no rows": ([HEADER], ("has a header but no rows",)),
}

IN_BOTH = ("negative amount", "empty file")
"""That are uploaded in `make test` too; unit tests refuse the others there."""


def dataset_exists(workspace: Any, name: str) -> bool:
    """Whether any version of a data set is registered."""
    return name in workspace.datasets


def run_facts(workspace: Any, experiment: str) -> dict[str, Any]:
    """The newest run of an experiment: how it ended, what it recorded, which steps began and how they ended."""
    from azureml.core import Experiment

    run = next(Experiment(workspace, experiment).get_runs())
    return {
        "status": run.get_status(),
        "outcome": run.get_properties().get("outcome"),
        "reason": run.get_properties().get("reason"),
        "data": run.get_properties().get("data_sha256"),
        "steps": {step.name: step.get_status() for step in run.get_children()},
    }


def offending_rows(workspace: Any, experiment: str, folder: str) -> list[dict[str, str]]:
    """The table of the newest run's refusal, fetched as an auditor would; says that the run keeps nothing else."""
    from azureml.core import Experiment

    run = next(Experiment(workspace, experiment).get_runs())
    assert [name for name in run.get_file_names() if name.endswith(".csv")] == ["contract_failures.csv"]
    run.download_file("contract_failures.csv", output_file_path=f"{folder}/failures.csv")
    with Path(folder, "failures.csv").open(encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content))


@pytest.fixture
def product(rehearsed: Rehearsed, make_product: MakeProduct) -> Product:
    """A product on the data of the story, with no model yet."""
    return make_product("bad").with_settings(DATASET_NAME=rehearsed.product.settings["DATASET_NAME"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the product to break."""
    return copy_tree(tmp_path / "tree")


@pytest.fixture
def nothing_registered(product: Product, sdk: Sdk) -> Callable[[], None]:
    """Says that the product's model has no version, and that its service was never deployed."""

    def check() -> None:
        assert not sdk(registered_versions, product.settings["MODEL_NAME"])
        with pytest.raises(Exception, match="WebserviceNotFound"):
            sdk(served, product.settings["TEST_SERVICE_NAME"])

    return check


# Settings and arguments: exit code 2, before anything is contacted.


def test_every_missing_and_placeholder_value_is_reported_at_once(product: Product, tree: Path) -> None:
    variables = tree / "variables.yml"
    lines = variables.read_text().splitlines(keepends=True)
    kept = (line for line in lines if not line.strip().startswith(("COMPUTE_VM_SIZE:", "PROBLEM_FILE:")))
    variables.write_text("".join(kept))
    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
    environment = {name: value for name, value in product.environment.items() if name not in names}
    settings = {**product.settings, "MODEL_NAME": "", "COMPUTE_MAX_NODES": "many"}
    said = Product(environment, settings, tree).run("run", code=2).err
    assert "\nwhat happened:     error: 7 settings are not usable\n" in said
    assert "COMPUTE_VM_SIZE is missing, for example STANDARD_DS2_V2" in said
    assert "PROBLEM_FILE is missing, for example mlops_code/problems/bakery.yml" in said
    assert "AZURE_SUBSCRIPTION_ID is still the placeholder <subscription id> (from variables.yml)" in said
    assert "AZUREML_WORKSPACE_NAME is still the placeholder <workspace name>" in said
    assert "MODEL_NAME is empty (from the environment)" in said
    assert "COMPUTE_MAX_NODES is invalid" in said
    assert "edit variables.yml, or set environment variables of the same names" in said


def test_one_placeholder_says_where_it_stands(product: Product) -> None:
    said = product.with_settings(AZURE_RESOURCE_GROUP="<resource group>").run("publish", code=2).err
    assert "1 setting is not usable" in said
    assert "AZURE_RESOURCE_GROUP is still the placeholder <resource group> (from the environment)" in said


def test_an_unknown_step_is_named(product: Product) -> None:
    for words in (("publish",), ("run", "--unpublished")):
        said = product.run(*words, "--steps", "train,regsiter,deploy", code=2).err
        assert "unknown: regsiter" in said
        assert "prepare,train,evaluate,register,deploy in this order" in said


# Data: exit code 3.


@dataclass(frozen=True)
class Refused:
    """A product, and how each `data upload` of a bad table has ended."""

    product: Product
    folder: Path
    ended: dict[str, Ended] = field(default_factory=dict)

    def upload(self, name: str) -> Ended:
        """Upload a bad table."""
        file = self.folder / f"{name.replace(' ', '_')}.csv"
        file.write_text("".join(f"{line}\n" for line in TABLES[name][0]))
        self.ended[file.name] = self.product.run("data", "upload", "--file", file, code=3)
        return self.ended[file.name]


@pytest.fixture(scope="module")
def refused(make_product: MakeProduct, tmp_path_factory: pytest.TempPathFactory) -> Refused:
    return Refused(make_product("upload"), tmp_path_factory.mktemp("tables"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.begins_story if name in IN_BOTH else pytest.mark.campaign)
        for name in TABLES
    ],
)
def test_a_bad_table_is_not_taken(name: str, refused: Refused, sdk: Sdk) -> None:
    ended = refused.upload(name)
    assert f"{name.replace(' ', '_')}.csv violates the data contract (1 finding)" in ended.err
    for text in TABLES[name][1]:
        assert text in ended.err
    assert not ended.out
    assert not sdk(dataset_exists, refused.product.settings["DATASET_NAME"])
    assert not sdk(registered_versions, refused.product.settings["MODEL_NAME"])


@pytest.mark.begins_story
def test_the_ledger_tells_of_each_bad_table(refused: Refused) -> None:
    entries = refused.product.run("audit", "log", "--json").document["entries"]
    told = {entry["subject"]: entry["details"] for entry in entries if entry["event"] == "data.refused"}
    assert sorted(told) == sorted(refused.ended)
    assert "column Amount at line 4 ('-39771.1'): negative" in told["negative_amount.csv"]["happened"]


@pytest.mark.parametrize(
    "steps",
    ["prepare,train,evaluate,register,deploy", pytest.param("train,register,deploy", marks=pytest.mark.campaign)],
)
def test_a_bad_table_that_came_another_way_is_refused_with_its_rows(
    make_product: MakeProduct, sdk: Sdk, tmp_path: Path, steps: str
) -> None:
    product, file, first = make_product("past"), tmp_path / "delivery.csv", steps.split(",", maxsplit=1)[0]
    rows = [row for row in TABLES["negative amount"][0] if not row.startswith("2013-12-24")]
    file.write_text("\n".join(rows))
    sha256 = sdk(register_table, product.settings["DATASET_NAME"], str(file))
    words = ("--steps", steps, "--evidence", tmp_path / "evidence", "--json")
    ended = product.run("run", "--unpublished", *words, code=3)
    assert [(step["name"], step["status"]) for step in ended.document["steps"]] == [(first, "Failed")]
    assert (ended.document["outcome"], ended.document["reason"]) == ("failed", "contract")
    assert "column TransactionDate at 2013-12-24: no row of type S, P, W" in ended.err, "the step's log is shown"
    assert "refused (contract): the table violates the data contract" in ended.err
    assert not sdk(registered_versions, product.settings["MODEL_NAME"])
    experiment = product.settings["EXPERIMENT_NAME"]
    assert sdk(run_facts, experiment) == {
        "status": "Failed",
        "outcome": "failed",
        "reason": "contract",
        "steps": {first: "Failed"},
        "data": sha256,
    }
    found = sdk(offending_rows, experiment, str(tmp_path))
    assert [(row["column"], row["place"], row["found"]) for row in found] == [
        ("Amount", "line 4 ('-39771.1')", "negative"),
        ("TransactionDate", "2013-12-24", "no row of type S, P, W"),
    ]
    assert all(row["file"].endswith(".csv") and row["expected"] and row["fix"] for row in found)
    the_page_names_the_rows(tmp_path / "evidence")


def the_page_names_the_rows(evidence: Path) -> None:
    """The page of the run says what to change, and the table of all places lies beside it."""
    assert sorted(path.name for path in evidence.iterdir()) == ["contract_failures.csv", "summary.md"]
    page = (evidence / "summary.md").read_text()
    assert "2 rules are violated; all locations are in `contract_failures.csv` beside this page." in page
    assert "| TransactionDate | no row of type S, P, W |" in page
    for text in (page, (evidence / "contract_failures.csv").read_text()):
        assert "2013-12-24" in text


def test_a_challenger_above_the_floor_is_refused(
    product: Product, nothing_registered: Callable[[], None], tmp_path: Path
) -> None:
    strict = write_problem(tmp_path / "strict.yml", {"gate.floor": 0.1})
    words = ("--pipeline-variables", "--evidence", tmp_path / "evidence", "--json")
    ended = product.with_settings(PROBLEM_FILE=strict).run("run", "--unpublished", *words, code=3)
    ran = ended.document
    assert (ran["outcome"], ran["reason"], ran["model"]) == ("failed", "floor", None)
    assert (tmp_path / "evidence/decision.json").is_file(), "the evidence of a refusal too"
    assert "variable=outcome;isOutput=true]failed" in ended.err, "a pipeline keeps the evidence by it"
    assert "not at most 10.0%" in ran["decision"]["evidence"]["sentence"]
    assert {step["name"]: step["status"] for step in ran["steps"]} == {
        "prepare": "Finished",
        "train": "Finished",
        "evaluate": "Failed",
    }
    assert "refused (floor)" in ended.err
    nothing_registered()


# Steps that break: exit code 1, or 124 when they take too long.


def break_step(tree: Path, step: str, statements: str) -> None:
    """Let a step script do something else than its work."""
    script = tree / "mlops_code" / f"{step}.py"
    start = 'if __name__ == "__main__":'
    script.write_text(script.read_text().replace(start, f"{statements}\n{start}"))


def test_a_step_that_breaks_shows_its_log_and_stops_the_rest(
    product: Product, tree: Path, nothing_registered: Callable[[], None]
) -> None:
    sixty_lines = "for number in range(60):\n    print(f'line {number} of the broken step')"
    break_step(tree, "evaluate", f"{sixty_lines}\nraise SystemExit(3)")
    ended = product.from_tree(tree).run("run", "--unpublished", "--json", code=1)
    assert {step["name"]: step["status"] for step in ended.document["steps"]} == {
        "prepare": "Finished",
        "train": "Finished",
        "evaluate": "Failed",
    }
    assert ended.document["outcome"] is None
    closing, log = ended.err.split("the end of the log:")
    assert "step evaluate failed" in closing
    assert "no champion" in closing.split("live now: ")[1]
    assert "line 59 of the broken step" in log
    assert "line 0 of the broken step" not in log, "the end of the log, not all of it"
    nothing_registered()


@pytest.mark.campaign
def test_a_run_that_takes_too_long_is_cancelled(
    product: Product, tree: Path, nothing_registered: Callable[[], None], sdk: Sdk
) -> None:
    break_step(tree, "train", "import time\ntime.sleep(300)")
    ended = product.from_tree(tree).run("run", "--unpublished", "--timeout", "0.04", code=124)
    assert "did not end within 0.04 minutes; the run was canceled" in ended.err
    assert "still running: train" in ended.err
    assert "allow more time with --timeout" in ended.err
    facts = sdk(run_facts, product.settings["EXPERIMENT_NAME"])
    assert (facts["status"], facts["steps"]["train"]) == ("Canceled", "Canceled")
    nothing_registered()
