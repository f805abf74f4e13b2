"""What belongs to the project itself: teams, pipelines, the policies of the branch, retention, settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ml_service.azure_devops.controls.control import Control, Facts
from ml_service.azure_devops.controls.declared import Declared
from ml_service.azure_devops.controls.project import Project, shown
from ml_service.documents import Document, at, number_at, records_at

DEFINITIONS, POLICIES = "build/definitions", "policy/configurations"
RETENTION, SETTINGS = "build/retention", "build/generalsettings"
REVIEWS = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
BUILD_VALIDATION = "0609b952-1397-4640-95ec-e00a01b2c241"
"""Ids of the kinds of policies: learn.microsoft.com/azure/devops/repos/git/branch-policies."""
_FROM_YAML = 2
"""`settingsSourceType` of a trigger that the YAML file sets."""
_YAML, _AZURE_REPOS = 2, "TfsGit"
"""`type` of a process that a file describes, and of a repository in this organization."""
_BUILD = "buildDefinitionId"
_ALL_OFF = "all switched off"
"""Where the page overrides the YAML and no trigger is left, the list is empty."""


def team_controls(project: Project, names: frozenset[str]) -> Iterator[Control]:
    """The teams whose members approve; who is in them is a matter of people."""
    for name in sorted(names):
        found = {"exists": "yes"} if name in project.teams else None
        path = f"projects/{project.project_id}/teams"
        write = partial(_send_above, project, path, {"name": name, "description": "Approves releases"})
        yield Control(f"team {name}", "Project settings > Teams", {"exists": "yes"}, found, write)


def _send_above(project: Project, path: str, body: Mapping[str, object]) -> None:
    project.send("POST", path, body, above=True)


def pipeline_controls(project: Project, declared: Declared) -> Iterator[Control]:
    """The pipelines: file, branch, repository, and that no page overrides the triggers of the YAML."""
    for name, file in declared.pipelines.items():
        number = project.pipelines.get(name)
        document = project.read(f"{DEFINITIONS}/{number}") if number is not None else {}
        expected = {
            "file": file,
            "branch": f"refs/heads/{declared.branch}",
            "repository": project.repository,
            "enabled": "yes",
            "triggers": "of the YAML",
        }
        yield Control(
            f"pipeline {name}",
            f"Pipelines > {name} > Edit > ... > Triggers",
            expected,
            _pipeline_facts(project, document) if document else None,
            partial(_write_pipeline, project, name, file, declared.branch, document),
            partial(_send, project, "DELETE", f"{DEFINITIONS}/{number}", None) if document else None,
        )


def _pipeline_facts(project: Project, document: Document) -> Facts:
    triggers = records_at(document, "triggers", may_lack=True) or ({"triggerType": _ALL_OFF},)
    overridden = [str(at(one, "triggerType")) for one in triggers if at(one, "settingsSourceType") != _FROM_YAML]
    return {
        "file": _file(document),
        "branch": shown(at(document, "repository", "defaultBranch")),
        "repository": _repository(project, document),
        "enabled": shown(at(document, "queueStatus") in (None, "enabled")),
        "triggers": f"overridden on the page: {shown(overridden)}" if overridden else "of the YAML",
    }


def _file(document: Document) -> str:
    """The file that describes a pipeline; one that was clicked together has none."""
    is_yaml = at(document, "process", "type") == _YAML
    return str(at(document, "process", "yamlFilename") or "none").lstrip("/") if is_yaml else "none"


def _repository(project: Project, document: Document) -> str:
    """The repository of a pipeline; its kind and id, too, where another one has the same name."""
    name, kind = shown(at(document, "repository", "name")), at(document, "repository", "type")
    number = str(at(document, "repository", "id"))
    is_ours = kind == _AZURE_REPOS and number.lower() == project.repository_id.lower()
    return name if is_ours or name != project.repository else f"{name} ({kind} {number})"


def _write_pipeline(project: Project, name: str, file: str, branch: str, document: Document) -> None:
    repository = {
        "id": project.repository_id,
        "name": project.repository,
        "type": _AZURE_REPOS,
        "defaultBranch": f"refs/heads/{branch}",
    }
    trigger = {"triggerType": "continuousIntegration", "settingsSourceType": _FROM_YAML, "branchFilters": []}
    body = {
        **document,
        "name": name,
        "type": "build",
        "process": {"type": _YAML, "yamlFilename": file},
        "repository": repository,
        "queueStatus": "enabled",
        "triggers": [trigger],
    }
    if document:
        project.send("PUT", f"{DEFINITIONS}/{number_at(document, 'id')}", body)
    else:
        project.send("POST", DEFINITIONS, body)


def policy_controls(project: Project, declared: Declared) -> Iterator[Control]:
    """What a pull request needs before it changes the branch."""
    reviews = {
        "minimumApproverCount": declared.reviews.minimum,
        "creatorVoteCounts": declared.reviews.author_counts,
        "resetOnSourcePush": declared.reviews.reset_on_push,
        "allowDownvotes": False,
    }
    yield _policy(project, declared, "reviews", REVIEWS, reviews)
    number = project.pipelines.get(declared.build_validation)
    if number is None:
        expected = {"build definition": declared.build_validation}
        title = f"build validation of branch {declared.branch}"
        yield Control(title, _place(declared), expected, None, is_part=True)
        return
    validation = {
        _BUILD: number,
        "queueOnSourceUpdateOnly": True,
        "manualQueueOnly": False,
        "validDuration": 0,
        "displayName": declared.build_validation,
        "filenamePatterns": [],
    }
    yield _policy(project, declared, "build validation", BUILD_VALIDATION, validation)


def _place(declared: Declared) -> str:
    return f"Repos > Branches > {declared.branch} > Branch policies"


def _policy(project: Project, declared: Declared, name: str, kind: str, settings: Mapping[str, object]) -> Control:
    scope = {
        "repositoryId": project.repository_id,
        "refName": f"refs/heads/{declared.branch}",
        "matchKind": "Exact",
    }
    listed = project.listed(POLICIES, {"policyType": kind})
    about = [one for one in listed if str(at(one, "type", "id")).lower() == kind and _is_about(one, scope)]
    body = {"isEnabled": True, "isBlocking": True, "type": {"id": kind}, "settings": {**settings, "scope": [scope]}}
    expected = {"enabled": "yes", "blocks a merge": "yes", **{key: shown(value) for key, value in settings.items()}}
    found = _nearest(about, expected)
    path = f"{POLICIES}/{number_at(found, 'id')}" if found else POLICIES
    return Control(
        f"{name} of branch {declared.branch}",
        _place(declared),
        expected,
        _policy_facts(found, expected) if found else None,
        partial(_send, project, "PUT" if found else "POST", path, body),
        partial(_send, project, "DELETE", path, None) if found else None,
    )


def _policy_facts(document: Document, expected: Facts) -> Facts:
    settings = {key: shown(at(document, "settings", key)) for key in expected}
    return {
        **settings,
        "enabled": shown(at(document, "isEnabled")),
        "blocks a merge": shown(at(document, "isBlocking")),
    }


def _nearest(about: Iterable[Document], expected: Facts) -> Document | None:
    """The policy that is compared: that of the declared build, since others may be checked too, or the nearest."""

    def agreement(document: Document) -> int:
        facts = _policy_facts(document, expected)
        return sum(facts[name] == value for name, value in expected.items())

    build = expected.get(_BUILD)
    ours = [one for one in about if build in (None, shown(at(one, "settings", _BUILD)))]
    return max(ours, key=agreement, default=None)


def _is_about(document: Document, scope: Mapping[str, str]) -> bool:
    """Whether a policy is about our branch alone; an exact scope has both names."""
    scopes = records_at(document, "settings", "scope", may_lack=True)
    return any(
        str(at(one, "repositoryId")).lower() == scope["repositoryId"].lower()
        and at(one, "refName") == scope["refName"]
        for one in scopes
    )


def _send(project: Project, method: str, path: str, body: object) -> None:
    project.send(method, path, body)


def retention_control(project: Project, declared: Declared) -> Control:
    """How long what has no lease is kept."""
    wanted = {
        "purgeRuns": ("runRetention", declared.retention.runs_days),
        "purgePullRequestRuns": ("pullRequestRunRetention", declared.retention.pull_request_runs_days),
        "purgeArtifacts": ("artifactsRetention", declared.retention.artifacts_days),
    }
    document = project.read(RETENTION)
    found = {name: f"{shown(at(document, name, 'value'))} days" for name in wanted}
    expected = {name: f"{days} days" for name, (_, days) in wanted.items()}
    body = {sent: {"value": days} for sent, days in wanted.values()}
    place = "Project settings > Pipelines > Settings > Retention policy"
    return Control("retention", place, expected, found, partial(_send, project, "PATCH", RETENTION, body))


def settings_control(project: Project, declared: Declared) -> Control:
    """The switches of the project's pipelines."""
    document = project.read(SETTINGS)
    found = {name: shown(at(document, name)) for name in declared.settings}
    expected = {name: shown(value) for name, value in declared.settings.items()}
    place = "Project settings > Pipelines > Settings > General"
    write = partial(_send, project, "PATCH", SETTINGS, dict(declared.settings))
    return Control("settings of pipelines", place, expected, found, write)
