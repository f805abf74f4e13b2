"""Logging commands: printed only where a build agent listens, escaped as it reads them, never by accident."""

from __future__ import annotations

import io
from pathlib import Path

from ml_service.output.agent import Agent
from ml_service.output.console import Terminal


def spoken(agent_does: str, *, listens: bool = True, as_json: bool = False) -> tuple[str, str]:
    """What one call of the agent writes to both streams."""
    out, err = io.StringIO(), io.StringIO()
    agent = Agent(Terminal(as_json=as_json, out=out, err=err), listens)
    calls = {
        "outputs": lambda: agent.outputs({"outcome": "kept", "modelVersion": None, "why": "50 %; a]\nb"}),
        "tag": lambda: agent.tag("paid-amount:3"),
        "summary": lambda: agent.summary(Path("/folder/summary.md")),
        "warn": lambda: agent.warn("careful"),
    }
    calls[agent_does]()
    return out.getvalue(), err.getvalue()


def test_outputs_are_escaped_and_one_a_line() -> None:
    assert spoken("outputs")[0].splitlines() == [
        "##vso[task.setvariable variable=outcome;isOutput=true]kept",
        "##vso[task.setvariable variable=modelVersion;isOutput=true]",
        "##vso[task.setvariable variable=why;isOutput=true]50 %AZP25; a]%0Ab",
    ]


def test_a_build_tag_has_no_colon() -> None:
    assert spoken("tag")[0] == "##vso[build.addbuildtag]paid-amount-3\n"


def test_summary_and_warning() -> None:
    assert spoken("summary")[0] == "##vso[task.uploadsummary]/folder/summary.md\n"
    assert spoken("warn")[0] == "##vso[task.logissue type=warning]careful\n"


def test_nothing_is_printed_where_nobody_listens() -> None:
    assert spoken("outputs", listens=False) == ("", "")


def test_a_json_result_stays_one_document() -> None:
    out, err = spoken("tag", as_json=True)
    assert (out, err) == ("", "##vso[build.addbuildtag]paid-amount-3\n")


def test_text_that_we_only_show_gives_the_agent_no_command() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out=out, err=err)
    terminal.out("a log said ##vso[task.complete result=Failed;]")
    terminal.err("##vso[task.setvariable variable=outcome]accepted")

    assert "##vso[" not in out.getvalue() + err.getvalue()
    assert "##_vso[task.complete" in out.getvalue()


def test_a_runner_of_github_gets_files_and_no_logging_commands(tmp_path: Path) -> None:
    out, outputs, summary, page = io.StringIO(), tmp_path / "outputs", tmp_path / "summary", tmp_path / "page.md"
    page.write_text("# Kept")
    outputs.write_text("before=1\n")
    agent = Agent(Terminal(out=out), False, tmp_path, outputs, summary)
    agent.outputs({"outcome": "kept", "modelVersion": None, "why": "a\npipelineId=other"})
    agent.summary(page)
    agent.tag("kept")
    assert outputs.read_text() == "before=1\noutcome=kept\nmodelVersion=\nwhy=a pipelineId=other\n"
    assert (summary.read_text(), out.getvalue()) == ("# Kept\n", "")
