"""Leases and conditional writes through the SDK's own client of the blob service, races of many clients included."""

from __future__ import annotations

import datetime as dt
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

CLIENTS = 12


@pytest.fixture
def blob(ws: Any, unique: Callable[[str], str]) -> Any:
    """The SDK's BlobClient of a name of this test's own; nothing is there yet."""
    store = ws.get_default_datastore()
    return store.blob_service.get_blob_client(store.container_name, unique("leased"))


def refusal(error: Any) -> str:
    """Status and code; the client knows some codes by an enumeration and others as texts."""
    return f"{error.status_code} {getattr(error.error_code, 'value', error.error_code)}"


def code_of(action: Callable[[], object]) -> str:
    """Status and error code of what the service refuses."""
    from azureml._vendor.azure_storage.blob._shared.response_handlers import HttpResponseError

    with pytest.raises(HttpResponseError) as refused:
        action()
    return refusal(refused.value)


def test_a_blob_is_created_once(blob: Any) -> None:
    blob.upload_blob(b"first", overwrite=False)
    assert code_of(lambda: blob.upload_blob(b"second", overwrite=False)) == "409 BlobAlreadyExists"
    assert blob.download_blob().readall() == b"first"


def test_only_the_known_version_is_replaced(blob: Any) -> None:
    from azure.core import MatchConditions

    same = MatchConditions.IfNotModified
    before = blob.upload_blob(b"1")["etag"]
    after = blob.upload_blob(b"2", overwrite=True, etag=before, match_condition=same)["etag"]
    assert re.fullmatch(r'"0x[0-9A-F]{15}"', after)
    late = code_of(lambda: blob.upload_blob(b"3", overwrite=True, etag=before, match_condition=same))
    assert late == "412 ConditionNotMet"
    assert code_of(lambda: blob.delete_blob(etag=before, match_condition=same)) == "412 ConditionNotMet"
    assert code_of(lambda: blob.download_blob(etag=before, match_condition=same)) == "412 ConditionNotMet"
    assert blob.download_blob(etag=after, match_condition=same).readall() == b"2"
    unread = code_of(lambda: blob.get_blob_properties(etag=after, match_condition=MatchConditions.IfModified))
    assert unread == "304 ConditionNotMet"
    blob.delete_blob(etag=after, match_condition=same)
    gone = code_of(lambda: blob.upload_blob(b"4", overwrite=True, etag=after, match_condition=same))
    assert gone == "412 ConditionNotMet"


def test_metadata_and_content_type_make_another_version_and_tags_and_leases_do_not(blob: Any) -> None:
    from azure.core import MatchConditions

    first = blob.upload_blob(b"1")["etag"]
    second = blob.set_blob_metadata({"a": "1"}, etag=first, match_condition=MatchConditions.IfNotModified)["etag"]
    assert second != first
    blob.set_blob_tags({"a": "1"})
    blob.acquire_lease().release()
    assert blob.get_blob_properties().etag == second


def test_times_are_conditions_too(blob: Any) -> None:
    blob.upload_blob(b"1")
    hour = dt.timedelta(hours=1)
    now = dt.datetime.now(dt.UTC)
    blob.set_blob_metadata({"a": "1"}, if_modified_since=now - hour, if_unmodified_since=now + hour)
    for condition in ({"if_modified_since": now + hour}, {"if_unmodified_since": now - hour}):
        assert code_of(lambda given=condition: blob.delete_blob(**given)) == "412 ConditionNotMet"  # type: ignore[misc]
    assert code_of(lambda: blob.get_blob_properties(if_modified_since=now + hour)) == "304 ConditionNotMet"


