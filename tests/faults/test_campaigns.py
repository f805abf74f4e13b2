"""The frame of `make campaign` reports each violated guarantee; and a campaign in small, with four kills."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.campaign.production.pairs import Pair, faults_of
from tests.campaign.production.verbs import Ending

ROOT = Path(__file__).resolve().parents[2]
KILLS, SECONDS, SEED = 4, 2, 4


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_four_kills_violate_no_guarantee(tmp_path: Path) -> None:
    words = ["--kills", str(KILLS), "--seconds", str(SECONDS), "--seed", str(SEED), "--keep", str(tmp_path)]
    command = [sys.executable, "-m", "tests.campaign.kills", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=580)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(line.strip().split("  ", 1) for line in done.stdout.splitlines() if line.startswith("  "))
    assert f"seed {SEED}" in done.stdout
    assert figures["kills"].strip().startswith(f"{KILLS}: ")
    assert figures["acknowledged writes lost"].strip() == figures["processes left"].strip() == "0"


FRAME = """
import sys
from tests.campaign.__main__ import Campaign, main
from tests.campaign.guard import run_guarded
known = [Campaign(name, f"fake_{name}", float(seconds)) for name, seconds in (("good", 60), (sys.argv[1], 2))]
run_guarded(lambda: main(["--seed", "7", "--out", sys.argv[2]], known))
"""
FAKES = {
    "good": "print('figures of seed', sys.argv[2])",
    "broken": "print('one lost'); sys.exit(1)",
    "raising": "raise RuntimeError('no campaign')",
    "endless": "print('begun', flush=True); time.sleep(600)",
    "leaving": "subprocess.Popen(['sleep', '601'], start_new_session=True); print('done')",
    "leaving_endless": "subprocess.Popen(['sleep', '602'], start_new_session=True); time.sleep(600)",
}


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    """A folder of campaigns that go wrong each in a way of its own."""
    for name, code in FAKES.items():
        (tmp_path / f"fake_{name}.py").write_text(f"import subprocess, sys, time\n{code}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "broken ended with 1"),
        ("raising", "raising ended with 1"),
        ("endless", "endless was ended after 2 s"),
        ("leaving", "leaving left 1 processes: "),
        ("leaving_endless", "leaving_endless was ended after 2 s"),
    ],
)
def test_the_frame_says_what_was_broken_and_leaves_nothing(frame: Path, name: str, said: str) -> None:
    out = frame / "out"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FRAME), name, str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(frame), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "figures of seed 7" in done.stdout
    assert (out / "good.txt").read_text() == "figures of seed 7\n"
    summary = (out / "summary.txt").read_text()
    assert "good" in summary.splitlines()[1]
    assert "kept" in summary.splitlines()[1]
    assert f"VIOLATED: {said}" in summary
    assert summary.strip() in done.stdout
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\0" + b"60" in _words(path)]
    assert not [path for path in left if _words(path) in (b"sleep\x00601\x00", b"sleep\x00602\x00")]


def _words(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


PAIR = "pair1-1", "pair1-2"
NAMED = (
    f"error: production is being changed; nothing was changed here\n  found: release by Ada, build {PAIR[0]}, since"
)
TWICE = "error: the previous deployment, of m:2, was itself rolled back; nothing was changed"


def pair(*codes: int, said: str = NAMED, stopped: bool = False, already: bool = False) -> Pair:
    """A pair of releases with these exit codes."""
    first, second = (
        Ending(build, "release", code, {"already": already} if code == 0 else {}, said, 1.0)
        for build, code in zip(PAIR, codes, strict=True)
    )
    return Pair((first, second), frozenset(PAIR[1:] if stopped else ()))


def row(place: int, state: str = "succeeded", before: str = "none") -> dict[str, str]:
    """A deployment of the first or the second release."""
    return {"build_id": PAIR[place], "state": state, "deployment": f"d{place}", "from": before}


@pytest.mark.parametrize(
    ("seen", "rows", "said"),
    [
        (pair(0, 4), [row(0)], ""),
        (pair(0, 0), [row(1, before="d0"), row(0)], ""),
        (pair(0, 0, already=True), [], ""),
        (pair(0, 4, stopped=True), [row(0), row(1, "abandoned")], ""),
        (pair(0, 4), [row(0), row(1, "abandoned")], "was refused, and its deployments are ['abandoned']"),
        (pair(0, 3, said=TWICE), [row(0)], ""),
        (pair(0, 3, said=TWICE), [row(0), row(1)], "ended with 3"),
        (pair(0, 4), [row(0), row(1)], "was refused, and its deployments are ['succeeded']"),
        (pair(0, 4, said="error: no"), [row(0)], "does not name the winner, build pair1-1"),
        (pair(0, 1), [row(0)], "ended with 1"),
        (pair(4, 4), [], "both were refused"),
        (pair(0, 0), [row(0)], "and its deployments are []"),
        (pair(0, 0), [row(1), row(0)], "deployment d1 does not follow d0"),
    ],
)
def test_a_pair_of_verbs_is_judged(seen: Pair, rows: list[dict[str, str]], said: str) -> None:
    faults = faults_of(seen, rows)
    assert said in "\n".join(faults)
    assert bool(faults) == bool(said)
