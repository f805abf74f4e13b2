"""Published modules through the real client: versions, the default one, and steps that use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Unique = Callable[[str], str]

ADD = """
import argparse, os, pathlib
p = argparse.ArgumentParser()
p.add_argument("--start", type=int, default=0); p.add_argument("--source"); p.add_argument("--total")
a = p.parse_args()
before = int(pathlib.Path(a.source).read_text()) if a.source else a.start
pathlib.Path(a.total).parent.mkdir(parents=True, exist_ok=True)
pathlib.Path(a.total).write_text(str(before + int(os.environ.get("AML_PARAMETER_increment", "1"))))
print("from", before)
"""


@pytest.fixture
def scripts(folder: Path) -> Path:
    (folder / "scripts").mkdir()
    (folder / "scripts" / "add.py").write_text(ADD)
    return folder / "scripts"


@pytest.fixture
def module(ws: Any, unique: Unique) -> Any:
    from azureml.pipeline.core import Module

    return Module.create(ws, unique("Add"), "adds")


def _publish(module: Any, scripts: Path, *, inputs: list[str], **more: Any) -> Any:
    from azureml.pipeline.core.graph import InputPortDef, OutputPortDef

    store = "workspaceblobstore"
    total = OutputPortDef("total", default_datastore_name=store, default_datastore_mode="mount", label="The sum")
    ports = [InputPortDef(name, default_datastore_mode="mount", label="A number") for name in inputs]
    return module.publish_python_script(
        "add.py", "a version", inputs=ports, outputs=[total], source_directory=str(scripts), **more
    )


def test_versions_have_numbers_a_default_and_a_status(ws: Any, module: Any, scripts: Path) -> None:
    from azureml.pipeline.core import Module, ModuleVersion

    first = _publish(module, scripts, inputs=[], version="1")
    second = _publish(module, scripts, inputs=["source"], version="2", is_default=True)
    found = Module.get(ws, name=module.name)
    assert (found.id, found.default_version, found.status) == (module.id, "2", "Active")
    assert [one.version for one in found.module_version_list()] == ["1", "2"]
    assert found.resolve().module_version_id == second.module_version_id
    assert found.resolve("1").module_version_id == first.module_version_id
    assert ModuleVersion.get(ws, first.module_version_id).module().id == module.id
    found.set_default_version("1")
    second.disable()
    again = Module.get(ws, module_id=module.id)
    assert again.default_version == "1"
    assert ModuleVersion.get(ws, second.module_version_id).status == "Disabled"
    again.deprecate()
    again.set_description("adds numbers")
    assert Module.get(ws, name=module.name).status == "Deprecated"
    assert Module.get(ws, name=module.name).description == "adds numbers"


def test_a_version_without_a_number_gets_the_next_one(ws: Any, module: Any, scripts: Path) -> None:
    from azureml.pipeline.core import Module

    _publish(module, scripts, inputs=[], version="7")
    _publish(module, scripts, inputs=["source"])
    assert [one.version for one in Module.get(ws, name=module.name).module_version_list()] == ["7", "8"]


def test_a_taken_name_and_an_unknown_module_are_refused(ws: Any, module: Any) -> None:
    from azureml.pipeline.core import Module

    with pytest.raises(Exception, match="exists already"):
        Module.create(ws, module.name, "again")
    with pytest.raises(Exception, match="Published module 'nobody'"):
        Module.get(ws, name="nobody")


def test_steps_of_two_versions_hand_over_data(project: Any, experiment: Any, module: Any, scripts: Path) -> None:
    from azureml.core import RunConfiguration
    from azureml.pipeline.core import PipelineData, PipelineParameter
    from azureml.pipeline.steps import ModuleStep

    first = _publish(module, scripts, inputs=[], version="1", params={"increment": 5, "start": 0})
    _publish(module, scripts, inputs=["source"], version="2", is_default=True)
    store = project.workspace.get_default_datastore()
    middle = PipelineData("middle", datastore=store, is_directory=False)
    end = PipelineData("end", datastore=store, is_directory=False)
    start = PipelineParameter("start", default_value=17)
    settings = {"compute_target": "cluster", "runconfig": RunConfiguration()}
    one = ModuleStep(
        module_version=first,
        inputs_map={},
        outputs_map={"total": middle},
        arguments=["--start", start, "--total", middle],
        name="one",
        **settings,
    )
    two = ModuleStep(
        module=module,
        inputs_map={"source": middle},
        outputs_map={"total": end},
        arguments=["--source", middle, "--total", end],
        name="two",
        **settings,
    )
    run = project.finished(experiment.submit(project.pipeline(one, two), pipeline_parameters={"start": 30}))
    steps = list(run.get_steps())
    logs = "\n".join(step.get_stdout_log() for step in steps)
    assert ("from 30" in logs, "from 35" in logs) == (True, True)
    assert {step.get_properties()["StepType"] for step in steps} == {"ModuleStep"}
