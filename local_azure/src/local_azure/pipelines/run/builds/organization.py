"""What administers a project of Azure DevOps: connections, environments, checks, pipelines, policies, retention.

The documents have the forms of the REST API (learn.microsoft.com/rest/api/azure/devops) and are kept as they were
sent, with an id. Nothing here enforces them: a run on this machine asks for the approval of each environment,
whatever checks were created here. They are here so that what creates and compares them can be tried.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.pipelines.run.builds.record import REHEARSAL, Document

FILE, LOCK = "organization.json", "organization.lock"
PROJECT_ID = "00000000-0000-4000-8000-0000000000d0"
TENANT = "00000000-0000-0000-0000-0000000000aa"
MOST_DOCUMENTS = 1_000
"""Of one kind."""
PREVIEW = "-preview"


class AbsentError(Exception):
    """The text says what there is not."""


@dataclass(frozen=True)
class Collection:
    """One kind of document: where it is served, and what one must have."""

    path: str
    required: tuple[str, ...]
    change: str = "PUT"
    has_guid: bool = False
    is_preview: bool = False
    """Whether the service serves it to callers that ask for a preview of the API only."""


COLLECTIONS = (
    Collection("serviceendpoint/endpoints", ("name", "type", "url", "authorization"), has_guid=True),
    Collection("distributedtask/environments", ("name",), change="PATCH", is_preview=True),
    Collection("pipelines/checks/configurations", ("type", "resource"), change="PATCH", is_preview=True),
    Collection("build/definitions", ("name", "process", "repository")),
    Collection("policy/configurations", ("type", "isEnabled", "isBlocking", "settings")),
    Collection(f"projects/{PROJECT_ID}/teams", ("name",), change="PATCH", has_guid=True),
)
_PROJECT = re.compile(r"projects/([^/]+)")
_PERMISSIONS = re.compile(r"pipelines/pipelinepermissions/(endpoint|environment)/([0-9A-Za-z-]{1,40})", re.IGNORECASE)
_FACTS: Mapping[str, Document] = {
    "build/retention": {
        "purgeArtifacts": {"min": 1, "max": 60, "value": 30},
        "purgePullRequestRuns": {"min": 1, "max": 30, "value": 10},
        "purgeRuns": {"min": 30, "max": 731, "value": 30},
        "retainRunsPerProtectedBranch": {"min": 0, "max": 50, "value": 3},
    },
    "build/generalsettings": {
        "enforceJobAuthScope": False,
        "enforceReferencedRepoScopedToken": False,
        "enforceSettableVar": False,
        "disableClassicPipelineCreation": False,
    },
}
"""What a project has from the start."""
_RETENTION_SENT = {
    "artifactsRetention": "purgeArtifacts",
    "pullRequestRunRetention": "purgePullRequestRuns",
    "runRetention": "purgeRuns",
    "retainRunsPerProtectedBranch": "retainRunsPerProtectedBranch",
}
"""A change of the retention names its parts otherwise than the answer does."""


class Organization:
    """The documents of one organization with one project, in a file; several processes may work on it."""

    def __init__(self, folder: Path, project: str) -> None:
        self._folder = folder
        self._project = project

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Callable[[], Any]) -> Document | None:
        """Answer a request below `_apis/`; None where nothing of an organization is served at the path.

        Raises: AbsentError, ValueError for a request that the service would refuse.
        """
        try:
            return self._answer(method, path, query, body)
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"The body sent to {path} does not match the documented schema.") from None

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: Callable[[], Any]) -> Document | None:
        if (found := _PROJECT.fullmatch(path)) and method == "GET":
            return self._own(found[1])
        if path.startswith("git/repositories/") and method == "GET":
            return self._repository(path.rpartition("/")[2])
        if path in _FACTS:
            return self._fact(method, path, body)
        if found := _PERMISSIONS.fullmatch(path):
            _demand_preview(query, path)
            return self._permissions(method, found[1].lower(), found[2], body)
        for collection in COLLECTIONS:
            if path == collection.path or path.startswith(f"{collection.path}/"):
                if collection.is_preview:
                    _demand_preview(query, path)
                return self._documents(collection, method, path[len(collection.path) + 1 :], query, body)
        return None

    def _own(self, name: str) -> Document:
        if name not in (self._project, PROJECT_ID):
            raise AbsentError(f"The project {name} does not exist.")
        return {"id": PROJECT_ID, "name": self._project, "rehearsal": REHEARSAL}

    def _repository(self, name: str) -> Document:
        if name != self._project:
            raise AbsentError(f"The repository {name} does not exist.")
        project = {"id": PROJECT_ID, "name": self._project}
        return {"id": PROJECT_ID, "name": name, "project": project, "defaultBranch": "refs/heads/main"}

    def _fact(self, method: str, path: str, body: Callable[[], Any]) -> Document:
        with self._opened(writes=method != "GET") as kept:
            fact: Document = kept.setdefault(path, json.loads(json.dumps(_FACTS[path])))
            if method == "GET":
                return fact
            if method != "PATCH":
                raise ValueError(f"{method} is not supported at {path}.")
            for name, value in _mapping(body()).items():
                if path == "build/retention":
                    _retain(fact, name, value)
                elif name in fact and isinstance(value, bool):
                    fact[name] = value
                else:
                    raise ValueError(f"{name} is not a setting of pipelines.")
            return fact

    def _permissions(self, method: str, kind: str, number: str, body: Callable[[], Any]) -> Document:
        with self._opened(writes=method != "GET") as kept:
            empty = {"resource": {"type": kind, "id": number}, "pipelines": []}
            document: Document = kept.setdefault("permissions", {}).setdefault(f"{kind}/{number}", empty)
            if method == "GET":
                return document
            if method != "PATCH":
                raise ValueError(f"{method} is not supported for permissions of pipelines.")
            sent = _mapping(body())
            if "allPipelines" in sent:
                document["allPipelines"] = sent["allPipelines"]
            known = {one["id"]: one for one in document["pipelines"]}
            for one in sent.get("pipelines", []):
                known[int(one["id"])] = {"id": int(one["id"]), "authorized": bool(one["authorized"])}
            document["pipelines"] = [one for one in known.values() if one["authorized"]]
            return document

    def _documents(
        self, of: Collection, method: str, key: str, query: Mapping[str, str], body: Callable[[], Any]
    ) -> Document:
        with self._opened(writes=method != "GET") as kept:
            documents: dict[str, Document] = kept.setdefault(of.path, {})
            if not key and method == "GET":
                listed = [_shown(one, query) for one in documents.values() if _is_asked_for(one, query)]
                return {"count": len(listed), "value": listed}
            if not key and method == "POST":
                return self._add(of, kept, documents, _mapping(body()))
            if key not in documents:
                raise AbsentError(f"There is no {of.path} {key}.")
            if method == "GET":
                return documents[key]
            if method == of.change:
                documents[key] = _changed(of, documents[key], _mapping(body()))
                return documents[key]
            if method == "DELETE":
                del documents[key]
                return {}
        raise ValueError(f"{method} is not supported at {of.path}.")

    def _add(self, of: Collection, kept: Document, documents: dict[str, Document], sent: Document) -> Document:
        if missing := [name for name in of.required if name not in sent]:
            raise ValueError(f"{of.path} needs {', '.join(missing)}.")
        if len(documents) >= MOST_DOCUMENTS:
            raise ValueError(f"At most {MOST_DOCUMENTS} documents of {of.path} are kept.")
        if "name" in of.required and any(one["name"] == sent["name"] for one in documents.values()):
            raise ValueError(f"{of.path} already has one named '{sent['name']}'.")
        kept["last"] = kept.get("last", 0) + 1
        key: Any = str(uuid.uuid4()) if of.has_guid else kept["last"]
        document = {**sent, "id": key, "rehearsal": REHEARSAL}
        if of.path == "serviceendpoint/endpoints":
            document = _federated(document)
        documents[str(key)] = document
        return document

    @contextmanager
    def _opened(self, *, writes: bool) -> Iterator[Document]:
        """The kept documents, written at the end of the block where nothing was raised in it."""
        with (self._folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self._folder / FILE
            kept: Document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            yield kept
            if writes:
                partial = path.with_suffix(".partial")
                with partial.open("w", encoding="utf-8") as stream:
                    json.dump(kept, stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                partial.replace(path)


def _demand_preview(query: Mapping[str, str], path: str) -> None:
    if PREVIEW not in query.get("api-version", ""):
        raise ValueError(f"{path} is under preview: the -preview flag must be supplied in the api-version.")


def _mapping(sent: Any) -> Document:
    if not isinstance(sent, dict):
        raise ValueError("A JSON object is expected.")
    return sent


def _retain(fact: Document, name: str, value: Any) -> None:
    part = fact.get(_RETENTION_SENT.get(name, ""))
    days = value.get("value") if isinstance(value, dict) else None
    if part is None or type(days) is not int or not part["min"] <= days <= part["max"]:
        limits = f", a whole number from {part['min']} to {part['max']}" if part else ""
        raise ValueError(f"{name} must be {{value: DAYS}}{limits}.")
    part["value"] = days


def _is_asked_for(document: Document, query: Mapping[str, str]) -> bool:
    if names := query.get("endpointNames"):
        return document.get("name") in names.split(",")
    if (name := query.get("name")) and document.get("name") != name:
        return False
    resource = document.get("resource", {})
    kind, number = query.get("resourceType"), query.get("resourceId")
    return (not kind or resource.get("type") == kind) and (not number or str(resource.get("id")) == number)


def _shown(document: Document, query: Mapping[str, str]) -> Document:
    """Of a check the list has the settings only where they are asked for."""
    is_check = "resource" in document and "type" in document
    if is_check and query.get("$expand", "").lower() != "settings":
        return {name: value for name, value in document.items() if name != "settings"}
    return document


def _changed(of: Collection, document: Document, sent: Document) -> Document:
    if of.path == "build/definitions" and sent.get("revision", 0) != document.get("revision", 0):
        raise ValueError("The definition was changed by somebody else: its revision differs.")
    changed = {**document, **sent, "id": document["id"]}
    if of.path == "build/definitions":
        changed["revision"] = document.get("revision", 0) + 1
    return changed


def _federated(document: Document) -> Document:
    """A connection with workload identity federation gets its issuer and subject from the service."""
    authorization = dict(document["authorization"])
    if authorization.get("scheme") == "WorkloadIdentityFederation":
        prefix = f"/eid1/c/pub/t/{TENANT}"
        authorization["parameters"] = {
            **authorization.get("parameters", {}),
            "workloadIdentityFederationIssuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "workloadIdentityFederationSubject": f"{prefix}/sc/{PROJECT_ID}/{document['id']}",
        }
    return {**document, "authorization": authorization, "isReady": True, "isShared": False}
