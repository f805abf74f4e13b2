"""Step 1: check the delivered table against its contract and make regular series of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from azure_ml.datasets import find_by_hash, find_dataset
from azure_ml.models.champion import find_champion
from forecasting.data.contract import CONTRACT_VERSION, Delivery, read_table, waived
from forecasting.data.delivery import ACCEPTED, BEFORE, DELIVERY
from forecasting.data.reading import find_table
from forecasting.data.series import Panel, facts_of, sha256_of, write_series
from forecasting.inbox.tables import judged_in
from forecasting.problem.problem_file import Problem
from step import Run, add_scheduled_argument, guarded, say, today, unless_ended


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description="Check a table and write regular series: series.csv (date,value) and facts.json.",
        epilog="Example: python mlops_code/prepare.py --problem mlops_code/problems/NAME.yml "
        "--data TABLE.csv --series build/series. "
        "Exit codes: 0 written; 1 fault; 2 usage or missing file; 3 contract violation, nothing written.",
    )
    parser.add_argument(
        "--problem",
        type=Path,
        required=True,
        help="problem file; reads its sections source, reading, series, future and contract",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="the table (.csv, .csv.gz or .xlsx), or a folder that holds exactly one",
    )
    parser.add_argument("--series", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, metavar="DATE", help="day of the run, for freshness; default: today (UTC)"
    )
    parser.add_argument(
        "--accepted-rows", type=int, metavar="N",
        help="rows of the last accepted version, for contract.rows_change; in a pipeline taken from the champion",
    )  # fmt: skip
    parser.add_argument("--model-name", default="", help="registered name, to find the last accepted version")
    parser.add_argument(
        "--dataset-name",
        help="data set whose version contains the table; its tags say what it was compared with, or who accepted it",
    )
    parser.add_argument("--failures", type=Path, metavar="FILE", help="where to write the table of a refusal")
    add_scheduled_argument(parser)
    return parser


def prepare(args: argparse.Namespace, run: Run) -> int:
    """Read, check, write, record."""
    problem, table = Problem(args.problem), find_table(args.data)
    contract, judged = problem.contract, judged_in(version_tags(run, args.dataset_name, table))
    accepted = judged.get(BEFORE, args.accepted_rows)
    if accepted is None and contract.rows_change is not None:
        accepted = accepted_rows(run, args.model_name, problem.series.name)
    delivery = Delivery(as_of=args.as_of or today(), accepted_rows=accepted)
    if ACCEPTED in judged:
        contract, delivery = waived(contract, delivery)
    panel, sha256, rows = read_table(
        table, problem.source, problem.series, contract, delivery, reading=problem.reading, future=problem.future
    )
    facts = {**facts_of(panel, sha256, rows, table.name), **delivery_facts(panel, judged)}
    write_series(args.series, panel, facts)
    for note in facts.get("notes", ()):
        say(f"note: {note}")
    run.log({"days": float(facts["days"]), "mean": facts["mean"], "rows": float(rows)})
    run.tag({"data_sha256": sha256, "contract_version": CONTRACT_VERSION})
    size = {panel.calendar.units.replace(" ", "_"): facts["days"], "series": facts["series"]}
    say("prepared", **size, first=panel.first, last=panel.last, mean=f"{facts['mean']:.2f}")
    return 0


def delivery_facts(panel: Panel, judged: Mapping[str, Any]) -> dict[str, Any]:
    """How the delivery was judged, and a note for those who read the decision where a person has accepted it."""
    if not judged:
        return {}
    if ACCEPTED not in judged:
        return {DELIVERY: dict(judged)}
    note = f"{judged[ACCEPTED]} has accepted the size, order, length and age of this table: {judged['reason']}"
    return {DELIVERY: dict(judged), "notes": [*panel.notes, note]}


def version_tags(run: Run, dataset_name: str | None, table: Path) -> Mapping[str, str]:
    """What the data version of a table says about its delivery; nothing where the step runs alone."""
    if run.workspace is None or not dataset_name:
        return {}
    newest = find_dataset(run.workspace, dataset_name)
    version = find_by_hash(run.workspace, newest, sha256_of(table))
    return version.tags if version else {}


def accepted_rows(run: Run, model_name: str, problem: str) -> int | None:
    """Rows of the data that the champion of a problem was trained on; None where there is no champion."""
    if run.workspace is None:
        return None
    champion = find_champion(run.workspace, model_name or None, problem)
    rows = champion.properties.get("data_rows") if champion else None
    return int(rows) if rows else None


def main(argv: list[str] | None = None) -> int:
    """Run the step; returns the exit code."""
    args = build_parser().parse_args(argv)
    return guarded(unless_ended(args, args.series, lambda run: prepare(args, run)), args.failures)


if __name__ == "__main__":
    sys.exit(main())
