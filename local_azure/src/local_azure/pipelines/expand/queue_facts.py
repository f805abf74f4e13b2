"""What is known when a run is queued: reason, branch, variables; and the names of predefined variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from local_azure.pipelines.language.reader import read_file
from local_azure.pipelines.language.tree import Fields, fields_of


@cache
def documented(key: str) -> dict[str, str]:
    """A part of predefined_variables.yml (which says what each is): names with values, or with themselves."""
    part = fields_of(read_file(Path(__file__).parent, "predefined_variables.yml")).get(key)
    if isinstance(part, Fields):
        return {str(name): str(value) for name, value in part}
    return {name: name for name in str(part).split()}


def run_time_only() -> dict[str, str]:
    """The predefined variables that exist only while a job runs: lower case to spelling."""
    return {name.lower(): name for name in documented("running")}


@dataclass(frozen=True)
class QueueFacts:
    """The facts of one queued run.

    `variables` are those of the web page or of the queue dialogue, `groups` the variable groups by name,
    `repositories` local folders by alias. `branch` is short or full; of a pull request it is the source.
    """

    reason: str = "Manual"
    branch: str = "main"
    commit: str = "0" * 40
    variables: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    repositories: Mapping[str, Path] = field(default_factory=dict)

    def predefined(self) -> dict[str, str]:
        """The predefined variables that exist at this moment, with stand-in values where only a service has one."""
        branch = self.branch if self.branch.startswith("refs/") else f"refs/heads/{self.branch}"
        values = dict.fromkeys(documented("queued"), "") | documented("values")
        if self.reason == "PullRequest":
            request = {"PullRequestId": "1", "SourceBranch": branch, "IsFork": "False"}
            request |= {"TargetBranch": "refs/heads/main", "TargetBranchName": "main"}
            values |= {f"System.PullRequest.{name}": value for name, value in request.items()}
            branch = "refs/pull/1/merge"
        values |= {"Build.Reason": self.reason, "Build.SourceVersion": self.commit, "Build.SourceBranch": branch}
        return values | {"Build.SourceBranchName": branch.rsplit("/", 1)[-1]}
