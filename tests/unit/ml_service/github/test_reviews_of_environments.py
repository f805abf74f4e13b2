"""Who has approved an environment of a run on GitHub, from answers of the form that its documentation shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ml_service.audit.completeness import of_builds
from ml_service.audit.completeness.population import Population
from ml_service.audit.completeness.reading_reviews import read_reviewed
from ml_service.audit.events import kinds
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.cli.session import Session
from ml_service.errors import InvalidRequestError
from ml_service.github.approvals import open_repository, read_approval
from ml_service.output.console import Terminal
from ml_service.production.candidates import events as candidates
from ml_service.production.candidates.candidate import Move, State
from ml_service.production.candidates.events import Subject
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Event
from ml_service.production.chain.store import Chain
from ml_service.settings.variables import Settings
from tests.unit.ml_service.loopback import Listener, listening

MakeSettings = Callable[[dict[str, str]], Settings]
TOKEN = "ghs-of-a-job"
RUN = "/repos/house/forecasts/actions/runs/7"


def review(state: str, who: str, comment: str, environment: str = "production") -> dict[str, Any]:
    """A review, with the keys that GitHub's documentation shows."""
    url = "https://api.github.com/repos/house/forecasts"
    return {
        "state": state,
        "comment": comment,
        "environments": [
            {
                "id": 161088068,
                "node_id": "MDExOkVudmlyb25tZW50MTYxMDg4MDY4",
                "name": environment,
                "url": f"{url}/environments/{environment}",
                "html_url": f"https://github.com/house/forecasts/deployments/activity_log?environments_filter={environment}",
                "created_at": "2020-11-23T22:00:40Z",
                "updated_at": "2020-11-23T22:00:40Z",
            }
        ],
        "user": {"login": who, "id": 1, "type": "User", "site_admin": False},
    }


