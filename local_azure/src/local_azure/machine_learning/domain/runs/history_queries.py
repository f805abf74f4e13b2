"""Pages of runs and experiments: filter, order and continuation over the store's indexes.

A page continues behind the last one of the page before (its sort value and its number in the store), so what is
created in between neither repeats nor hides another.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.domain.runs.history_filters import Parameter, column, parse
from local_azure.machine_learning.errors import ApiError, bad_request
from local_azure.machine_learning.storage.store import Store

DEFAULT_PAGE = 500  # the client's own page size
LARGEST_PAGE = 10_000
_SIZE = re.compile(r"[0-9]{1,5}")
_NEWEST_FIRST = {"run": "StartTimeUtc desc", "experiment": "CreatedUtc desc"}

# A run that has not started yet ranks by its creation, so that it is among the newest (assumed).
_STARTED = "coalesce(json_extract(doc, '$.startTimeUtc'), json_extract(doc, '$.createdUtc'))"

# What a person may remember of a run: its names, its id, its tags and properties.
_HOLDS_TEXT = (
    "instr(lower(id || ' ' || coalesce(json_extract(doc, '$.displayName'), '') || ' ' "
    "|| coalesce(json_extract(doc, '$.tags'), '') || ' ' || coalesce(json_extract(doc, '$.properties'), '')), ?) > 0"
)


@dataclass(frozen=True)
class Query:
    """What to list: runs of one experiment, of one parent run or of the whole workspace, or experiments."""

    kind: Literal["run", "experiment"] = "run"
    experiment_id: str | None = None
    parent: str | None = None
    filter: str | None = None
    orderby: str | None = None
    top: int | str | None = None
    token: str | None = None
    default_order: str | None = None


def _order(query: Query) -> tuple[str, str]:
    """SQL of the sort value, and "DESC" or "ASC"."""
    words = (query.orderby or query.default_order or _NEWEST_FIRST[query.kind]).split()
    field = words[0]
    direction = words[1].upper() if len(words) > 1 else "ASC"
    if len(words) > 2 or direction not in ("ASC", "DESC"):
        raise bad_request(
            f"'{query.orderby}' is not an order of {query.kind}s; expected one field and 'asc' or 'desc'."
        )
    sql = column(query.kind, field).sql
    if field.lower() == "starttimeutc":
        return _STARTED, direction
    return f"coalesce({sql}, '')", direction


def page_size(top: int | str | None) -> int:
    """Return the size of a page that a client asks for; raises a 400."""
    if top is None:
        return DEFAULT_PAGE
    if not _SIZE.fullmatch(str(top)) or not 1 <= int(top) <= LARGEST_PAGE:
        raise bad_request(f"'{str(top)[:40]}' is not a page size; expected 1 to {LARGEST_PAGE}.")
    return int(top)


def _encode(position: tuple[Parameter, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _decode(token: str) -> tuple[Parameter, int]:
    try:
        value, seq = strict_json.parse(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError) as error:
        raise _no_token(token) from error
    numbers = [one for one in (value, seq) if isinstance(one, int)]
    if not isinstance(value, str | int) or not isinstance(seq, int) or any(abs(one) >= 2**63 for one in numbers):
        raise _no_token(token)
    return value, seq


def _no_token(token: str) -> ApiError:
    return bad_request(f"'{token[:100]}' is not a continuation token of this query.")


def page(store: Store, workspace_id: str, query: Query) -> str:
    """Return a page as JSON, {"value": [document]} and where more follow "continuationToken"; raises a 400.

    The documents go out as the texts that they are stored as: reading and writing 500 of them costs 10 ms.
    """
    condition = parse(query.kind, query.filter)
    parent = query.parent or condition.parent
    sort, direction = _order(query)
    size = page_size(query.top)
    clauses = ["workspace = ?", f"kind = '{query.kind}'", condition.sql]
    parameters: list[Parameter] = [workspace_id, *condition.parameters]
    if parent:
        clauses.append("parent = ?")
        parameters.append(parent)
    if query.experiment_id:
        # Children of one run are fewer than runs of an experiment: `+` leaves SQLite the index of parents only.
        clauses.append("+name = ?" if parent else "name = ?")
        parameters.append(query.experiment_id)
    if query.token:
        # The first condition says nothing new, but SQLite finds the place in its index by it and not by the pair.
        sign, (value, number) = "<" if direction == "DESC" else ">", _decode(query.token)
        clauses += [f"{sort} {sign}= ?", f"({sort}, seq) {sign} (?, ?)"]
        parameters += [value, value, number]
    # Sorting numbers first and fetching the documents of one page after is three times faster than sorting documents.
    order = f"ORDER BY {sort} {direction}, seq {direction}"
    chosen = f"SELECT seq FROM entity WHERE {' AND '.join(clauses)} {order} LIMIT {size + 1}"  # noqa: S608 - bound
    sql = f"SELECT seq, doc, {sort} AS sort FROM entity WHERE seq IN ({chosen}) {order}"  # noqa: S608 - bound
    rows = store.rows(sql, tuple(parameters))
    more = len(rows) > size
    rows = rows[:size]
    token = _encode((rows[-1]["sort"], rows[-1]["seq"])) if more else None
    value = ",".join(row["doc"] for row in rows)
    following = f',"continuationToken":{json.dumps(token)}' if token else ""
    return f'{{"value":[{value}]{following}}}'


@dataclass(frozen=True)
class Recent:
    """Which top-level runs to list, newest first: of one experiment, that a filter lets through, that hold a text.

    before: continue behind the run of that number in the store.
    """

    limit: int
    experiment_id: str | None = None
    filter: str | None = None
    text: str = ""
    before: int | None = None


def recent(store: Store, workspace_id: str, asked: Recent) -> list[tuple[int, dict[str, Any]]]:
    """Return runs with their numbers in the store, in the order of creation; raises a 400 for a filter.

    Read along the index of parents: what is asked for most, the newest runs, is found without looking at the others.
    """
    condition = parse("run", asked.filter)
    clauses = ["workspace = ?", "kind = 'run'", "parent = ''", condition.sql]
    parameters: list[Parameter] = [workspace_id, *condition.parameters]
    if asked.experiment_id:
        clauses.append("+name = ?")
        parameters.append(asked.experiment_id)
    if asked.text:
        clauses.append(_HOLDS_TEXT)
        parameters.append(asked.text.lower())
    if asked.before is not None:
        clauses.append("seq < ?")
        parameters.append(asked.before)
    sql = f"SELECT seq, doc FROM entity WHERE {' AND '.join(clauses)} ORDER BY seq DESC LIMIT {asked.limit:d}"  # noqa: S608 - bound
    return [(row["seq"], json.loads(row["doc"])) for row in store.rows(sql, tuple(parameters))]
