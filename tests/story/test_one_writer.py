"""One writer: a lease that is held or lost, and entries of which each number is given once."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from azure_ml.storage import leases
from azure_ml.storage.blobs import Blobs, open_blobs
from azure_ml.storage.leases import Lease, LeaseHeldError, LeaseLostError
from azure_ml.workspace import Workspace
from ml_service.errors import ConflictError
from ml_service.production.chain import store
from ml_service.production.chain.entry import NONE, Event
from ml_service.production.chain.store import Chain
from tests.preloading import python
from tests.story.conftest import MakeProduct
from tests.story.product import Product, Sdk
from tests.story.production import shop_of

ADA = {"verb": "rollback to previous", "who": "Ada", "build_id": "7", "commit": "c", "since": "2026-11-30T09:00:00"}
WRITERS = 8


def container(workspace: Any) -> Blobs:
    """The blobs of a workspace, opened as the product does."""
    return open_blobs(Workspace(workspace, workspace.name, workspace.resource_group))


def take(blobs: Blobs, name: str, waiting: list[Any] | None = None) -> Lease:
    """Take a lease in Ada's name. waiting: gets who holds it, from everybody who finds it held."""
    return leases.acquire(blobs, name, ADA, [].append if waiting is None else waiting.append)


def until(seconds: float, is_so: Callable[[], object]) -> bool:
    """Look often; False when it has not become so in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def steal(blobs: Blobs, name: str) -> None:
    """End the lease whoever holds it, and take it."""
    from azureml._vendor.azure_storage.blob import BlobLeaseClient

    blob = blobs.sdk.get_blob_client(name)
    BlobLeaseClient(blob).break_lease(0)
    blob.acquire_lease(lease_duration=15)


def lose(workspace: Any) -> tuple[str, bool, list[str]]:
    """What a call to the workspace leads to once the lease is another's, and whether it was made."""
    blobs, name = container(workspace), f"leases/{uuid.uuid4()}.json"
    opened = Workspace(workspace, "w", "g")
    said = []
    with take(blobs, name) as lease, opened.calls.demanding(lease.confirm):
        opened.calls()
        steal(blobs, name)
        noticed = until(10, lambda: lease.lost)
        for call in (opened.calls, lease.confirm):
            try:
                call()
            except LeaseLostError as lost:
                said.append(f"{lost.exit_code} {lost.holder['who']}")
    opened.calls()  # nothing is demanded any more
    state = blobs.sdk.get_blob_client(name).get_blob_properties().lease.state
    return state, noticed, said


def test_a_lease_that_was_lost_stops_every_call(sdk: Sdk) -> None:
    state, noticed, said = sdk(lose)
    assert (noticed, said) == (True, ["4 Ada", "4 Ada"])
    assert state == "leased", "what another process holds is not given back"


def race(workspace: Any) -> list[str]:
    """Who gets a lease and an entry of several that want it at once."""
    blobs, name = container(workspace), f"leases/{uuid.uuid4()}.json"

    waiting: list[Any] = []

    def compete(_: int) -> str:
        try:
            with take(blobs, name, waiting):
                until(15, lambda: len(waiting) == WRITERS - 1)
        except LeaseHeldError as held:
            return f"{held.exit_code} {held.holder.get('who', '')}"
        return "won"

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(compete, range(WRITERS)))


def test_of_many_writers_one_wins_and_the_others_do_not_follow_it(sdk: Sdk) -> None:
    ended = sdk(race)
    assert (ended.count("won"), set(ended) - {"won"}) == (1, {"4 Ada"})


def event(number: int) -> Event:
    return Event(
        event="run.finished",
        subject=f"d{number}",
        who="Ada",
        identity="unknown",
        what="a test",
        when="2026-11-30T09:00:00+00:00",
        build_id="1",
        commit="c",
        before=NONE,
        after="m:1",
        evidence={},
        details={},
    )


