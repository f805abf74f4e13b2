"""Approvals as a release manager gives them: at a real terminal, after the pages of the stages before."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.run.builds.answers import settle
from local_azure.pipelines.run.builds.evidence import evidence_of
from local_azure.pipelines.run.builds.progress import read_progress
from local_azure.pipelines.run.builds.record import Decision, read_record
from tests.pipelines.approval_pipeline import PIPELINE

Run = Callable[..., Any]

QUESTION = "Approve Production to the environment production? [y/N]: "
CTRL_C, CTRL_D = b"\x03", b"\x04"


@dataclass
class Terminal:
    """A run at a terminal: what the person reads, and types."""

    process: subprocess.Popen[bytes]
    descriptor: int
    state: Path
    seen: str = ""

    def read_until(self, text: str) -> str:
        """All that was shown so far, once it holds the text or the run has ended."""
        with suppress(OSError):  # how a terminal says that no one writes any more
            while text not in self.seen:
                self.seen += os.read(self.descriptor, 4096).decode()
        return self.seen

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.descriptor, keys)

    @property
    def document(self) -> Any:
        """result.json of the run."""
        return json.loads((self.state / "pipelines/1/result.json").read_text())


@contextmanager
def _at_a_terminal(file: Path, state: Path) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "local_azure", "--state", str(state), "pipelines", "run", str(file), "--pages"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=file.parent, preexec_fn=_take_the_terminal,  # noqa: PLW1509
    )  # fmt: skip
    os.close(theirs)
    with process, closing(os.fdopen(ours, "rb", buffering=0)):
        yield Terminal(process, ours, state)
        process.send_signal(signal.SIGKILL)


@pytest.fixture
def terminal(write: Callable[..., Path], tmp_path: Path) -> Iterator[Terminal]:
    """A run that has come to its question."""
    with _at_a_terminal(write(PIPELINE), tmp_path / "state") as shown:
        assert QUESTION in shown.read_until(QUESTION)
        yield shown


def _take_the_terminal() -> None:
    """Make the terminal the controlling one, so that Ctrl-C typed there is a signal."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_the_evidence_is_shown_before_the_question_and_once(terminal: Terminal) -> None:
    before, _ = terminal.seen.split(QUESTION)
    assert "# Verdict: accepted" in before
    assert "artifacts/evidence/report.html" in before
    terminal.type(b"y\n")
    assert terminal.read_until("Run 2").count("# Verdict: accepted") == 1
    assert terminal.process.wait() == 0
    assert terminal.document["results"]["Production"] == "Succeeded"


@pytest.mark.parametrize("keys", [b"y\n", b"n too late\n"])
def test_an_answer_counts_only_for_the_page_that_was_shown(terminal: Terminal, keys: bytes) -> None:
    page = next((terminal.state / "pipelines/1/summaries").rglob("*.md"))
    page.write_text("# Verdict: another one\n")
    terminal.type(keys)
    assert "The evidence has changed since it was shown, so this answer is not recorded." in terminal.read_until(
        "another one"
    )
    terminal.seen = terminal.seen.partition("another one")[2]
    assert QUESTION in terminal.read_until(QUESTION)
    terminal.type(b"y\n")
    terminal.read_until("Kept in")
    assert terminal.process.wait() == 0
    answer = next((terminal.state / "pipelines/1/answers").glob("*.json"))
    lines = read_progress(terminal.state / "pipelines/1")
    assert json.loads(answer.read_text())["evidence"] == evidence_of(page.parents[2], "Production", lines).sha256


@pytest.mark.parametrize(
    "keys",
    [b"n\ntoo late\n", b"\ntoo late\n", b"perhaps\nn\n\ntoo late\n", b"n too late\n", CTRL_D, b"n\n" + CTRL_D],
)
def test_anything_but_yes_is_a_no(terminal: Terminal, keys: bytes) -> None:
    terminal.type(keys)
    said = terminal.read_until("Kept in")
    assert "Not approved: environment production; nothing was deployed to it." in said
    assert ("Please answer y or n." in said) == (b"perhaps" in keys)
    assert said.count("not approved; why?") == {b"n too late\n": 0, CTRL_D: 0}.get(keys, 1 + (b"perhaps" in keys))
    assert terminal.process.wait() == 3
    assert terminal.document["rejected"] == ["production"]
    assert terminal.document["results"]["Production"] == "Failed"