class GitHub(Listener):
    """The REST API of GitHub."""

    @property
    def variables(self) -> dict[str, str]:
        """Those of a job."""
        address = f"http://127.0.0.1:{self.server_port}"
        return {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": address, "GITHUB_REPOSITORY": "house/forecasts"}


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A listener on loopback."""
    with listening(GitHub()) as server:
        yield server


Asked = Callable[[], tuple[Approval | None, str]]


@pytest.fixture
def asked(github: GitHub, make_settings: MakeSettings) -> Asked:
    """The answer for run 7, as a verb in a job of GitHub reads it, and what was said."""
    out = io.StringIO()
    call = Session(Terminal(out=out, err=out))
    call.settings = make_settings(github.variables)
    return lambda: (call.ask("7", "production"), out.getvalue())


def test_an_approval_is_read_with_person_and_comment(github: GitHub, asked: Asked) -> None:
    other = review("rejected", "eve", "no", "test")
    github.answers = {f"{RUN}/approvals": [review("approved", "grace", "looks right"), other]}
    assert asked() == (Approval(Status.APPROVED, "grace", "looks right", said="approved"), "")
    assert asked()[0], "asked once"
    ((path, headers),) = github.asked
    assert (path, headers["Authorization"]) == (f"{RUN}/approvals", f"Bearer {TOKEN}")
    assert headers["Accept"] == "application/vnd.github+json"


@pytest.mark.parametrize(
    ("reviews", "expected"),
    [
        (
            [review("rejected", "grace", "not today")],
            Approval(Status.REJECTED, "grace", "not today", said="rejected"),
        ),
        (
            [review("approved", "ada", ""), review("approved", "grace", "go"), review("approved", "ada", "go")],
            Approval(Status.APPROVED, "ada, grace", "go", said="approved"),
        ),
        ([review("approved", "ada", ""), review("rejected", "grace", "")], None),
        ([review("pending", "ada", "")], None),
    ],
)
def test_reviews_of_one_environment_give_one_answer_or_none(
    github: GitHub, asked: Asked, reviews: list[dict[str, Any]], expected: Approval | None
) -> None:
    github.answers = {f"{RUN}/approvals": reviews}
    assert asked() == (expected, "")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"status": "waiting", "conclusion": None}, Approval(Status.PENDING, said="waiting")),
        ({"status": "completed", "conclusion": "cancelled"}, Approval(Status.ENDED, said="cancelled")),
    ],
)
def test_without_a_review_the_run_tells_whether_there_can_be_one(
    github: GitHub, asked: Asked, run: dict[str, Any], expected: Approval
) -> None:
    github.answers = {f"{RUN}/approvals": [], RUN: run}
    assert asked() == (expected, "")


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (None, 404, "permissions: actions: read"),
        ([], 403, "permissions: actions: read"),
        (b"<html>", 200, "is not JSON"),
        ({"message": "no list"}, 200, "something else of run 7 than its documentation says"),
        ([{"state": 3}], 200, "something else of run 7 than its documentation says"),
    ],
)
def test_what_cannot_be_read_is_said_and_unknown(
    github: GitHub, asked: Asked, answer: Any, status: int, said: str
) -> None:
    github.answers, github.status = {f"{RUN}/approvals": answer} if answer is not None else {}, status
    approval, told = asked()
    assert approval is None
    assert "the approval of run 7 cannot be read" in told
    assert said in told
    assert TOKEN not in told


def test_the_token_goes_to_no_other_machine_without_tls(make_settings: MakeSettings) -> None:
    variables = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "house/forecasts"}
    with pytest.raises(InvalidRequestError, match="GITHUB_API_URL is not an address"):
        open_repository(make_settings({**variables, "GITHUB_API_URL": "http://example.com"}))
    for missing in ({"GITHUB_TOKEN": ""}, {"GITHUB_REPOSITORY": "../house"}, {"GITHUB_API_URL": ""}):
        told = {**variables, "GITHUB_API_URL": "https://api.github.com", **missing}
        assert open_repository(make_settings(told)) is None


ACTOR: Actor = {"who": "Ada", "identity": "i", "when": "2026-01-01T00:00:00+00:00", "build_id": "7", "commit": "c"}


def rejected(person: str, comment: str) -> Event:
    """The entry of a rejected candidate, as `run` writes it on GitHub, which tells no time."""
    move = Move(State.REJECTED, "2026-01-01T00:00:00+00:00", person, comment, "7")
    return candidates.moved(Subject("m", 1, "a" * 64, "r1"), move, ACTOR)


def answered(status: Status, person: str, comment: str) -> Event:
    """The entry of an answered approval."""
    return kinds.approval_answered("7", "production", Approval(status, person, comment), ACTOR)


def differences(github: GitHub, settings: Settings, *events: Event) -> tuple[list[str], list[str]]:
    """What `audit verify` finds about these entries, and what it could not read."""
    chain, unread, repository = Chain("p"), list[str](), open_repository(settings)
    assert repository is not None
    for event in events:
        chain = chain.followed_by(event)
    builds = read_reviewed(repository, chain.entries, unread)
    facts = ("dev", "prod", "s", "2026-01-02T00:00:00+00:00")
    found = of_builds.findings(Population("p", "m", "data", *facts, chain, builds=builds))
    return [finding.line for finding in found], unread


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (rejected("grace", "not today"), ""),
        (rejected("mallory", "not today"), "expected rejected by mallory, 2026-01-01T00:00:00+00:00: not today"),
        (
            rejected("grace", "never"),
            "(found rejected by grace: not today and approved by ada: go and approved by eve",
        ),
        (answered(Status.REJECTED, "grace", "not today"), ""),
        (answered(Status.APPROVED, "ada", "go"), ""),
        (answered(Status.APPROVED, "ada, eve", "go"), ""),
        (answered(Status.APPROVED, "grace", "go"), "expected approved by grace: go)"),
        (answered(Status.APPROVED, "ada", "no"), "expected approved by ada: no)"),
    ],
)
def test_recorded_answers_are_asked_for_again(
    github: GitHub, make_settings: MakeSettings, event: Event, told: str
) -> None:
    """An approval of another problem in the same run, by somebody else, came later."""
    reviews = [
        review("rejected", "grace", "not today"),
        review("approved", "ada", "go"),
        review("approved", "eve", ""),
    ]
    github.answers = {f"{RUN}/approvals": [*reviews, review("approved", "mallory", "x", "test")]}
    found, unread = differences(github, make_settings(github.variables), event)
    assert unread == []
    if not told:
        assert found == []
    else:
        (line,) = found
        assert line.startswith("approval-differs: entry 1 about run 7 (found ") and told in line


def test_an_answer_without_a_person_needs_a_review_too(github: GitHub, make_settings: MakeSettings) -> None:
    github.answers = {f"{RUN}/approvals": []}
    (line,), _ = differences(github, make_settings(github.variables), answered(Status.REJECTED, "", ""))
    assert "found no review; expected rejected by nobody" in line


def test_names_and_comments_that_were_cut_are_known_again(github: GitHub, make_settings: MakeSettings) -> None:
    names, comment = [f"a-long-name-of-a-person-{number}" for number in range(20)], "no " * 1000
    github.answers = {f"{RUN}/approvals": [review("rejected", name, comment) for name in names]}
    settings = make_settings(github.variables)
    repository = open_repository(settings)
    assert repository is not None
    told = read_approval(repository, "7", "production")
    assert told is not None and len(told.person) == 200
    assert differences(github, settings, answered(told.status, told.person, told.comment)) == ([], [])


def test_reviews_that_cannot_be_read_are_said_and_no_finding(github: GitHub, make_settings: MakeSettings) -> None:
    found, (unread,) = differences(github, make_settings(github.variables), rejected("grace", "no"))
    assert found == []
    assert unread.startswith("the reviews of run 7: GitHub refused GET http") and TOKEN not in unread
