"""What is known when a run is queued: reason, branch, variables; and the predefined variables of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from local_azure.pipelines.language.reader import read_file
from local_azure.pipelines.language.tree import Fields, fields_of, texts_of

_NO_COMMIT = "0" * 40


@cache
def _predefined_variables() -> Fields:
    """Return the content of predefined_variables.yml, which describes its sections."""
    return fields_of(read_file(Path(__file__).parent, "predefined_variables.yml"))


def predefined_names(section: str) -> tuple[str, ...]:
    """Return the names that a section lists."""
    return texts_of(_predefined_variables().get(section))


def predefined_values(section: str) -> dict[str, str]:
    """Return the names and values of a section."""
    return {str(name): str(value) for name, value in fields_of(_predefined_variables().get(section))}


def run_time_only() -> dict[str, str]:
    """Return the predefined variables that exist only while a job runs: lower case to spelling."""
    return {name.lower(): name for name in predefined_names("running")}


@dataclass(frozen=True)
class QueueFacts:
    """The facts of one queued run.

    `variables` are those set in the web UI or at queue time, `groups` the variable groups by name,
    `secrets` the secret ones of them as (group, variable), `masked` those that are masked only,
    `repositories` local folders by alias. `branch` is short or full; of a pull request it is the source.
    """

    reason: str = "Manual"
    branch: str = "main"
    commit: str = _NO_COMMIT
    variables: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: frozenset[tuple[str, str]] = frozenset()
    masked: frozenset[tuple[str, str]] = frozenset()
    repositories: Mapping[str, Path] = field(default_factory=dict)
    person: str = ""
    """Who has queued it; empty where nobody is known."""

    def predefined(self) -> dict[str, str]:
        """Return the predefined variables of a queued run; what only a service knows is a placeholder."""
        branch = self.branch if self.branch.startswith("refs/") else f"refs/heads/{self.branch}"
        values = dict.fromkeys(predefined_names("queued"), "") | predefined_values("values")
        if self.reason == "PullRequest":
            values |= _of_pull_request(branch)
            branch = "refs/pull/1/merge"
        if self.person:
            values |= {"Build.QueuedBy": self.person, "Build.RequestedFor": self.person}
        return values | {
            "Build.Reason": self.reason,
            "Build.SourceVersion": self.commit,
            "Build.SourceBranch": branch,
            "Build.SourceBranchName": branch.rsplit("/", 1)[-1],
        }


def _of_pull_request(source_branch: str) -> dict[str, str]:
    return {
        "System.PullRequest.PullRequestId": "1",
        "System.PullRequest.SourceBranch": source_branch,
        "System.PullRequest.IsFork": "False",
        "System.PullRequest.TargetBranch": "refs/heads/main",
        "System.PullRequest.TargetBranchName": "main",
    }
