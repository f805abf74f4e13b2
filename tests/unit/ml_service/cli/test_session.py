"""One call of the command line: what others print is dropped, and the process ends with the verb's exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from azure_ml.workspace import Workspace
from ml_service.audit.completeness.population import Anchor, BuildFacts
from ml_service.audit.completeness.reading_builds import anchors_of_tags
from ml_service.audit.events import kinds, witness
from ml_service.audit.events.witness import Witness
from ml_service.cli.session import session
from ml_service.errors import CheckFailedError
from ml_service.production.chain import store
from ml_service.settings.build import Build
from tests.unit.ml_service.conftest import MakeSettings
from tests.unit.ml_service.production.memory_blobs import MemoryBlobs

BY = {"who": "Ada", "identity": "i", "when": "2026-01-01T00:00:00+00:00", "build_id": "7", "commit": "c"}


def test_what_the_sdk_prints_does_not_reach_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), session(as_json=False) as call:
        print("Submitted PipelineRun")  # noqa: T201
        call.terminal.out("run        run-1")

    assert capsys.readouterr().out.startswith("run        run-1\n\nlive now: ")


def test_the_exit_code_is_that_of_the_verb_or_of_its_failure(capsys: pytest.CaptureFixture[str]) -> None:
    codes = []
    for failure in (None, CheckFailedError("no"), KeyboardInterrupt()):
        with pytest.raises(typer.Exit) as ended, session(as_json=False) as call:
            call.exit_code = 3 if failure is None else 0
            if failure is not None:
                raise failure
        codes.append(ended.value.exit_code)

    assert codes == [3, 3, 130]
    assert capsys.readouterr().err.count("what happened:     error: no\n") == 1


def test_a_failure_has_a_page_where_an_agent_listens(make_settings: MakeSettings, tmp_path: Path) -> None:
    with pytest.raises(typer.Exit), session(False, verb="release") as call:
        call.settings = make_settings({"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(tmp_path)})
        raise CheckFailedError("no")

    (page,) = tmp_path.glob("release-*.md")
    assert page.read_text().startswith("# Release failed\n\n|   |   |\n| --- | --- |\n| **live now** | unchanged")


@pytest.mark.parametrize("listens", [True, False])
def test_a_build_notes_the_last_entry_of_the_ledger(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path, listens: bool
) -> None:
    blobs = MemoryBlobs()
    event = kinds.schedule_changed("weekly", "recurrence", "paused", BY)
    (entry,) = store.append_at_end(blobs, "paid_amount", [event])
    with (
        pytest.raises(typer.Exit),
        pytest.MonkeyPatch.context() as patch,
        session(False, listens, verb="release") as call,
    ):
        patch.setattr(witness, "open_blobs", lambda _: blobs)
        call.settings = make_settings({"AGENT_TEMPDIRECTORY": str(tmp_path)})
        call.witness = Witness(Workspace(None, "w", "g"), call.settings, Build("7", "c"), call.terminal.err)
        call.ends("done", page=True)
    said = capsys.readouterr().out
    noted = f"ledger     entry 1, sha256 {entry.sha256}\n##vso[build.addbuildtag]{entry.tag}\n"
    assert (noted in said) == listens
    assert [entry.sha256 in page.read_text() for page in tmp_path.glob("release-*.md")] == [True] * listens
    assert list(anchors_of_tags(BuildFacts("7", "", (entry.tag, "verified", "ledger.other.1.x")), "paid_amount")) == [
        Anchor("tag of build 7", 1, entry.sha256)
    ]


def test_a_mistake_of_ours_stays_a_traceback() -> None:
    with pytest.raises(KeyError), session(as_json=False):
        raise KeyError("bug")
