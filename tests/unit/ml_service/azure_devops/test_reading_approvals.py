"""What Azure DevOps says of an approval, from forms of its answers; and what is never sent, read or shown."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ml_service.azure_devops import client
from ml_service.azure_devops.approvals import Approval, Status, read_rejections
from ml_service.azure_devops.client import AzureDevOpsError, open_project
from ml_service.cli.session import Session
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from tests.unit.ml_service.loopback import Listener, listening

MakeSettings = Callable[[dict[str, str]], Settings]
TOKEN = "job-token-of-a-build"
STAGE = "Production_p"


class Organization(Listener):
    """The REST API of an organization of Azure DevOps."""

    def answer(self, path: str, query: Mapping[str, list[str]]) -> Any:
        """What it holds; of approvals those that are asked for."""
        found = super().answer(path.removeprefix("/org/the%20house/_apis/"), query)
        if not isinstance(found, list):
            return found
        wanted = query["approvalIds"][0].split(",")
        return {"count": 1, "value": [one for one in found if one["id"] in wanted]}

    def holds(self, build: str = "completed", **statuses: str) -> None:
        """A build 7 whose stage has these approvals; of another stage one that was rejected."""
        records = [{"id": "s", "type": "Stage", "identifier": STAGE}, {"id": "o", "type": "Stage", "identifier": "O"}]
        approvals = []
        for name, status in {**statuses, "other": "rejected"}.items():
            records.append({"id": f"c{name}", "type": "Checkpoint", "parentId": "o" if name == "other" else "s"})
            records.append({"id": name, "type": "Checkpoint.Approval", "parentId": f"c{name}"})
            step = {
                "status": status,
                "comment": f"because of {name}",
                "lastModifiedOn": "2026-11-19T09:14:49.5793622+01:00",
                "actualApprover": {"displayName": "Grace", "id": "x"},
            }
            approvals.append({"id": name, "status": status, "steps": [step], "createdOn": "2026-11-19T08:00:00Z"})
        self.answers = {
            "build/builds/7": {"id": 7, "status": build, "more": 1},
            "build/builds/7/timeline": {"records": records},
            "pipelines/approvals": approvals,
        }

    def run_again(self, **statuses: str) -> None:
        """The stage runs once more: what it has held becomes an earlier attempt, with a timeline of its own."""
        before, timeline = self.answers, self.answers["build/builds/7/timeline"]
        number = sum(name.startswith("build/builds/7/timeline/") for name in before) + 1
        attempts = [
            *timeline["records"][0].get("previousAttempts", ()),
            {"attempt": number, "timelineId": f"t{number}"},
        ]
        self.holds("inProgress", **statuses)
        self.answers["build/builds/7/timeline"]["records"][0]["previousAttempts"] = attempts
        self.answers["pipelines/approvals"] += before["pipelines/approvals"]
        self.answers = {**before, f"build/builds/7/timeline/t{number}": timeline, **self.answers}


@pytest.fixture
def organization() -> Iterator[Organization]:
    """A listener on loopback."""
    with listening(Organization()) as server:
        yield server


def variables(address: str) -> dict[str, str]:
    return {"SYSTEM_ACCESSTOKEN": TOKEN, "SYSTEM_COLLECTIONURI": address, "SYSTEM_TEAMPROJECT": "the house"}


def in_job(settings: Settings) -> tuple[Session, io.StringIO]:
    """A verb in a job with these settings, and what it says."""
    out = io.StringIO()
    call = Session(Terminal(out=out, err=out))
    call.settings = settings
    return call, out


Asked = Callable[[], tuple[Approval | None, str]]


@pytest.fixture
def asked(organization: Organization, make_settings: MakeSettings) -> Asked:
    """The answer for build 7, and what was said."""
    address = f"http://127.0.0.1:{organization.server_port}/org/"
    call, out = in_job(make_settings(variables(address)))
    return lambda: (call.ask("7", STAGE), out.getvalue())


def test_a_rejection_is_read_with_person_comment_and_time(organization: Organization, asked: Asked) -> None:
    organization.holds(one="rejected")
    approval, said = asked()
    assert approval == Approval(
        Status.REJECTED, "Grace", "because of one", "2026-11-19T08:14:49+00:00", "one", "rejected"
    )
    assert said == ""
    assert {headers["Authorization"] for _, headers in organization.asked} == {f"Bearer {TOKEN}"}
    assert all(
        "api-version=7.1" in path and path.startswith("/org/the%20house/_apis/") for path, _ in organization.asked
    )
    before = len(organization.asked)
    assert asked()[0] == approval
    assert len(organization.asked) == before, "asked once a process"


@pytest.mark.parametrize(
    ("build", "statuses", "told"),
    [
        ("inProgress", {"one": "pending"}, (Status.PENDING, "pending")),
        ("inProgress", {"one": "approved", "two": "pending"}, (Status.PENDING, "pending")),
        ("inProgress", {"one": "approved", "two": "approved"}, (Status.APPROVED, "approved")),
        ("completed", {"one": "approved", "two": "rejected"}, (Status.REJECTED, "rejected")),
        ("completed", {"one": "pending"}, (Status.ENDED, "canceled")),
        ("completed", {"one": "timedOut"}, (Status.ENDED, "timedOut")),
        ("completed", {}, (Status.ENDED, "not asked for")),
        ("inProgress", {}, (Status.PENDING, "pending")),
    ],
)
def test_several_approvals_are_one_answer(
    organization: Organization, asked: Asked, build: str, statuses: dict[str, str], told: tuple[Status, str]
) -> None:
    organization.holds(build, **statuses)
    approval, _ = asked()
    assert approval is not None
    assert (approval.status, approval.said) == told


@pytest.mark.parametrize("now", ["pending", "approved"])
def test_a_rejection_of_an_earlier_attempt_is_read_too(organization: Organization, asked: Asked, now: str) -> None:
    organization.holds(first="rejected")
    organization.run_again(second="timedOut")
    organization.run_again(third=now)
    approval, _ = asked()
    assert approval is not None
    assert approval.said == now
    assert approval.rejected_before is not None
    assert (approval.rejected_before.person, approval.rejected_before.comment) == ("Grace", "because of first")


def test_every_rejection_of_a_stage_is_read_the_newest_first(
    organization: Organization, make_settings: MakeSettings
) -> None:
    organization.holds(first="rejected")
    organization.run_again(second="timedOut")
    organization.run_again(third="rejected", fourth="approved")
    project = open_project(make_settings(variables(f"http://127.0.0.1:{organization.server_port}/org/")))
    assert project is not None
    found = read_rejections(project, "7", lambda stage: stage == STAGE)
    assert [one.approval_id for one in found] == ["third", "first"]
    assert {one.status for one in found} == {Status.REJECTED}


def test_attempts_that_nobody_rejected_tell_nothing(organization: Organization, asked: Asked) -> None:
    organization.holds(first="timedOut")
    organization.run_again(second="approved")
    approval, _ = asked()
    assert approval is not None
    assert approval.rejected_before is None


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 50_000, b"<html>", b'{"records": 7}', b'{"records": [{}]}'])
def test_an_answer_that_is_none_is_said_and_unknown(organization: Organization, asked: Asked, content: bytes) -> None:
    organization.holds(one="rejected")
    organization.answers["build/builds/7/timeline"] = content
    approval, said = asked()
    assert approval is None
    assert "the approval of build 7 cannot be read" in said


@pytest.mark.parametrize("status", [203, 302, 401, 403, 500])
def test_a_refusal_is_unknown_follows_nobody_and_shows_no_token(
    organization: Organization, asked: Asked, status: int
) -> None:
    organization.holds(one="rejected")
    organization.answers["build/builds/7"] = f"no right for {TOKEN}".encode()
    organization.status, organization.headers = status, {"Location": "/elsewhere"}
    approval, said = asked()
    assert (approval, len(organization.asked)) == (None, 1)
    assert f"HTTP {status}" in said
    assert TOKEN not in said


def test_an_answer_has_a_limit(
    organization: Organization, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = open_project(make_settings(variables(f"http://127.0.0.1:{organization.server_port}/org")))
    assert project is not None
    assert TOKEN not in repr(project)
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100)
    organization.answers["at"] = b'{"a": "' + b"x" * 91 + b'"}'
    assert project.get("at")
    organization.answers["above"] = b'{"a": "' + b"x" * 92 + b'"}'
    with pytest.raises(AzureDevOpsError, match="too large or too slow"):
        project.get("above")


@pytest.mark.parametrize("missing", ["SYSTEM_ACCESSTOKEN", "SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT"])
def test_without_a_job_token_nobody_is_asked_and_nothing_is_guessed(
    make_settings: MakeSettings, missing: str
) -> None:
    given = variables("http://127.0.0.1:9/")
    del given[missing]
    call, out = in_job(make_settings(given))
    assert call.ask("7", STAGE) is None
    assert out.getvalue() == ""


def test_a_build_of_a_laptop_is_not_asked_for(organization: Organization, make_settings: MakeSettings) -> None:
    call, _ = in_job(make_settings(variables(f"http://127.0.0.1:{organization.server_port}/org/")))
    for build in ("local-20261130T090000Z", "7/../8", "", "٧"):
        assert call.ask(build, STAGE) is None
    assert organization.asked == []


@pytest.mark.parametrize("address", ["http://dev.azure.com/x/", "ftp://127.0.0.1/", "dev.azure.com/x", "file:///etc"])
def test_the_token_goes_to_no_other_machine_without_tls(make_settings: MakeSettings, address: str) -> None:
    with pytest.raises(InvalidRequestError, match="is not an address that a token may be sent to"):
        open_project(make_settings(variables(address)))


@pytest.mark.parametrize(("busy", "found"), [([429, 503], Status.PENDING), ([503] * 3, None)])
def test_a_read_is_repeated_twice_while_the_service_is_busy(
    organization: Organization, asked: Asked, busy: list[int], found: Status | None
) -> None:
    organization.holds("inProgress", a="pending")
    organization.busy = [*busy]
    approval, _ = asked()
    assert (approval.status if approval else None) == found
    assert organization.busy == []
