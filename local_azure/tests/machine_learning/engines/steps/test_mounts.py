"""Where a step's data is on the compute: copies and links, and places of the author's choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]


@pytest.fixture
def place(project: Any, unique: Unique) -> str:
    """A folder of the default datastore with a.txt and below/b.txt."""
    path = unique("place")
    folder = project.folder / "data"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("original")
    (folder / "below" / "b.txt").write_text("b")
    project.workspace.get_default_datastore().upload(str(folder), target_path=path, show_progress=False)
    return path


def _read(project: Any, path: str) -> str:
    store, target = project.workspace.get_default_datastore(), project.folder / "back"
    store.download(str(target), prefix=f"{path}/a.txt", overwrite=True, show_progress=False)
    return str((target / path / "a.txt").read_text())


def _files(project: Any, path: str) -> Any:
    from azureml.core import Dataset

    return Dataset.File.from_files((project.workspace.get_default_datastore(), path))


@pytest.mark.parametrize("pattern", ["", "/**", "/*.txt"])
def test_a_download_is_a_copy_that_the_script_may_change(
    project: Any, experiment: Any, place: str, pattern: str
) -> None:
    data = _files(project, place + pattern).as_named_input("given").as_download()
    script = """
import os, pathlib, sys
file = pathlib.Path(sys.argv[1], "a.txt")
assert not file.is_symlink() and not pathlib.Path(sys.argv[1]).is_symlink()
assert file.read_text() == "original" and os.environ["given"] == sys.argv[1]
file.write_text("changed")
file.with_name("more.txt").write_text("more")
"""
    project.finished(experiment.submit(project.pipeline(project.step("change", script, [data]))))
    assert _read(project, place) == "original"
    names = _files(project, place).to_path()
    assert sorted(names) == ["/a.txt", "/below/b.txt"]


def test_a_mount_is_the_data_itself(project: Any, experiment: Any, place: str) -> None:
    data = _files(project, place).as_named_input("given").as_mount()
    script = "import os, sys; assert os.path.islink(sys.argv[1]); print(*os.listdir(sys.argv[1]))"
    run = project.finished(experiment.submit(project.pipeline(project.step("look", script, [data]))))
    assert "a.txt" in project.steps_of(run)["look"].get_stdout_log()


@pytest.mark.parametrize("mode", ["as_mount", "as_download"])
def test_an_input_lies_where_its_author_wants_it(project: Any, experiment: Any, place: str, mode: str) -> None:
    data = getattr(_files(project, place).as_named_input("given"), mode)(path_on_compute="data/here")
    script = "import sys; print(open('data/here/below/b.txt').read(), sys.argv[1].endswith('data/here'))"
    run = project.finished(experiment.submit(project.pipeline(project.step("look", script, [data]))))
    assert "b True" in project.steps_of(run)["look"].get_stdout_log()


def test_an_output_lies_where_its_author_wants_it(project: Any, experiment: Any) -> None:
    from azureml.data import OutputFileDatasetConfig
    from azureml.pipeline.core import PipelineData

    made = OutputFileDatasetConfig("made", source="results/made").as_upload()
    store = project.workspace.get_default_datastore()
    old = PipelineData("old", store, output_mode="upload", output_path_on_compute="results/old")
    script = "for name in ('made', 'old'): open(f'results/{name}/a.txt', 'w').write(name)"
    write = project.step("write", script, [made], outputs=[old])
    read = project.step(
        "read",
        "import sys; print(*(open(f'{word}/a.txt').read() for word in sys.argv[1:]))",
        [made.as_input("made_before"), old],
        inputs=[old],
    )
    run = project.finished(experiment.submit(project.pipeline(write, read)))
    assert "made old" in project.steps_of(run)["read"].get_stdout_log()


@pytest.mark.parametrize("path", ["/tmp/data", "../data"])  # noqa: S108 - it is refused
def test_a_place_outside_of_the_working_directory_is_refused_by_name(
    project: Any, experiment: Any, place: str, path: str
) -> None:
    from azureml.core import ScriptRunConfig
    from azureml.data import OutputFileDatasetConfig

    data = _files(project, place).as_named_input("given").as_mount(path_on_compute=path)
    refusal = f"NotImplemented(.|\n)*path_on_compute '{path}' of 'given'"
    with pytest.raises(Exception, match=refusal):
        experiment.submit(project.pipeline(project.step("look", "", [data])))
    (project.folder / "run").mkdir()
    (project.folder / "run" / "run.py").write_text("")
    script = ScriptRunConfig(str(project.folder / "run"), "run.py", [data], compute_target="cluster")
    with pytest.raises(Exception, match=refusal):
        experiment.submit(script)
    output = OutputFileDatasetConfig("made", source=path)
    with pytest.raises(Exception, match=f"NotImplemented(.|\n)*path_on_compute '{path}' of 'made'"):
        experiment.submit(project.pipeline(project.step("write", "", [output])))


def test_a_place_that_is_taken_is_said(project: Any, experiment: Any, place: str) -> None:
    files = _files(project, place)
    first = files.as_named_input("first").as_mount(path_on_compute="data")
    second = files.as_named_input("second").as_mount(path_on_compute="data/below")
    run = experiment.submit(project.pipeline(project.step("look", "", [first, second])))
    project.failing(run)
    message = project.steps_of(run)["look"].get_details()["error"]["error"]["message"]
    assert "'second' of step 'look' cannot be at 'data/below'" in message


def test_one_dataset_reaches_a_script_in_every_way_of_naming_it(project: Any, experiment: Any, place: str) -> None:
    files = _files(project, place)
    argument = files.as_named_input("argument").as_mount()
    unsaid = files.as_named_input("unsaid").as_download()
    script = """
import pathlib, sys
from azureml.core import Run
run = Run.get_context()
for name in ("argument", "unsaid"):
    folder = pathlib.Path(run.input_datasets[name])
    assert (folder / "a.txt").read_text() == "original", name
assert run.input_datasets["argument"] == sys.argv[1]
"""
    project.finished(experiment.submit(project.pipeline(project.step("look", script, [argument], inputs=[unsaid]))))
