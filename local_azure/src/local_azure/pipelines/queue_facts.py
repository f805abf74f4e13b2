"""What is known when a run is queued: reason, branch, variables; and the names of predefined variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REASONS = ("Manual", "IndividualCI", "BatchedCI", "Schedule", "PullRequest", "ResourceTrigger", "BuildCompletion")
# Exist only once the run has started: in `${{ }}` the service reads nothing there, without a word.
RUN_TIME_ONLY = tuple(
    name
    for area, names in {
        "Agent": "BuildDirectory HomeDirectory Id JobName JobStatus MachineName Name OS OSArchitecture TempDirectory "
        "ToolsDirectory WorkFolder ReleaseDirectory RootDirectory Version",
        "Build": "ArtifactStagingDirectory BinariesDirectory BuildId BuildNumber BuildUri ContainerId "
        "Repository.LocalPath SourcesDirectory StagingDirectory TestResultsDirectory Clean CronSchedule.DisplayName",
        "Common": "TestResultsDirectory",
        "Environment": "Id Name ResourceId ResourceName",
        "Pipeline": "Workspace",
        "Strategy": "Name CycleName",
        "System": "AccessToken DefaultWorkingDirectory JobAttempt JobDisplayName JobId JobName JobTimeout "
        "PhaseAttempt PhaseDisplayName PhaseName PlanId PipelineStartTime StageAttempt StageDisplayName StageName "
        "ServerType TimelineId TaskInstanceId TaskDisplayName Debug StageId ArtifactsDirectory OidcRequestUri",
        "": "TF_BUILD",
    }.items()
    for name in (f"{area}.{word}" if area else word for word in names.split())
)
_QUEUED_WITHOUT_VALUE = (
    "Build.TriggeredBy.BuildId", "Build.TriggeredBy.DefinitionId", "Build.TriggeredBy.DefinitionName",
    "Build.TriggeredBy.BuildNumber", "Build.TriggeredBy.ProjectID", "System.PullRequest.PullRequestId",
    "System.PullRequest.PullRequestNumber", "System.PullRequest.SourceBranch", "System.PullRequest.SourceBranchName",
    "System.PullRequest.TargetBranch", "System.PullRequest.TargetBranchName", "System.PullRequest.SourceCommitId",
    "System.PullRequest.SourceRepositoryURI", "System.PullRequest.IsFork", "System.PullRequest.MergedAt",
    "Build.SourceVersionAuthor", "Build.SourceTfvcShelveset", "System.ParentJobId", "Build.DefinitionFolderPath",
    "Build.PullRequest.Id", "System.HostType", "Build.SourceVersionMessage", "Build.QueuedById",
    "Build.RequestedForId", "Build.RequestedForEmail", "Build.Repository.ID", "Build.Repository.Uri",
    "Build.Repository.Git.SubmoduleCheckout", "System.TeamFoundationServerUri", "System.Culture",
)  # fmt: skip


def full_branch(name: str) -> str:
    """`main` as `refs/heads/main`; a full name stays."""
    return name if name.startswith("refs/") else f"refs/heads/{name}"


@dataclass(frozen=True)
class QueueFacts:
    """The facts of one queued run.

    `variables` are those of the web page or of the queue dialogue, `groups` the variable groups: name to value, None
    where only the name is known. `repositories` are local folders by alias.
    """

    reason: str = "Manual"
    branch: str = "main"
    commit: str = "0" * 40
    variables: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    repositories: Mapping[str, Path] = field(default_factory=dict)

    def predefined(self) -> dict[str, str]:
        """The predefined variables that exist at this moment, with stand-in values where only a service has one."""
        branch = full_branch(self.branch)
        values = dict.fromkeys(_QUEUED_WITHOUT_VALUE, "")
        if self.reason == "PullRequest":
            target = "refs/heads/main"
            values |= {
                "System.PullRequest.PullRequestId": "1",
                "System.PullRequest.SourceBranch": branch,
                "System.PullRequest.TargetBranch": target,
                "System.PullRequest.TargetBranchName": "main",
                "System.PullRequest.IsFork": "False",
            }
            branch = "refs/pull/1/merge"
        return values | {
            "Build.Reason": self.reason,
            "Build.SourceBranch": branch,
            "Build.SourceBranchName": branch.rsplit("/", 1)[-1],
            "Build.SourceVersion": self.commit,
            "Build.DefinitionName": "local",
            "Build.DefinitionVersion": "1",
            "Build.QueuedBy": "local rehearsal",
            "Build.RequestedFor": "local rehearsal",
            "Build.Repository.Name": "local",
            "Build.Repository.Provider": "TfsGit",
            "System.CollectionId": "00000000-0000-0000-0000-000000000000",
            "System.CollectionUri": "https://dev.azure.com/local/",
            "System.TeamFoundationCollectionUri": "https://dev.azure.com/local/",
            "System.DefinitionId": "1",
            "System.TeamProject": "local",
            "System.TeamProjectId": "00000000-0000-0000-0000-000000000000",
        }


def run_time_only(name: str) -> bool:
    """Whether a predefined variable exists only while a job runs."""
    return name.lower() in _RUN_TIME_ONLY


_RUN_TIME_ONLY = frozenset(name.lower() for name in RUN_TIME_ONLY)
