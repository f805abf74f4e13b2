"""The checks of an environment or a connection, in the forms of Azure DevOps' REST API.

Sources: learn.microsoft.com/rest/api/azure/devops/approvalsandchecks/check-configurations for the routes; the ids of
the kinds and the settings of each are those that the provider microsoft/azuredevops of Terraform sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ml_service.azure_devops.controls.control import Control, Facts
from ml_service.azure_devops.controls.declared import Approval, BranchControl, Checks, Lock, RequiredTemplate
from ml_service.azure_devops.controls.project import Project, shown
from ml_service.documents import Document, at, number_at, records_at, text_at

PATH = "pipelines/checks/configurations"
APPROVAL = "8c6f20a7-a545-4486-9777-f762fafe0d4d"
EXCLUSIVE_LOCK = "2ef31ad6-baa0-403a-8b45-2cbc9b4e5563"
REQUIRED_TEMPLATE = "4020e66e-b0f3-47e1-bc88-48f3cc59b5f3"
TASK = "fe1de3ee-a436-41b4-bb20-f6eb4cb879a7"
BRANCH_CONTROL = "86b05a0c-73e6-4f7d-b3cf-e38f3b39a75b"
"""The definition that a check of the kind TASK runs."""
_ENABLED = "enabled"
_GIT = "git"
_MINUTES = 1_440  # that a check which waits for nobody may take
Check = Approval | Lock | BranchControl | RequiredTemplate


@dataclass(frozen=True)
class Guarded:
    """What has checks. kind: environment or endpoint. number: its id; empty: there is no such resource."""

    kind: str
    title: str
    number: str
    place: str


def checks_of(project: Project, guarded: Guarded, declared: Checks) -> Iterator[Control]:
    """The checks of one resource."""
    wanted = {
        "approval": (APPROVAL, declared.approval),
        "exclusive lock": (EXCLUSIVE_LOCK, declared.exclusive_lock),
        "branch control": (TASK, declared.branch_control),
        "required template": (REQUIRED_TEMPLATE, declared.required_template),
    }
    for name, (type_id, check) in wanted.items():
        if check is None:
            continue
        found = _found(project, guarded, type_id)
        body = partial(_body, project, guarded, type_id, check)
        expected = _expected(project, check)
        nearest = _nearest(project, found, expected)
        write = partial(_write, project, nearest, body) if guarded.number else None
        remove = partial(_remove, project, found) if found else None
        facts = _facts(project, nearest) if nearest else None
        is_part = not guarded.number
        yield Control(f"{name} of {guarded.title}", guarded.place, expected, facts, write, remove, is_part)


def _found(project: Project, guarded: Guarded, type_id: str) -> tuple[Document, ...]:
    """Every check of a kind; there may be several, and each must pass."""
    if not guarded.number:
        return ()
    query = {"resourceType": guarded.kind, "resourceId": guarded.number, "$expand": "settings"}
    listed = project.listed(PATH, query, preview=True)
    same = [one for one in listed if str(at(one, "type", "id")).lower() == type_id]
    if type_id == TASK:
        same = [one for one in same if str(at(one, "settings", "definitionRef", "id")).lower() == BRANCH_CONTROL]
    return tuple(same)


def _nearest(project: Project, found: tuple[Document, ...], expected: Facts) -> Document | None:
    """The check that is nearest to what is expected: a second one makes nothing weaker, and is left as it is."""

    def agreement(document: Document) -> int:
        facts = _facts(project, document)
        return sum(facts.get(name) == value for name, value in expected.items())

    return max(found, key=agreement, default=None)


def _expected(project: Project, check: Check) -> Facts:
    match check:
        case Approval():
            facts = {
                "approvers": shown(check.teams),
                "approvals needed": shown(check.minimum),
                "requester may approve": shown(check.requester_may_approve),
                "blocked approvers": "none",
            }
        case BranchControl():
            facts = {"branches": shown(check.branches), "protected branches only": shown(check.protected_only)}
            facts["branches of unknown protection"] = "no"
        case RequiredTemplate():
            facts = {"templates": f"{project.name}/{project.repository} {check.ref} {check.path}"}
        case Lock():
            facts = {}
    timeout = {"timeout": f"{check.timeout_minutes} min"} if isinstance(check, Approval | Lock) else {}
    return {_ENABLED: "yes", **facts, **timeout}


def _facts(project: Project, document: Document) -> Facts:
    settings = at(document, "settings") or {}
    facts: dict[str, str] = {_ENABLED: shown(not at(document, "isDisabled"))}
    facts["timeout"] = f"{at(document, 'timeout')} min"
    kind = str(at(document, "type", "id")).lower()
    if kind == APPROVAL:
        facts["approvers"] = shown(
            [_approver(project, one) for one in records_at(settings, "approvers", may_lack=True)]
        )
        facts["approvals needed"] = _needed(settings)
        facts["requester may approve"] = shown(not at(settings, "requesterCannotBeApprover"))
        facts["blocked approvers"] = shown(
            [_approver(project, one) for one in records_at(settings, "blockedApprovers", may_lack=True)]
        )
    elif kind == TASK:
        inputs = at(settings, "inputs") or {}
        branches = [part.strip() for part in str(at(inputs, "allowedBranches") or "").split(",") if part.strip()]
        facts["branches"] = shown(branches)
        facts["protected branches only"] = shown(at(inputs, "ensureProtectionOfBranch") or "false")
        facts["branches of unknown protection"] = shown(at(inputs, "allowUnknownStatusBranch") or "false")
    elif kind == REQUIRED_TEMPLATE:
        facts["templates"] = shown([_template(one) for one in records_at(settings, "extendsChecks", may_lack=True)])
    return facts


def _needed(settings: Document) -> str:
    """How many must approve: 0 means each of those who are named."""
    needed = number_at(settings, "minRequiredApprovers") if at(settings, "minRequiredApprovers") else 0
    return shown(needed or len(records_at(settings, "approvers", may_lack=True)))


def _approver(project: Project, document: Document) -> str:
    """A team of the project by its name; of anybody else the id, too, because a person may be named like a team."""
    known = {number.lower(): name for name, number in project.teams.items()}
    number = text_at(document, "id")
    named = str(at(document, "displayName") or "")
    return known.get(number.lower()) or f"{named} ({number}, no team of this project)".lstrip()


def _template(document: Document) -> str:
    path, kind = str(at(document, "templatePath")).lstrip("/"), str(at(document, "repositoryType"))
    elsewhere = "" if kind == _GIT else f" ({kind})"
    return f"{at(document, 'repositoryName')}{elsewhere} {at(document, 'repositoryRef')} {path}"


def _write(project: Project, nearest: Document | None, body: Callable[[], Document]) -> None:
    if nearest:
        number = number_at(nearest, "id")
        project.send("PATCH", f"{PATH}/{number}", {**body(), "id": number}, preview=True)
    else:
        project.send("POST", PATH, body(), preview=True)


def _body(project: Project, guarded: Guarded, type_id: str, check: Check) -> Document:
    return {
        "type": {"id": type_id},
        "settings": _settings(project, check),
        "resource": {"type": guarded.kind, "id": guarded.number},
        "timeout": check.timeout_minutes if isinstance(check, Approval | Lock) else _MINUTES,
        "isDisabled": False,
    }


def _settings(project: Project, check: Check) -> dict[str, Any]:
    match check:
        case Approval():
            return {
                "approvers": [{"id": project.teams[name], "displayName": name} for name in check.teams],
                "minRequiredApprovers": check.minimum,
                "requesterCannotBeApprover": not check.requester_may_approve,
                "executionOrder": "anyOrder",
                "blockedApprovers": [],
                "instructions": "",
            }
        case BranchControl():
            inputs = {
                "allowedBranches": ", ".join(check.branches),
                "ensureProtectionOfBranch": str(check.protected_only).lower(),
                "allowUnknownStatusBranch": "false",
            }
            definition = {"id": BRANCH_CONTROL, "name": "evaluatebranchProtection", "version": "0.0.1"}
            return {"displayName": "Branch control", "definitionRef": definition, "inputs": inputs}
        case RequiredTemplate():
            template = {
                "repositoryType": _GIT,
                "repositoryName": f"{project.name}/{project.repository}",
                "repositoryRef": check.ref,
                "templatePath": check.path,
            }
            return {"extendsChecks": [template]}
        case Lock():
            return {}


def _remove(project: Project, found: tuple[Document, ...]) -> None:
    for one in found:
        project.send("DELETE", f"{PATH}/{number_at(one, 'id')}", None, preview=True)
