"""Runs of a workspace: the list with its filters, the comparison of several, and where links of the SDK lead."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import chain
from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.clock import timestamp, utc_now
from local_azure.machine_learning.domain.runs import experiments, run_records
from local_azure.machine_learning.domain.runs.history_queries import Recent, recent
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.errors import bad_request, not_found
from local_azure.studio.pages.visit import Section, Visit, address, key_of
from local_azure.studio.reading import measured
from local_azure.studio.reading.run_facts import is_live, name_of, short_id, shown_status
from local_azure.studio.views.charts import drawable
from local_azure.studio.views.formats import number as shown_number
from local_azure.studio.views.formats import seconds_between
from local_azure.studio.views.previews import json_of

PAGES = Section()
ON_A_PAGE = 50
MOST_COMPARED = 6
SINCE = {"1": "last 24 hours", "7": "last 7 days", "30": "last 30 days", "": "any time"}
_SHOWN_TAGS = 4
Document = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A run in a list."""

    run: Document
    experiment: str

    @property
    def name(self) -> str:
        """What people call it."""
        return name_of(self.run)

    @property
    def short_id(self) -> str:
        """What tells it from others of its name; empty where the name does."""
        found = short_id(self.run["runId"])
        return "" if found in self.name else found

    @property
    def status(self) -> str:
        """What its badge shows."""
        return shown_status(self.run)

    @property
    def seconds(self) -> float | None:
        """How long it took so far."""
        return seconds_between(self.run.get("startTimeUtc"), self.run.get("endTimeUtc"))

    @property
    def tags(self) -> list[tuple[str, str]]:
        """The first tags that a person has given."""
        found = [(key, value or "") for key, value in self.run["tags"].items() if not key.startswith("azureml.")]
        return found[:_SHOWN_TAGS]


def rows_of(visit: Visit, workspace_id: str, asked: Recent) -> list[tuple[int, Row]]:
    """Return rows with their numbers in the store."""
    store = visit.parts.store
    names = {one["experimentId"]: one["name"] for one in store.find(workspace_id, experiments.KIND)}
    found = recent(store, workspace_id, asked)
    return [(number, Row(run, names.get(run["experimentId"], ""))) for number, run in found]


@PAGES.get("/w/{workspace}/runs")
def runs(visit: Visit) -> Response:
    """The newest runs that fit the filters of the address."""
    workspace, store = visit.workspace, visit.parts.store
    chosen = visit.query("experiment")
    asked = Recent(
        limit=ON_A_PAGE + 1,
        experiment_id=experiments.id_of(store, workspace.id, chosen, None) if chosen else None,
        filter=_filter(visit),
        text=visit.query("q"),
        before=visit.number("before"),
    )
    found = rows_of(visit, workspace.id, asked)
    rows = found[:ON_A_PAGE]
    kept = {name: visit.query(name) for name in ("experiment", "status", "tag", "q", "since")}
    older = (
        address("w", visit.part("workspace"), "runs", **kept, before=str(rows[-1][0]))
        if len(found) > ON_A_PAGE
        else ""
    )
    return visit.page(
        "runs.html.j2",
        rows=[row for _, row in rows],
        older=older,
        filters=kept,
        is_filtered=any(kept.values()),
        is_live=any(is_live(row.run) for _, row in rows),
        experiments=sorted({one["name"] for one in store.find(workspace.id, experiments.KIND)}),
        statuses=list(RunStatus),
        since=SINCE,
        most_compared=MOST_COMPARED,
    )


def _filter(visit: Visit) -> str:
    conditions = []
    if status := visit.query("status"):
        conditions.append(f'Status eq "{status}"')
    if (days := visit.query("since")) in SINCE and days:
        start = timestamp(utc_now() - dt.timedelta(days=int(days)))
        conditions.append(f"CreatedUtc ge {start}")
    if tag := visit.query("tag"):
        key, equals, value = tag.partition("=")
        conditions.append(f'tags/{key.strip()} eq "{value.strip()}"' if equals else f"tags/{key.strip()} ne null")
    return " and ".join(conditions)


