"""Commands instead of scripts: CommandStep and `ScriptRunConfig(command=...)`, in Python and in a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.processes.step.entry import shell_line

LOG_A_METRIC = """
import sys
from azureml.core import Run
Run.get_context().log("words", len(sys.argv) - 1)
print("name", __name__, "words", sys.argv[1:])
"""


@pytest.fixture
def source(project: Any) -> Path:
    """A snapshot with a script, a package and a text."""
    folder: Path = project.folder / "source"
    (folder / "package").mkdir(parents=True)
    for path in ("package/__init__.py", "hello.txt"):
        (folder / path).write_text("")
    (folder / "package" / "tool.py").write_text(LOG_A_METRIC)
    (folder / "tool.py").write_text(LOG_A_METRIC)
    return folder


def _step(project: Any, source: Path, command: Any, **more: Any) -> Any:
    from azureml.pipeline.steps import CommandStep

    return CommandStep(
        command=command,
        name="command",
        source_directory=str(source),
        compute_target="cluster",
        runconfig=project.configuration,
        allow_reuse=False,
        **more,
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param("python tool.py --a 'b c'", 2, id="script"),
        pytest.param("python -m package.tool x", 1, id="module"),
        pytest.param("test -f hello.txt && python tool.py a b c", 3, id="shell"),
        pytest.param("python -u tool.py $AZUREML_RUN_ID", 1, id="variable"),
    ],
)
def test_a_command_of_python_logs_its_metrics(
    project: Any, experiment: Any, source: Path, command: str, words: int
) -> None:
    run = project.finished(experiment.submit(project.pipeline(_step(project, source, command))))
    step = project.steps_of(run)["command"]
    assert step.get_metrics() == {"words": words}
    assert "name __main__" in step.get_stdout_log()


def test_data_reaches_a_command_and_comes_back(project: Any, experiment: Any, source: Path) -> None:
    from azureml.data import OutputFileDatasetConfig
    from azureml.pipeline.core import PipelineParameter

    made = OutputFileDatasetConfig("made")
    text = PipelineParameter("text", "default")
    write = _step(project, source, ["sh", "write.sh", made, text])
    (source / "write.sh").write_text('echo "$2" > "$1/text.txt"\n')
    as_input = made.as_input("made_before")
    script = "import sys; print(open(sys.argv[1].split('=')[1] + '/text.txt').read())"
    read = project.step("read", script, [f"folder={as_input.arg_val}"], inputs=[as_input])
    run = project.finished(experiment.submit(project.pipeline(write, read), pipeline_parameters={"text": "said"}))
    assert "said" in project.steps_of(run)["read"].get_stdout_log()


def test_a_command_that_fails_fails_the_step_with_its_code(project: Any, experiment: Any, source: Path) -> None:
    run = experiment.submit(project.pipeline(_step(project, source, "sh -c 'echo no luck; exit 7'")))
    project.failing(run)
    message = project.steps_of(run)["command"].get_details()["error"]["error"]["message"]
    assert "exit code 7" in message
    assert "no luck" in message


def test_a_run_of_a_command(project: Any, experiment: Any, source: Path, unique: Callable[[str], str]) -> None:
    from azureml.core import Dataset, ScriptRunConfig

    place = unique("lines")
    (project.folder / "lines.txt").write_text("one\ntwo\n")
    store = project.workspace.get_default_datastore()
    store.upload_files([str(project.folder / "lines.txt")], target_path=place, show_progress=False)
    data = Dataset.File.from_files((store, place)).as_named_input("lines").as_mount()
    (source / "count.py").write_text(
        "import pathlib, sys\nfrom azureml.core import Run\n"
        "Run.get_context().log('lines', len(pathlib.Path(sys.argv[1], 'lines.txt').read_text().split()))\n"
    )
    configuration = ScriptRunConfig(
        str(source),
        command=["python", "count.py", data],
        compute_target="cluster",
        environment=project.configuration.environment,
    )
    run = experiment.submit(configuration)
    run.wait_for_completion(show_output=False)
    assert run.get_metrics() == {"lines": 2}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a", "b c", "it's"], "a 'b c' 'it'\"'\"'s'"),
        (["a", "&&", "b", "|", "c", ">", "out"], "a && b | c > out"),
        (["cd", "x;", "ls", '$HOME/"a"'], 'cd x; ls "$HOME/\\"a\\""'),
        (["echo", "`id`"], "echo '`id`'"),
    ],
)
def test_a_shell_reads_operators_and_variables_and_all_else_literally(words: list[str], line: str) -> None:
    assert shell_line(words) == line
