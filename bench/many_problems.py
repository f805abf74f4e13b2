"""Twenty problems, one run each: one after another, and with `--problem a,b,c`. Wall time, processor time and memory.

    python -m bench.many_problems [--problems 20]

Exit codes: 0 measured and the aim met, 1 the aim missed or a fault, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measuring.processes import BenchError, local_azure, run, server

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench/many_problems"
TREE = ("ml_service", "mlops_code", "data", "environments")
MOST_SHARE = 0.6
"""Aim: wall time of all at once, as a share of one after another."""
AT_ONCE = 4  # as ml_service/cli/problems_at_once.py has it


def _make_tree(names: Sequence[str]) -> Path:
    """A copy of the product with these problems, which differ in their names alone."""
    shutil.rmtree(HOME, ignore_errors=True)
    tree = HOME / "tree"
    for name in TREE:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "variables.yml", tree)
    text = (tree / "mlops_code/problems/paid_amount.yml").read_text(encoding="utf-8")
    for name in names:
        path = tree / f"mlops_code/problems/{name}.yml"
        path.write_text(text.replace("name: paid_amount", f"name: {name}"), encoding="utf-8")
    return tree


@dataclass(frozen=True)
class Timed:
    """Wall time of a verb without the start of its environment, processor time of it and the server, its output."""

    seconds: float
    cpu: float
    output: str


def _verb(state: Path, tree: Path, server_pids: Sequence[int], words: str) -> Timed:
    script = (
        f"begun=$EPOCHREALTIME; {shlex.quote(sys.executable)} -m ml_service {words}; echo; echo $begun $EPOCHREALTIME"
    )
    done = run(local_azure(state, "exec", "--", "bash", "-euc", script), tree, helpers=server_pids)
    begun, ended = map(float, done.output.splitlines()[-1].split())
    print(f"{ended - begun:6.1f} s, {done.cpu:6.1f} s of processor time: {words}", file=sys.stderr)
    return Timed(ended - begun, done.cpu, done.output)


def measure(count: int) -> tuple[list[tuple[str, str]], float]:
    """Rows of the table, and the share of the serial time."""
    serial, parallel = ([f"{letter}{number:02}" for number in range(count)] for letter in "sp")
    tree, state = _make_tree([*serial, *parallel]), HOME / "state"
    with server(state, HOME) as pids:
        _verb(state, tree, pids, f"--problem {serial[0]} data upload")
        single = [_verb(state, tree, pids, f"--problem {name} run --unpublished") for name in serial]
        at_once = _verb(state, tree, pids, f"--problem {','.join(parallel)} run --unpublished --json")
    one_by_one = sum(one.seconds for one in single)
    share = at_once.seconds / one_by_one
    memory = _peak_memory(at_once.output)
    return [
        (f"{count} problems one after another", f"{one_by_one:.1f} s"),
        (f"the same with --problem, {AT_ONCE} at a time", f"{at_once.seconds:.1f} s"),
        ("share of the serial time", f"{share:.2f} (aim: at most {MOST_SHARE})"),
        ("processor time, server included", f"{sum(one.cpu for one in single):.1f} s, {at_once.cpu:.1f} s"),
        ("peak memory of one of its processes", f"{memory[0]} MB"),
        (f"of the {AT_ONCE} largest together", f"{sum(memory[:AT_ONCE])} MB"),
    ], share


def _peak_memory(output: str) -> list[int]:
    """Peak memory of each problem's process, the largest first; raises BenchError where a run did other work."""
    document, _ = json.JSONDecoder().raw_decode(output[output.index('{\n  "problems"') :])
    ended = document["problems"]
    if refused := [item["problem"] for item in ended if item["result"]["outcome"] != "accepted"]:
        raise BenchError(f"These runs did other work than was meant: {', '.join(refused)}.")
    return sorted((item["peak_megabytes"] for item in ended), reverse=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.many_problems", description="Many problems, one run each.")
    parser.add_argument("--problems", type=int, choices=range(2, 51), default=20, metavar="2..50")
    count = parser.parse_args(argv).problems
    try:
        rows, share = measure(count)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for what, measured in rows:
        print(f"| {what} | {measured} |")
    return int(share > MOST_SHARE)


if __name__ == "__main__":
    raise SystemExit(main())