@PAGES.get("/w/{workspace}/compare")
def compare(visit: Visit) -> Response:
    """Several runs side by side: metrics, and the parameters and tags that differ."""
    ids = list(dict.fromkeys(visit.queries("run")))
    if not 2 <= len(ids) <= MOST_COMPARED:
        raise bad_request(f"Choose 2 to {MOST_COMPARED} runs in the list of runs; {len(ids)} were chosen.")
    workspace, store = visit.workspace, visit.parts.store
    found = [run_records.require(store, workspace.id, run_id) for run_id in ids]
    families = [[run, *run_records.children(store, workspace.id, run["runId"])] for run in found]
    metrics = _side_by_side([measured.of_family(visit.parts, workspace, family) for family in families])
    facts = _side_by_side([_facts(run) for run in found])
    return visit.page(
        "compare.html.j2",
        runs=[Row(run, "") for run in found],
        metrics=[row for row in metrics if row.is_common],
        lone_metrics=[row for row in metrics if not row.is_common],
        differing=[row for row in facts if row.differs and row.is_common],
        lone=[row for row in facts if not row.is_common],
        same=[row for row in facts if not row.differs],
    )


def _facts(run: Document) -> Document:
    own = {key: value for key, value in run["properties"].items() if not key.startswith(("azureml.", "_azureml."))}
    given = {f"parameter {key}": value for key, value in parameters_of(run).items()}
    return {**given, **{f"tag {key}": value for key, value in run["tags"].items()}, **own}


def parameters_of(run: Document) -> Document:
    """Return the parameters that a pipeline run was submitted with."""
    found = json_of(run["properties"].get("azureml.parameters", "{}"))
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Compared:
    """One metric, parameter, tag or property of several runs."""

    name: str
    values: list[Any]

    @property
    def is_common(self) -> bool:
        """Whether more than one run has it."""
        return sum(value is not None for value in self.values) > 1

    @property
    def differs(self) -> bool:
        """Whether not all runs have the same."""
        return len(set(map(str, self.values))) > 1

    @property
    def difference(self) -> str:
        """Of two numbers: what the second one is more than the first, and as a share of it."""
        numbers = [number for value in self.values if (number := drawable(value)) is not None]
        if len(numbers) != 2 or len(self.values) != 2:
            return ""
        first, second = numbers
        share = f" ({(second - first) / abs(first):+.1%})" if first and first != second else ""
        return f"{'+' if second > first else ''}{shown_number(second - first)}{share}"


def _side_by_side(columns: list[Document]) -> list[Compared]:
    names = dict.fromkeys(chain.from_iterable(columns))
    return [Compared(name, _row(columns, name)) for name in names]


def _row(columns: list[Document], name: str) -> list[Any]:
    return [column.get(name) for column in columns]


# --- addresses that the SDK makes: {studio}/runs/{id}?wsid=/subscriptions/…/resourcegroups/…/workspaces/{name}&tid=…


def _workspace_of_link(visit: Visit) -> str:
    parts = visit.query("wsid").strip("/").split("/")
    given = {key.lower(): value for key, value in zip(parts[::2], parts[1::2], strict=False)}
    found = visit.parts.workspaces.get(
        given.get("subscriptions", ""), given.get("resourcegroups", ""), given.get("workspaces", "")
    )
    if found is None:
        raise not_found("Workspace", given.get("workspaces", ""))
    return key_of(found, visit.parts.workspaces.all())


@PAGES.get("/runs/{run_id}")
def run_link(visit: Visit) -> Response:
    """`run.get_portal_url()`."""
    return visit.see(address("w", _workspace_of_link(visit), "runs", visit.part("run_id")))


@PAGES.get("/experiments/id/{experiment_id}/runs/{run_id}")
@PAGES.get("/experiments/{experiment_name}/runs/{run_id}")
def old_run_link(visit: Visit) -> Response:
    """The same as older SDKs write it."""
    return run_link(visit)


@PAGES.get("/experiments/id/{experiment_id}")
def experiment_link(visit: Visit) -> Response:
    """`experiment.get_portal_url()`."""
    key = _workspace_of_link(visit)
    workspace = next(one for one in visit.parts.workspaces.all() if key_of(one, visit.parts.workspaces.all()) == key)
    found = experiments.by_id(visit.parts.store, workspace.id, visit.part("experiment_id"))
    return visit.see(address("w", key, "runs", experiment=found["name"]))


@PAGES.get("/experiments/{name}")
def named_experiment_link(visit: Visit) -> Response:
    """The same of an experiment that does not exist yet."""
    return visit.see(address("w", _workspace_of_link(visit), "runs", experiment=visit.part("name")))


@PAGES.get("/pipelines/{pipeline_id}")
def pipeline_link(visit: Visit) -> Response:
    """`published_pipeline.get_portal_url()`."""
    return visit.see(address("w", _workspace_of_link(visit), "pipelines", visit.part("pipeline_id")))