def test_a_leased_blob_is_changed_by_the_holder_alone(blob: Any) -> None:
    blob.upload_blob(b"1")
    lease = blob.acquire_lease(lease_duration=15)
    changes: dict[str, Callable[..., object]] = {
        "upload": lambda **more: blob.upload_blob(b"2", overwrite=True, **more),
        "metadata": lambda **more: blob.set_blob_metadata({"a": "1"}, **more),
        "tags": lambda **more: blob.set_blob_tags({"a": "1"}, **more),
        "block": lambda **more: blob.stage_block("YQ==", b"x", **more),
        "blocks": lambda **more: blob.commit_block_list([], **more),
        "delete": blob.delete_blob,
    }
    for name, change in changes.items():
        assert code_of(change) == "412 LeaseIdMissing", name
        other = code_of(lambda change=change: change(lease=str(uuid.uuid4())))  # type: ignore[misc]
        assert other == "412 LeaseIdMismatchWithBlobOperation", name
        change(lease=lease)
    assert not blob.exists()
    blob.upload_blob(b"again", overwrite=False)  # the lease ended with its blob


def test_reading_needs_no_lease_but_a_lease_that_is_named_must_be_there(blob: Any) -> None:
    blob.upload_blob(b"1")
    stranger = str(uuid.uuid4())
    assert code_of(lambda: blob.get_blob_properties(lease=stranger)) == "412 LeaseNotPresentWithBlobOperation"
    lease = blob.acquire_lease()
    assert blob.download_blob().readall() == b"1"
    assert code_of(lambda: blob.download_blob(lease=stranger)) == "412 LeaseIdMismatchWithBlobOperation"
    assert blob.download_blob(lease=lease).readall() == b"1"


def test_properties_and_listings_show_the_lease(ws: Any, blob: Any) -> None:
    container = ws.get_default_datastore().blob_service.get_container_client(blob.container_name)

    def seen() -> tuple[str, str, str | None]:
        listed = next(iter(container.list_blobs(name_starts_with=blob.blob_name))).lease
        own = blob.get_blob_properties().lease
        assert (own.state, own.status, own.duration) == (listed.state, listed.status, listed.duration)
        return own.state, own.status, own.duration

    blob.upload_blob(b"1")
    assert seen() == ("available", "unlocked", None)
    lease = blob.acquire_lease()
    assert seen() == ("leased", "locked", "infinite")
    lease.release()
    blob.acquire_lease(lease_duration=60)
    assert seen() == ("leased", "locked", "fixed")
    from azureml._vendor.azure_storage.blob import BlobLeaseClient

    assert BlobLeaseClient(blob).break_lease(lease_break_period=30) == 30
    assert seen() == ("breaking", "locked", None)
    assert BlobLeaseClient(blob).break_lease(lease_break_period=0) == 0
    assert seen() == ("broken", "unlocked", None)


def test_the_life_of_a_lease(blob: Any) -> None:
    from azureml._vendor.azure_storage.blob import BlobLeaseClient

    assert code_of(blob.acquire_lease) == "404 BlobNotFound"
    blob.upload_blob(b"1")
    mine, theirs = str(uuid.uuid4()), str(uuid.uuid4())
    lease = blob.acquire_lease(lease_duration=15, lease_id=mine)
    assert lease.id == mine
    assert code_of(lambda: blob.acquire_lease(lease_id=theirs)) == "409 LeaseAlreadyPresent"
    lease.renew()
    lease.change(theirs)
    assert lease.id == theirs
    assert code_of(BlobLeaseClient(blob, mine).renew) == "409 LeaseIdMismatchWithLeaseOperation"
    lease.break_lease()
    assert code_of(lease.renew) == "409 LeaseIsBrokenAndCannotBeRenewed"
    assert code_of(lambda: lease.change(mine)) == "409 LeaseIsBreakingAndCannotBeChanged"
    lease.release()
    assert blob.get_blob_properties().lease.state == "available"


