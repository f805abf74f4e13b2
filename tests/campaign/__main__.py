"""Runs the campaigns: what is long by nature and not part of `make test`, one after the other, each bounded in time.

    python -m tests.campaign [--short] [--seed N] [--out .campaign] [NAME...]

A campaign is a module of this folder with a `main` that takes --seed and --short (a few minutes at most), prints its
figures, ends whatever it has begun and returns 1 when a guarantee was violated. What it prints goes to OUT/NAME.txt
too; OUT/summary.txt has a line each. Processes that a campaign leaves are ended here, by their numbers, and count as
a violated guarantee.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.figures import Figures
from tests.campaign.guard import run_guarded
from tests.campaign.processes import Started

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 60 * 60
LOOK_SECONDS = 0.5
INTERRUPTED = 130


@dataclass(frozen=True)
class Campaign:
    """A module with a `main`, and the seconds after which it is ended."""

    name: str
    module: str
    seconds: float


CAMPAIGNS = (
    Campaign("kills", "tests.campaign.kills", 20 * 60),
    Campaign("production", "tests.campaign.production.campaign", 40 * 60),
    Campaign("faults", "tests.campaign.faults", 10 * 60),
    Campaign("stories", "tests.campaign.stories", 35 * 60),
)


def _copy(file: Path, position: int) -> int:
    """Print what has been added to a file since a position; returns the new one."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        stream.seek(position)
        sys.stdout.write(stream.read())
        sys.stdout.flush()
        return stream.tell()


def _wait(process: subprocess.Popen[str], file: Path, seconds: float) -> bool:
    """Show what a campaign prints until it has ended; False when the time was over before."""
    deadline, position = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        try:
            process.wait(LOOK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            position = _copy(file, position)
    _copy(file, position)
    return process.poll() is not None


def run_one(campaign: Campaign, started: Started, out: Path, options: Sequence[str], seconds: float) -> str:
    """Run one campaign; what is to be said against it, or nothing."""
    file = out / f"{campaign.name}.txt"
    with file.open("w", encoding="utf-8") as stream:
        command = [sys.executable, "-m", campaign.module, *options]
        process = started(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
    in_time = _wait(process, file, min(campaign.seconds, seconds))
    left = started.end()
    if not in_time:
        return f"was ended after {min(campaign.seconds, seconds):.0f} s"
    if process.returncode != 0:
        return f"ended with {process.returncode}"
    return f"left {len(left)} processes: {'; '.join(left)[:500]}" if left else ""


def run_all(
    campaigns: Sequence[Campaign], out: Path, seed: int, *, short: bool = False, most_seconds: float = MOST_SECONDS
) -> Figures:
    """Run campaigns one after the other, in a bounded time."""
    options = ["--seed", str(seed), *(["--short"] if short else [])]
    out.mkdir(parents=True, exist_ok=True)
    begun, figures, started = time.monotonic(), Figures(f"campaigns, seed {seed}"), Started()
    try:
        for campaign in campaigns:
            since = time.monotonic()
            left = most_seconds - (since - begun)
            fault = run_one(campaign, started, out, options, left) if left > 0 else "had no time left"
            taken = f"{time.monotonic() - since:.0f} s, {out / campaign.name}.txt"
            figures.add(campaign.name, f"{'VIOLATED' if fault else 'kept'} in {taken}")
            if fault:
                figures.broke(f"{campaign.name} {fault}")
    finally:
        started.end()
        (out / "summary.txt").write_text(f"{figures}\n", encoding="utf-8")
    return figures


def main(argv: list[str] | None = None, known: Sequence[Campaign] = CAMPAIGNS) -> int:
    """Run what is asked for; 1 when a guarantee was violated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(one.name for one in known)}")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of everything that is random")
    parser.add_argument("--short", action="store_true", help="a part of each campaign, in a few minutes")
    parser.add_argument("--out", type=Path, default=ROOT / ".campaign", help="folder of the figures")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.names) - {one.name for one in known}
    if unknown:
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}")
    chosen = [one for one in known if one.name in arguments.names or not arguments.names]
    try:
        figures = run_all(chosen, arguments.out, arguments.seed, short=arguments.short)
    except KeyboardInterrupt:
        return INTERRUPTED
    sys.stdout.write(f"\n{figures}\n")
    return 1 if figures.broken else 0


if __name__ == "__main__":
    run_guarded(main)
