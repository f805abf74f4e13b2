"""`make campaign` in small: six kills that break no promise, and a frame that lets no broken promise pass."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS, SECONDS, SEED = 6, 6, 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_six_kills_break_no_promise(tmp_path: Path) -> None:
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
    assert f"BROKEN: {said}" in summary
    assert summary.strip() in done.stdout
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\0" + b"60" in _words(path)]
    assert not [path for path in left if _words(path) in (b"sleep\x00601\x00", b"sleep\x00602\x00")]


def _words(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