def test_a_lease_that_nobody_renews_ends(blob: Any) -> None:
    blob.upload_blob(b"1")
    lease = blob.acquire_lease(lease_duration=15)
    begun = time.monotonic()
    while blob.get_blob_properties().lease.state == "leased":
        assert time.monotonic() - begun < 20
        time.sleep(0.2)
    assert time.monotonic() - begun > 14
    assert blob.get_blob_properties().lease.state == "expired"
    assert code_of(lambda: blob.set_blob_metadata({"a": "1"}, lease=lease)) == "412 LeaseLost"
    blob.set_blob_metadata({"a": "2"})
    assert code_of(lease.renew) == "409 LeaseIdMismatchWithLeaseOperation"  # the write ended it for good


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ms-lease-action": "hold"},
        {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "14"},
        {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "61"},
        {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "ever"},
        {"x-ms-lease-action": "acquire", "x-ms-proposed-lease-id": "mine"},
        {"x-ms-lease-action": "renew"},
        {"x-ms-lease-action": "change", "x-ms-lease-id": str(uuid.uuid4())},
        {"x-ms-lease-action": "break", "x-ms-lease-break-period": "61"},
        {"x-ms-lease-action": "break", "x-ms-lease-break-period": "-1"},
        {"x-ms-lease-action": "acquire", "If-Modified-Since": "yesterday"},
    ],
)
def test_headers_that_cannot_be_read_are_named(blob: Any, headers: dict[str, str]) -> None:
    blob.upload_blob(b"1")
    answer = _raw(blob, "PUT", "comp=lease", headers)
    assert answer.status_code == 400
    assert answer.headers["x-ms-error-code"] in ("InvalidHeaderValue", "MissingRequiredHeader")
    assert "header" in answer.text


def test_leases_of_containers_and_conditions_on_tags_are_not_implemented(blob: Any) -> None:
    blob.upload_blob(b"1")
    assert _raw(blob, "PUT", "", {"x-ms-if-tags": "a = 'b'"}).headers["x-ms-error-code"] == "NotImplemented"
    address = blob.url.replace(f"/{blob.blob_name}", "") + "&restype=container&comp=lease"
    refused = requests.put(address, headers={"x-ms-lease-action": "acquire"}, timeout=30)
    assert refused.headers["x-ms-error-code"] == "NotImplemented"


def _raw(blob: Any, method: str, query: str, headers: dict[str, str]) -> requests.Response:
    return requests.request(method, f"{blob.url}&{query}", data=b"", headers=headers, timeout=30)


def _together(actions: list[Callable[[], object]]) -> list[object]:
    """What each action led to, begun at one time: its result, or the error code with which it was refused."""
    from azureml._vendor.azure_storage.blob._shared.response_handlers import HttpResponseError

    def outcome(action: Callable[[], object]) -> object:
        try:
            return action()
        except HttpResponseError as error:
            return refusal(error)

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(outcome, actions))


def test_of_many_that_create_or_acquire_one_wins(blob: Any) -> None:
    made = _together([lambda n=n: blob.upload_blob(f"{n}".encode() * 100_000) for n in range(CLIENTS)])  # type: ignore[misc]
    assert made.count("409 BlobAlreadyExists") == CLIENTS - 1
    held = _together([blob.acquire_lease] * CLIENTS)
    assert held.count("409 LeaseAlreadyPresent") == CLIENTS - 1


def test_no_update_of_a_counter_is_lost(blob: Any) -> None:
    from azure.core import MatchConditions
    from azureml._vendor.azure_storage.blob._shared.response_handlers import HttpResponseError

    blob.upload_blob(b"000")
    refused: list[str] = []

    def increment() -> None:
        while True:
            seen = blob.download_blob()
            raised = b"%03d" % (int(seen.readall()) + 1)
            try:
                blob.upload_blob(
                    raised,
                    overwrite=True,
                    etag=seen.properties.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except HttpResponseError as error:
                refused.append(refusal(error))
            else:
                return

    _together([increment] * CLIENTS)
    assert blob.download_blob().readall() == b"%03d" % CLIENTS
    assert set(refused) <= {"412 ConditionNotMet"}


def test_the_server_echoes_the_version_of_the_protocol(server: ServerInfo, blob: Any) -> None:
    blob.upload_blob(b"1")
    answer = _raw(blob, "HEAD", "", {"x-ms-version": "2019-12-12"})
    assert answer.headers["x-ms-version"] == "2019-12-12"
