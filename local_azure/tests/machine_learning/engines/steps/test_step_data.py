"""Every way in which data comes to a step and goes from it, and what is said about it in logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]
PRODUCE = """
import os, pathlib, sys
folder, table, upload = map(pathlib.Path, sys.argv[1:4])
for place in (folder, table, upload):
    place.mkdir(parents=True, exist_ok=True)
    (place / "t.csv").write_text("x,y\\n1,2\\n3,4\\n")
    (place / "notes.txt").write_text("no table")
assert os.environ["AZUREML_DATAREFERENCE_folder"] == sys.argv[1]
"""
CONSUME = """
import os, pathlib, sys
from azureml.core import Dataset, Run
run = Run.get_context()
folder, mounted, direct_id, table_id, reference = sys.argv[1:6]
assert pathlib.Path(folder, "t.csv").is_file() and pathlib.Path(mounted, "t.csv").is_file()
assert pathlib.Path(reference, "raw.csv").is_file() and os.environ["AZUREML_DATAREFERENCE_place"] == reference
assert len(run.input_datasets["direct"].to_pandas_dataframe()) == 1
assert Dataset.get_by_id(run.experiment.workspace, id=direct_id).id == direct_id
frame = run.input_datasets["table"].to_pandas_dataframe()
assert frame.shape == (2, 2), frame
parsed = run.input_datasets["parsed"].to_pandas_dataframe()
assert parsed.shape == (2, 2), parsed
run.log("rows", len(frame))
"""


@pytest.fixture
def raw(project: Any, unique: Unique) -> str:
    """A folder of the default datastore with one table, raw.csv."""
    path = unique("raw")
    put(project, path, "x,y\n1,2\n")
    return path


def put(project: Any, path: str, text: str) -> None:
    """Write raw.csv into a folder of the default datastore."""
    (project.folder / "raw.csv").write_text(text)
    store = project.workspace.get_default_datastore()
    store.upload_files([str(project.folder / "raw.csv")], target_path=path, overwrite=True, show_progress=False)


def test_every_form_of_input_and_output(project: Any, experiment: Any, raw: str, unique: Unique) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig
    from azureml.data.data_reference import DataReference
    from azureml.pipeline.core import PipelineData

    store, name = project.workspace.get_default_datastore(), unique("table")
    folder = PipelineData("folder", datastore=store, is_directory=True)
    as_dataset = PipelineData("set", datastore=store).as_dataset()
    table = OutputFileDatasetConfig("table").as_upload(overwrite=True).read_delimited_files(path_glob="*.csv")
    table = table.register_on_complete(name, description="of a step", tags={"a": "b"})
    produce = project.step("produce", PRODUCE, [folder, as_dataset, table], outputs=[folder, as_dataset])
    reference = DataReference(datastore=store, data_reference_name="place", path_on_datastore=raw)
    direct = Dataset.Tabular.from_delimited_files((store, f"{raw}/raw.csv")).as_named_input("direct")
    mounted = as_dataset.as_named_input("mounted").as_mount()
    words = [folder, mounted, direct, table.as_input("table"), reference]
    parsed = as_dataset.parse_delimited_files().as_named_input("parsed")
    consume = project.step("consume", CONSUME, words, inputs=[folder, reference, parsed])
    run = project.finished(experiment.submit(project.pipeline(produce, consume)))
    assert project.steps_of(run)["consume"].get_metrics() == {"rows": 2}
    registered = Dataset.get_by_name(project.workspace, name)
    read = project.steps_of(run)["consume"].get_details()["inputDatasets"]
    named = [entry["consumptionDetails"].get("inputName") for entry in read]
    assert {"direct", "parsed", "table"} < set(named), "and those that the script itself opened, without a name"
    (written,) = project.steps_of(run)["produce"].get_details()["outputDatasets"]
    assert written["dataset"].id == registered.id
    assert list(registered.to_pandas_dataframe().columns) == ["x", "y"]
    assert (registered.description, registered.tags) == ("of a step", {"a": "b"})


def test_a_data_path_is_changed_at_submission(project: Any, experiment: Any, raw: str, unique: Unique) -> None:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import PipelineParameter

    store, other = project.workspace.get_default_datastore(), unique("other")
    put(project, other, "longer\n")
    path = PipelineParameter("path", default_value=DataPath(store, raw))
    binding = (path, DataPathComputeBinding(mode="mount"))
    script = "import sys; print(open(sys.argv[1] + '/raw.csv').read())"
    pipeline = project.pipeline(project.step("show", script, [binding], inputs=[binding]))
    default = project.finished(experiment.submit(pipeline))
    changed = experiment.submit(pipeline, pipeline_parameters={"path": DataPath(store, other)})
    shown = [project.steps_of(run)["show"].get_stdout_log() for run in (default, project.finished(changed))]
    assert "1,2" in shown[0]
    assert "longer" in shown[1]


def test_hdfs_is_refused_by_name(project: Any, experiment: Any, raw: str) -> None:
    from azureml.core import Dataset

    store = project.workspace.get_default_datastore()
    hdfs = Dataset.File.from_files((store, f"{raw}/**"), validate=False).as_named_input("far").as_hdfs()
    with pytest.raises(Exception, match="the mode 'hdfs' of 'far'"):
        experiment.submit(project.pipeline(project.step("read", "", [hdfs])))


def test_a_transformation_that_is_not_there_is_refused_by_name(project: Any, experiment: Any) -> None:
    from azureml.data import OutputFileDatasetConfig

    output = OutputFileDatasetConfig("table").read_delimited_files(partition_format="/{day}/t.csv")
    output = output.register_on_complete("never")
    run = experiment.submit(project.pipeline(project.step("write", "", [output])))
    project.failing(run)
    error = project.steps_of(run)["write"].get_details()["error"]["error"]
    assert error["code"] == "NotImplemented"
    assert "of an output" in error["message"]


def test_new_bytes_under_an_old_definition_are_reused_with_a_warning(
    project: Any, experiment: Any, raw: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from azureml.core import Dataset

    store = project.workspace.get_default_datastore()

    def submit() -> Any:
        data = Dataset.File.from_files((store, f"{raw}/**"), validate=False).as_named_input("raw").as_mount()
        script = "import sys; open(sys.argv[1] + '/raw.csv').read()"
        run = experiment.submit(project.pipeline(project.step("read", script, [data], allow_reuse=True)))
        return project.steps_of(project.finished(run))["read"]

    submit()
    put(project, raw, "x,y\n1,2\n")
    same = submit()
    put(project, raw, "x,y\n9,9\n")
    other = submit()
    assert [step.get_properties()["azureml.isreused"] for step in (same, other)] == ["true", "true"]
    assert "warnings" not in same.get_details(), "the SDK leaves out what the service answers with null"
    (warning,) = other.get_details()["warnings"]
    assert "the bytes of its input 'raw' have changed" in warning["message"]
    other.parent.download_file("logs/azureml/executionlogs.txt", str(project.folder / "log"))
    assert "input 'raw'" in (project.folder / "log").read_text()


def test_a_step_is_told_what_its_environment_does_not_get(project: Any, experiment: Any) -> None:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    environment = Environment("training")
    environment.python.conda_dependencies = CondaDependencies.create(
        python_version="3.6.2",
        conda_packages=["numpy=0.9"],
        pip_packages=["azureml-defaults", "no-such-package>=2", "pyyaml>=1"],
    )
    project.configuration.environment = environment
    run = project.finished(experiment.submit(project.pipeline(project.step("hello", "print('hello')"))))
    step = project.steps_of(run)["hello"]
    log = step.get_stdout_log()
    assert "The environment 'training' asks for python==3.6.2.*; here it is 3.11" in log
    assert "asks for numpy==0.9.*; here it is" in log
    assert "asks for no-such-package>=2; it is not installed here" in log
    assert log.index("local_azure: warning") < log.index("\nhello")
    assert len(step.get_details()["warnings"]) == 3