def append_at_once(workspace: Any) -> tuple[list[str], Chain, Chain]:
    """Several append to the chain that all of them have read; then what is stored, and the same damaged."""
    blobs, problem = container(workspace), f"p{uuid.uuid4().hex[:8]}"
    chain = store.append(blobs, Chain(problem), Chain(problem).next_entry(event(0)))

    def append(number: int) -> str:
        try:
            store.append(blobs, chain, chain.next_entry(event(number)))
        except ConflictError as error:
            return str(error.exit_code)
        return "stored"

    with ThreadPoolExecutor(WRITERS) as pool:
        ended = list(pool.map(append, range(1, WRITERS + 1)))
    found = store.read(blobs, problem)
    store.append(blobs, chain, found.entries[1])  # our own entry once more: an answer that was lost
    store.append(blobs, found, found.next_entry(event(9)))
    second = blobs.sdk.get_blob_client(store.path(problem, 2))
    second.upload_blob(second.download_blob().readall().replace(b"Ada", b"Eve"), overwrite=True)
    blobs.sdk.get_blob_client(store.path(problem, 4)).upload_blob(b"{}")
    blobs.sdk.get_blob_client(f"ledger/{problem}/note.txt").upload_blob(b"")
    return ended, found, store.read(blobs, problem)


def test_each_number_of_the_ledger_is_given_once_and_damage_is_named(sdk: Sdk) -> None:
    ended, found, damaged = sdk(append_at_once)
    assert (ended.count("stored"), ended.count("4")) == (1, WRITERS - 1)
    assert (len(found.entries), found.faults) == (2, ())
    assert [fault.partition("/p")[2].partition("/")[2] for fault in damaged.faults] == [
        "note.txt: no entry has such a name",
        f"00000003.json: follows an entry with sha256 {found.entries[1].sha256}, but the previous entry has "
        f"{damaged.entries[1].sha256}",
        "00000004.json: not an entry in canonical form",
    ]


def hold(workspace: Any, problem: str) -> None:
    """Hold the lease of a problem in Ada's name, renewed until `let_go`."""
    _held.append(take(container(workspace), f"leases/{problem}.json"))
    _held[-1].__enter__()


def let_go(_: Any) -> None:
    _held.pop().__exit__(None)


_held: list[Lease] = []
"""Of the process beside the tests that runs `hold`."""


@pytest.mark.parametrize("words", ["release --model-version 1", "rollback --to previous --reason worse"])
def test_who_finds_production_in_other_hands_changes_nothing_and_names_them(
    make_product: MakeProduct, sdk: Sdk, tmp_path: Path, words: str
) -> None:
    product, _ = shop_of(make_product("hands"), tmp_path)
    sdk(hold, product.settings["MODEL_NAME"].replace("-", "_"))
    with begun(product, *words.split()) as process:
        assert process.stderr is not None
        seen = next(line for line in process.stderr if line.startswith("production of"))
        sdk(let_go)
        said = process.stderr.read()
        assert process.wait(60) == 4
    assert "is locked by: rollback to previous by Ada, build 7, since 2026-11-30T09:00:00" in seen
    assert "is being changed by another process; nothing was changed here" in said
    assert "rollback to previous by Ada, build 7, since 2026-11-30T09:00:00" in said


def begun(product: Product, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python(product.environment), "-m", "ml_service", *words],
        cwd=product.tree,
        env={**product.environment, **product.settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def without_key(workspace: Any) -> str:
    """What the product says of a datastore that no shared key opens."""
    from types import SimpleNamespace

    from azure_ml.errors import AzureMlError

    store = SimpleNamespace(name="blobs", sas_token=None, account_key=None)
    forbidding = SimpleNamespace(get_default_datastore=lambda: store)
    try:
        open_blobs(Workspace(forbidding, workspace.name, "g"))
    except AzureMlError as error:
        return str(error)
    return ""


def test_storage_that_forbids_shared_keys_is_told_what_is_needed(sdk: Sdk) -> None:
    said = sdk(without_key)
    assert "the default datastore blobs of workspace local-development has no credential" in said
    assert "an account key, or a shared access signature to read, create, write, delete and list" in said


def test_entries_are_readable_json_with_sorted_keys() -> None:
    entry = Chain("p").next_entry(event(1))
    document = json.loads(entry.content)
    assert list(document) == sorted(document)
    assert (document["from"], document["to"], document["previous_sha256"]) == ("none", "m:1", "none")
