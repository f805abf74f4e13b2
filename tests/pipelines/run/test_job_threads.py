"""What the jobs of a run share: they use it from threads of their own, at the same time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.agent.workspace import Artifacts
from local_azure.pipelines.run.record import RunRecord

Run = Callable[..., Any]
THREADS, TURNS = 8, 100


@pytest.fixture(autouse=True)
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _at_once(work: Callable[[int], None]) -> list[BaseException]:
    """Do something in several threads; returns what they raised."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except (OSError, ValueError, RuntimeError) as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_no_secret_is_lost_while_others_mask() -> None:
    masker = Masker()

    def work(number: int) -> None:
        for turn in range(TURNS):
            masker.add(f"<{number}-{turn}>")
            assert masker.mask(f"<{number}-{turn}>") == "***"

    assert _at_once(work) == []
    assert {masker.mask(f"<{number}-{turn}>") for number in range(THREADS) for turn in range(TURNS)} == {"***"}


def test_a_name_of_an_artifact_is_taken_once(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts", Masker())
    (tmp_path / "one").write_text("1")
    failed = _at_once(lambda _: artifacts.publish("same", tmp_path / "one"))
    assert len(failed) == THREADS - 1
    assert all(isinstance(error, FileExistsError) for error in failed)


def test_kept_files_do_not_replace_one_another(tmp_path: Path) -> None:
    record, page = RunRecord(tmp_path, 1), tmp_path / "page.md"
    page.write_text("seen")

    def work(_: int) -> None:
        for _turn in range(20):
            record.keep_file("job", page)

    assert _at_once(work) == []
    assert len(set(record.kept)) == THREADS * 20


def test_jobs_that_set_secrets_at_the_same_time(run: Run) -> None:
    script = 'for i in $(seq 150); do echo "##vso[task.setsecret]KEY-$i-secret"; echo "saw KEY-$i-secret"; done'
    jobs = "".join(
        f"- job: {key}\n  steps:\n  - bash: |\n      true\n      {script.replace('KEY', key)}\n" for key in "ab"
    )
    outcome = run(f"jobs:\n{jobs}")
    assert outcome.code == 0
    assert all(log.count("saw ***") == 150 for log in outcome.logs.values())
