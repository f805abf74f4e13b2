"""Graphs that cannot be walked say so with the names of their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_azure.machine_learning.domain.pipelines.plan import build_plan
from local_azure.machine_learning.errors import ApiError


def plan(waits: dict[str, list[str]]) -> Any:
    """The plan of steps that wait for others, by name; their nodes have ids of their own."""
    nodes = [{"Id": f"node-{name}", "ModuleId": f"module-{name}"} for name in waits]
    edges = [
        {
            "SourceOutputPort": {"NodeId": f"node-{first}", "PortName": "out"},
            "DestinationInputPort": {"NodeId": f"node-{name}", "PortName": f"after-{first}"},
        }
        for name, others in waits.items()
        for first in others
    ]
    modules = {f"module-{name}": {"Name": name, "StructuredInterface": {}} for name in waits}
    return build_plan({"ModuleNodes": nodes, "Edges": edges}, modules, {})


def test_steps_that_wait_for_each_other_are_named_by_their_names() -> None:
    with pytest.raises(ApiError) as refused:
        plan({"start": [], "train": ["start", "score"], "score": ["train"], "report": ["score"]})
    assert refused.value.status == 400
    assert "'score' waits for 'train' waits for 'score'" in refused.value.message
    assert "node-" not in refused.value.message
    assert "report" not in refused.value.message, "it only waits for one of them"


def test_a_step_that_waits_for_itself_is_named() -> None:
    with pytest.raises(ApiError, match="'train' waits for itself"):
        plan({"train": ["train"]})


def test_a_long_chain_is_no_circle() -> None:
    names = [f"step{number}" for number in range(500)]
    assert len(plan({name: names[number - 1 : number] for number, name in enumerate(names)}).steps) == 500


def test_a_dataset_parameter_that_has_no_value_is_named(
    project: Any, experiment: Any, ws: Any, unique: Callable[[str], str]
) -> None:
    from azureml.core import Dataset
    from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
    from azureml.pipeline.core import PipelineParameter

    (project.folder / "data").mkdir()
    (project.folder / "data" / "a.csv").write_text("x\n1\n")
    store = ws.get_default_datastore()
    store.upload(str(project.folder / "data"), target_path=unique("data"), show_progress=False)
    dataset = Dataset.File.from_files((store, unique("data") + "/**"), validate=False)
    parameter = PipelineParameter("the_table", dataset)
    source = DatasetConsumptionConfig("source", parameter).as_mount()
    step = project.step("read", "print('read')", inputs=[source])  # and not among its arguments
    run = experiment.submit(project.pipeline(step))
    project.failing(run)
    message = next(run.get_children()).get_details()["error"]["error"]["message"]
    assert "'source'" in message
    assert "pipeline parameter 'the_table'" in message
