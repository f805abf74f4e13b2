"""A service that was changed by hand is noticed, whatever tags it has."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from azure_ml.services import Service, ServiceState
from azure_ml.workspace import Workspace
from ml_service.audit.serving import is_only_unhealthy
from ml_service.errors import CheckFailedError, ConflictError
from ml_service.output.console import Terminal
from ml_service.production import ledger, live
from ml_service.production.live import changes, demand_recorded_code, demand_unchanged, is_as_recorded, service_facts
from ml_service.production.site import Serving, Site
from ml_service.settings.build import Build
from tests.unit.ml_service.production.test_order_of_deployments import record

DEPLOYED = "2026-11-30T10:00:00+00:00"


class Document(SimpleNamespace):
    """The SDK's object of a service, with the document that it is made from."""

    @staticmethod
    def _get(_workspace: object, _name: str) -> dict[str, Any]:
        return {"environmentImageRequest": {"assets": [{"url": "aml://artifact/LocalUpload/1/code.tar.gz"}]}}


class Redeployed(Document):
    """The same after other code was uploaded."""

    @staticmethod
    def _get(_workspace: object, _name: str) -> dict[str, Any]:
        return {"environmentImageRequest": {"assets": [{"url": "aml://artifact/LocalUpload/2/code.tar.gz"}]}}


def service(kind: Callable[..., Any] = Document, updated: str = DEPLOYED, deployment: str = "d1") -> Service:
    state = ServiceState("svc", "Healthy", "http://x", ("m:1",), "")
    labels = {"deployment": deployment}
    return Service(kind(workspace=None), "svc", "http://x", state, labels, (), updated)


def site(take_over: str = "") -> Site:
    workspace: Any = Workspace(None, "production", "g")
    terminal = Terminal(out=io.StringIO(), err=io.StringIO())
    settings: Any = None
    return Site(workspace, workspace, settings, Build("b", "c"), terminal, "p", take_over)


def told(number: int, state: str = ledger.SUCCEEDED, **facts: str) -> ledger.Record:
    """Deployment `number`, whose end says so much of the service."""
    ended = record(number, 1, state)
    assert ended.closed is not None
    return replace(ended, closed=ended.closed.model_copy(update={"details": {"state": state, "told": facts}}))


FIRST = told(1, **service_facts(service()))


def test_a_service_that_nobody_has_touched_is_as_recorded() -> None:
    assert changes([FIRST], service()) == []
    demand_unchanged(site(), [FIRST], Serving(service(), FIRST))
    assert is_as_recorded(site(), [FIRST], Serving(service(), FIRST))


@pytest.mark.parametrize(
    ("updated", "deployment", "is_ill"),
    [(DEPLOYED, "d1", True), ("2026-11-30T11:00", "d1", False), (DEPLOYED, "d0", False)],
)
def test_a_service_is_only_unhealthy_where_nothing_of_it_was_changed(
    updated: str, deployment: str, is_ill: bool
) -> None:
    found = service(updated=updated, deployment=deployment)
    ill = replace(found, state=replace(found.state, state="Unhealthy"))
    assert is_only_unhealthy([FIRST], ill) == is_ill
    assert not is_only_unhealthy([FIRST], found)


@pytest.mark.parametrize(
    ("by_hand", "said"),
    [
        (service(updated="2026-11-30T11:00:00+00:00"), "service_updated is 2026-11-30T11:00:00+00:00, the ledger"),
        (service(Redeployed), "service_image_sha256"),
    ],
)
def test_code_that_was_deployed_by_hand_with_the_tags_of_the_last_deployment_is_refused(
    by_hand: Service, said: str
) -> None:
    with pytest.raises(ConflictError, match="was changed by hand since deployment d1") as caught:
        demand_unchanged(site(), [FIRST], Serving(by_hand, FIRST))
    assert said in str(caught.value)
    assert "--take-over --reason TEXT" in str(caught.value)
    demand_unchanged(site(take_over="a hotfix on Friday"), [FIRST], Serving(by_hand, FIRST))


def test_what_is_taken_over_is_never_left_as_it_is() -> None:
    assert not is_as_recorded(site(take_over="a hotfix on Friday"), [FIRST], Serving(service(), FIRST))


def test_a_restored_service_is_compared_with_the_record_of_the_deployment_that_was_undone() -> None:
    restored = service(updated="2026-11-30T12:00:00+00:00")
    undone = told(2, ledger.UNDONE, **service_facts(restored))
    assert changes([undone, FIRST], restored) == []
    assert changes([undone, FIRST], service()) != []


def test_a_deployment_that_was_undone_before_it_changed_the_service_changes_no_facts() -> None:
    assert changes([told(2, ledger.UNDONE), FIRST], service()) == []


@pytest.mark.parametrize("last", [told(2, ledger.ABANDONED), told(2, ledger.FAILED), record(2, 1, "")])
def test_after_a_deployment_that_broke_off_only_an_untouched_service_is_known(last: ledger.Record) -> None:
    known = [last, FIRST]
    assert changes(known, service()) == []
    other = service(updated="2026-11-30T11:00:00+00:00")
    assert changes(known, other) is None, "the deployment may have restored it before it died"
    demand_unchanged(site(), known, Serving(other, FIRST))
    assert not is_as_recorded(site(), known, Serving(other, FIRST)), "so it is deployed again"


def test_of_a_deployment_by_an_earlier_version_nobody_can_tell() -> None:
    earlier = record(2, 1)
    assert changes([earlier], service()) is None
    demand_unchanged(site(), [earlier], Serving(service(), earlier))


def test_what_the_answers_say_of_their_code_is_compared() -> None:
    content = FIRST.content
    sound = {live.SCORING: content.scoring_sha256, live.VERSION: "1"}
    assert demand_recorded_code(service(), content, sound)
    assert not demand_recorded_code(service(), content, {live.VERSION: "9"}), "an earlier script names the copy"
    for other in ({live.SCORING: "7" * 64}, {live.VERSION: "2"}):
        with pytest.raises(CheckFailedError, match="runs other code than was deployed"):
            demand_recorded_code(service(), content, {**sound, **other})
