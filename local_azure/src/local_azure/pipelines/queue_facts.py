"""What is known when a run is queued: reason, branch, variables; and the names of predefined variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from local_azure.pipelines.reader import read_file
from local_azure.pipelines.tree import fields_of

REASONS = ("Manual", "IndividualCI", "BatchedCI", "Schedule", "PullRequest", "ResourceTrigger", "BuildCompletion")


@cache
def _documented() -> tuple[dict[str, str], dict[str, str]]:
    """Predefined variables that exist when a run is queued, with their values; and those of a running job."""
    known = fields_of(read_file(Path(__file__).parent, "predefined_variables.yml"))
    values = {str(name): str(value) for name, value in fields_of(known.get("values"))}
    queued, running = (str(known.get(key)).split() for key in ("queued", "running"))
    return dict.fromkeys(queued, "") | values, {name.lower(): name for name in running}


def run_time_only() -> dict[str, str]:
    """The predefined variables that exist only while a job runs: lower case to spelling."""
    return _documented()[1]


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
        values = dict(_documented()[0])
        if self.reason == "PullRequest":
            request = {"PullRequestId": "1", "SourceBranch": branch, "IsFork": "False"}
            request |= {"TargetBranch": "refs/heads/main", "TargetBranchName": "main"}
            values |= {f"System.PullRequest.{name}": value for name, value in request.items()}
            branch = "refs/pull/1/merge"
        values |= {"Build.Reason": self.reason, "Build.SourceVersion": self.commit, "Build.SourceBranch": branch}
        return values | {"Build.SourceBranchName": branch.rsplit("/", 1)[-1]}
