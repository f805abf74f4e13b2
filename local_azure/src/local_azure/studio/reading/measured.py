"""Metrics of a run as charts, tables and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from markupsafe import Markup

from local_azure.machine_learning.domain.data.artifacts import run_artifact
from local_azure.machine_learning.domain.data.blobs import content
from local_azure.machine_learning.domain.runs import metrics
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.server import Parts
from local_azure.studio.reading.run_facts import name_of
from local_azure.studio.views import previews
from local_azure.studio.views.charts import Axes, Line, drawable, line_chart

NOTHING = Markup("")
MOST_POINTS = 500
MOST_METRICS = 200
MOST_ROWS = 100
MOST_OF_FAMILY = 50  # runs whose values are shown together
_MOST_BYTES = 1024 * 1024
Document = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One metric. single: its one value. chart: of many. Else rows of a table, an image or a matrix of a file."""

    name: str
    count: int
    single: Any = None
    chart: Markup = NOTHING
    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    image: str = ""
    file: str = ""
    matrix: Document | None = None

    @property
    def is_sampled(self) -> bool:
        """Tell whether the chart leaves values out."""
        return self.count > MOST_POINTS + 1 and bool(self.chart)


def of_run(parts: Parts, workspace: Workspace, run: Document) -> list[Measured]:
    """Return the metrics of a run: single values first."""
    listed = metrics.names(parts.store, workspace.id, run["runId"])[:MOST_METRICS]
    found = [_measured(parts, workspace, run, each["metricKey"]["name"]) for each in listed]
    return sorted(found, key=lambda each: each.single is None)


def scalars(parts: Parts, workspace: Workspace, run_id: str) -> dict[str, Any]:
    """Return the last value of each metric that is one number at a time."""
    found = {}
    for each in metrics.names(parts.store, workspace.id, run_id)[:MOST_METRICS]:
        name = each["metricKey"]["name"]
        value = metrics.sample(parts.store, workspace.id, run_id, name, 1)["value"]
        if value and len(value[-1]["data"]) == 1:
            found[name] = next(iter(value[-1]["data"].values()))
    return found


def of_family(parts: Parts, workspace: Workspace, family: list[Document]) -> Document:
    """Return single values of a run and of its steps; a step's name is in front where two log the same one."""
    found: Document = {}
    for run in family[:MOST_OF_FAMILY]:
        for name, value in scalars(parts, workspace, run["runId"]).items():
            found[f"{name_of(run)}: {name}" if name in found else name] = value
    return found


def _measured(parts: Parts, workspace: Workspace, run: Document, name: str) -> Measured:
    sampled = metrics.sample(parts.store, workspace.id, run["runId"], name, MOST_POINTS)
    values = [value["data"] for value in sampled["value"]]
    count, columns = sampled["count"], list(sampled["columns"])
    if not str(sampled["kind"]).endswith((".scalar", ".list", ".table")):
        return _of_file(parts, workspace, run, name, values)
    if count == 1 and len(columns) == 1:
        return Measured(name, 1, single=values[0].get(columns[0]))
    lines = [_line(column, values) for column in columns]
    numeric = [line for line in lines if len(line.points) > 1]
    is_list = len(columns) == 1
    label = f"{name}: {count:,} values"
    axes = Axes("values in the order in which they were logged", name if is_list else "value")
    chart = line_chart(numeric, label, axes) if len(numeric) == len(lines) or (is_list and numeric) else NOTHING
    rows = [list(map(value.get, columns)) for value in values[:MOST_ROWS]]
    return Measured(name, count, chart=chart, columns=columns, rows=rows)


def _line(column: str, values: list[Document]) -> Line:
    points = []
    for place, value in enumerate(values):
        number = drawable(value.get(column))
        if number is not None:
            points.append((float(place), number))
    return Line(column, tuple(points))


def _of_file(parts: Parts, workspace: Workspace, run: Document, name: str, values: list[Document]) -> Measured:
    """A metric whose value is the address of a file of the run: an image, or JSON such as a confusion matrix."""
    told = next((str(cell) for value in values for cell in value.values() if isinstance(cell, str)), "")
    file = told.rpartition(f"/{run['dataContainerId']}/")[2] or PurePosixPath(told).name
    if previews.kind_of(file) == "image":
        return Measured(name, len(values), image=file)
    return Measured(name, len(values), file=file, matrix=_matrix(parts, workspace, run, file))


def _matrix(parts: Parts, workspace: Workspace, run: Document, file: str) -> Document | None:
    """Return {"labels", "rows"} of a confusion matrix; labels that are too few give way to numbers."""
    try:
        path = run_artifact(run, file).require_file(parts.files, workspace)
    except (ApiError, OSError):
        return None
    if path.stat().st_size > _MOST_BYTES:
        return None
    text = b"".join(content(parts.redactor, path, 0, path.stat().st_size)).decode(errors="replace")
    found = previews.json_of(text)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        return None
    rows = data.get("matrix")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    labels = data.get("class_labels")
    is_enough = isinstance(labels, list) and len(labels) >= len(rows)
    return {"labels": labels if is_enough else range(len(rows)), "rows": rows}
