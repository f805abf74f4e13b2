"""The approval of an environment in a run of a workflow, read from GitHub: who said what of it.

GitHub tells the reviews of a run by environment, without their times and without the attempt or the job that asked
(docs.github.com/en/rest/actions/workflow-runs, "Get the review history for a workflow run"). So where the problems of
one run were approved by several persons, all of them are named; if a run was both rejected and approved, it is
unknown which came last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ml_service.azure_devops.approvals import MAX_COMMENT_CHARACTERS, Approval, Status
from ml_service.azure_devops.client import AzureDevOpsError, demand_safe, exchange
from ml_service.errors import FaultError
from ml_service.settings.variables import AgentSettings

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")
_MAX_NAMES_CHARACTERS = 200
_NEXT_NAME, _NEXT_COMMENT = ", ", "; "
_OVER = "completed"


class GitHubError(FaultError):
    """GitHub did not answer, refused, or told something else than its documentation says."""


class _Told(BaseModel):
    """What is read of a document; the service has more, and may leave out what it has not."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Environment(_Told):
    name: str = ""


class _User(_Told):
    login: str = ""


class _Review(_Told):
    state: str
    comment: str | None = None
    environments: tuple[_Environment, ...] = ()
    user: _User | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of its environments."""
        return frozenset(one.name for one in self.environments)


class _Run(_Told):
    status: str | None = None
    conclusion: str | None = None


_REVIEWS = TypeAdapter(tuple[_Review, ...])


@dataclass(frozen=True)
class Repository:
    """A repository, and the token of a job that may read its runs (`actions: read`)."""

    address: str
    """Such as https://api.github.com/repos/owner/name."""
    token: str = field(repr=False)

    def get(self, path: str) -> Any:
        """The JSON document at a path below. Raises: GitHubError."""
        url = f"{self.address}/{path}"
        try:
            answer, content = exchange("GET", url, self.token, headers=_HEADERS)
        except (requests.RequestException, AzureDevOpsError) as error:
            raise GitHubError(f"GitHub did not answer at {url}", found=type(error).__name__) from error
        if answer.status_code != requests.codes.ok:
            raise GitHubError(
                f"GitHub refused GET {url} (HTTP {answer.status_code})",
                todo="give the job `permissions: actions: read`, and map GITHUB_TOKEN to the step",
            )
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise GitHubError(f"the answer of {url} is not JSON") from None


def open_repository(settings: AgentSettings) -> Repository | None:
    """The repository of this run; None where no job of GitHub has handed over its token.

    Raises: InvalidRequestError where the token would be sent to another machine without TLS.
    """
    token, name = settings.github_token.get_secret_value(), settings.github_repository
    if not (token and settings.github_api_url and _REPOSITORY.fullmatch(name)):
        return None
    demand_safe("GITHUB_API_URL", settings.github_api_url)
    return Repository(f"{settings.github_api_url.rstrip('/')}/repos/{name}", token)


def read_approval(repository: Repository, run_id: str, environment: str) -> Approval | None:
    """Return the answer for an environment in a run; None if unknown. Raises: GitHubError."""
    with _as_documented(run_id):
        reviews = _reviews(repository, run_id, {environment})
        if not reviews:
            return _undecided(_Run.model_validate(repository.get(f"actions/runs/{run_id}")))
    states = {review.state for review in reviews}
    if len(states) > 1 or not states <= {Status.APPROVED, Status.REJECTED}:
        return None
    return _decided(reviews)


def read_reviews(repository: Repository, run_id: str, environments: Collection[str]) -> tuple[Approval, ...]:
    """Every approval and rejection of some environments in a run, one for each review. Raises: GitHubError."""
    with _as_documented(run_id):
        reviews = _reviews(repository, run_id, environments)
    return tuple(_decided([one]) for one in reviews if one.state in (Status.APPROVED, Status.REJECTED))


def tells(reviews: Sequence[Approval], recorded: Approval) -> bool:
    """Whether reviews hold an answer that `read_approval` has read once; there may be more of them since.

    It names each reviewer and each comment once.
    """
    same = [review for review in reviews if review.status is recorded.status]
    people, comments = {review.person for review in same}, {review.comment for review in same}
    by_them = _are_in(recorded.person, _NEXT_NAME, people, _MAX_NAMES_CHARACTERS)
    return bool(same) and by_them and _are_in(recorded.comment, _NEXT_COMMENT, comments, MAX_COMMENT_CHARACTERS)


def _are_in(joined: str, separator: str, found: Collection[str], most: int) -> bool:
    """Whether every part of a text is one of those found; the last one may have been cut with the text."""
    told = [part for text in found for part in text.split(separator)]
    *whole, last = joined.split(separator)
    is_last = any(part.startswith(last) for part in told) if len(joined) >= most else last in (*told, "")
    return is_last and all(part in told for part in whole)


@contextmanager
def _as_documented(run_id: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False, include_input=False)[0]
        raise GitHubError(
            f"GitHub told something else of run {run_id} than its documentation says", found=str(first["msg"])
        ) from None


def _reviews(repository: Repository, run_id: str, environments: Collection[str]) -> list[_Review]:
    told = _REVIEWS.validate_python(repository.get(f"actions/runs/{run_id}/approvals"))
    return [review for review in told if not review.names.isdisjoint(environments)]


def _undecided(run: _Run) -> Approval:
    """Nobody has decided: of a run that has ended, nobody will."""
    if run.status == _OVER:
        return Approval(Status.ENDED, said=run.conclusion or _OVER)
    return Approval(Status.PENDING, said=run.status or "")


def _decided(reviews: Sequence[_Review]) -> Approval:
    names = dict.fromkeys(review.user.login for review in reviews if review.user and review.user.login)
    comments = dict.fromkeys(review.comment for review in reviews if review.comment)
    return Approval(
        status=Status(reviews[0].state),
        person=_NEXT_NAME.join(names)[:_MAX_NAMES_CHARACTERS],
        comment=_NEXT_COMMENT.join(comments)[:MAX_COMMENT_CHARACTERS],
        said=reviews[0].state,
    )