def test_ctrl_c_at_the_question_cancels_the_run(terminal: Terminal) -> None:
    terminal.type(CTRL_C)
    assert "Run 2" in terminal.read_until("Kept in")
    assert terminal.process.wait() == 130
    assert (terminal.document["result"], terminal.document["rejected"]) == ("Canceled", [])
    assert terminal.document["results"]["Production"] == "Canceled"


def test_a_rejection_of_the_command_line_runs_no_job(run: Run) -> None:
    outcome = run(PIPELINE, reject=("production",))
    assert outcome.code == 3
    assert outcome.document["rejected"] == ["production"]
    assert outcome.results["Production"] == "Failed"
    assert "Production.release" not in outcome.logs


def test_without_a_decision_and_a_terminal_nobody_approves(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(PIPELINE).code == 3
    assert "pass --approve production or --reject production" in capfd.readouterr().err


def test_where_input_has_ended_the_answer_is_no(
    run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(PIPELINE, ask=True).code == 3
    assert "not approved: no answer" in capfd.readouterr().err


def test_what_was_typed_before_the_question_is_no_answer(write: Callable[..., Path], tmp_path: Path) -> None:
    with _at_a_terminal(write(PIPELINE), tmp_path / "state") as shown:
        shown.read_until("stage Train")
        shown.type(b"y\ny")
        shown.read_until(QUESTION)
        shown.type(b"n too late\n")
        shown.read_until("Kept in")
        assert shown.process.wait() == 3
        assert shown.document["rejected"] == ["production"]


def _answered_elsewhere(folder: Path, decision: Decision) -> None:
    """Answer the question of a run as the studio does, as soon as it is asked."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        record = read_record(folder) or {"approvals": []}
        if record["approvals"]:
            settle(folder, record["approvals"][0]["id"], decision)
            return
        time.sleep(0.02)


@pytest.mark.parametrize("approved", [True, False])
def test_an_answer_of_the_studio_ends_the_question_at_the_terminal(terminal: Terminal, approved: bool) -> None:
    _answered_elsewhere(
        terminal.state / "pipelines/1", Decision(approved, "Grace (local rehearsal)", "seen the report")
    )
    assert "answered in the studio" in terminal.read_until("Kept in")
    assert terminal.process.wait() == (0 if approved else 3)
    record = read_record(terminal.state / "pipelines/1")
    assert record is not None
    step = record["approvals"][0]["steps"][0]
    assert step["actualApprover"]["displayName"] == "Grace (local rehearsal)"
    assert (step["status"], step["comment"]) == ("approved" if approved else "rejected", "seen the report")


def test_whoever_answers_second_at_the_terminal_changes_nothing(terminal: Terminal) -> None:
    terminal.type(b"n not today\n")
    terminal.read_until("Kept in")
    record = read_record(terminal.state / "pipelines/1")
    assert record is not None
    late = settle(terminal.state / "pipelines/1", record["approvals"][0]["id"], Decision(True, "Grace"))
    assert (late.approved, late.comment) == (False, "not today")


def test_a_run_waits_for_the_studio_where_nobody_can_be_asked(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "state/pipelines/1"
    answering = threading.Thread(target=_answered_elsewhere, args=(folder, Decision(True, "Grace")))
    answering.start()
    outcome = run(PIPELINE, studio=True)
    answering.join()
    assert outcome.results["Production"] == "Succeeded"
    lines = read_progress(folder)
    assert [stage["name"] for stage in lines[0]["plan"]["stages"]] == ["Train", "Production"]
    assert [line["title"] for line in lines if line.get("step") == "Train.train" and line["result"]][1:2] == ["Judge"]


def test_pages_and_output_cannot_act_on_the_terminal(write: Callable[..., Path], tmp_path: Path) -> None:
    hostile = r"# \033[2Jcleared\033]0;title\007\r \033[31mred\033[0m \xe2\x80\xaeturned \xc2\x9b2J\n"
    page = f"""printf '{hostile}' > page.md; echo "##vso[task.logissue type=warning]$(cat page.md)" """
    pipeline = PIPELINE.replace('echo "# Verdict: accepted" > page.md', page)
    with _at_a_terminal(write(pipeline), tmp_path / "state") as shown:
        shown.read_until(QUESTION)
        shown.type(b"n too late\n")
        seen = shown.read_until("Kept in")
    assert "cleared" in seen
    assert "red" in seen
    assert "  warning in Train.train: #" in seen
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(seen)
