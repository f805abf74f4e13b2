"""After every move `status --json`, the list of candidates, the approval card and the ledger say the same.

What the ledger says is worked out here from the entries that `audit log` prints, not by the code that is tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.story.product import Product

DERIVED = ("accepted", "unknown", "awaiting approval")
"""States that an approval which nobody can read, or a deployment that has begun, gives beside the last entry."""


@dataclass(frozen=True)
class Agreed:
    """What everybody says."""

    serves: str
    """`name:version`; empty: nothing."""
    deployment: str
    before: str
    """`name:version` that a rollback would restore; empty: nothing."""
    states: Mapping[str, str]
    """Of each candidate."""
    status: Mapping[str, Any]
    candidates: Mapping[str, Mapping[str, Any]]


def agree(product: Product, card: Mapping[str, Any] | None = None, *, approved: bool = False) -> Agreed:
    """Ask all of them and compare. card: of the last move, where it had one; approved: and it was carried out."""
    status = product.run("status", "--json").document
    board = status["board"]
    listed = product.run("candidates", "list", "--json").document["candidates"]
    entries = product.run("audit", "log", "--json").document["entries"]
    _compare_candidates(board, listed, entries)
    deployments = _succeeded(entries)
    serves = board["serves"]
    if deployments:
        _compare_serving(board, deployments[-1])
    else:
        assert serves is None
    if card is not None:
        _compare_card(card, board, deployments, approved=approved)
    return Agreed(
        serves=serves["version"]["model"] if serves else "",
        deployment=serves["deployment"] if serves else "",
        before=board["before"]["model"] if board["before"] else "",
        states={one["model"]: one["state"] for one in listed},
        status=status,
        candidates={one["model"]: one for one in listed},
    )


def _succeeded(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries that opened the deployments which have succeeded, in the order in which they did."""
    opened = {one["subject"]: one for one in entries if one["event"] == "deployment.started"}
    return [opened[one["subject"]] for one in entries if one["event"] == "deployment.succeeded"]


def _compare_serving(board: Mapping[str, Any], last: Mapping[str, Any]) -> None:
    serves, record = board["serves"], last["details"]["record"]
    model = f"{record['model_name']}:{record['model_version']}"
    assert (serves["version"]["model"], serves["deployment"], serves["event"]) == (
        model,
        last["subject"],
        record["event"],
    )
    hashes = ("model_sha256", "scoring_sha256", "environment_sha256")
    assert [serves["version"][name] for name in hashes] == [record[name] for name in hashes]
    assert (serves["since"], serves["reason"]) == (last["when"], record.get("asked_because", ""))
    assert serves["approver"] == record.get("approver", "")
    assert (board["agreement"]["status"], board["champion"], serves["check"]) == ("agrees", model, "as-recorded")


def _compare_candidates(
    board: Mapping[str, Any], listed: list[dict[str, Any]], entries: list[dict[str, Any]]
) -> None:
    parts = ("state", "since", "person", "reason")
    shown = {one["model"]: [one[part] for part in parts] for one in board["candidates"]}
    assert shown == {one["model"]: [one[part] for part in parts] for one in listed[: len(shown)]}
    assert {one["model"]: one["setbacks"] for one in board["candidates"]} == {
        one["model"]: len(one["setbacks"]) for one in listed[: len(shown)]
    }
    served = {one["to"] for one in _succeeded(entries)}
    for one in listed:
        told = [entry for entry in entries if entry["subject"] == one["model"] and "candidate." in entry["event"]]
        last = told[-1]["event"].removeprefix("candidate.").replace("_", " ") if told else ""
        if one["state"] == "released":
            assert one["model"] in served
        elif one["recorded"] and one["state"] not in DERIVED:
            details = told[-1]["details"]
            assert last == one["state"], one["model"]
            assert [details[part] for part in parts[1:]] == [one[part] for part in parts[1:]]
        rejections = [entry["details"] for entry in told if entry["event"] == "candidate.rejected"]
        known = [back for back in one["setbacks"] if (back["kind"], back["model"]) == ("rejected", one["model"])]
        assert [(no["person"], no["reason"]) for no in rejections] == [
            (back["person"], back["reason"]) for back in reversed(known)
        ]


def _compare_card(
    card: Mapping[str, Any], board: Mapping[str, Any], deployments: list[dict[str, Any]], *, approved: bool
) -> None:
    """The card says what served before the move, and what serves when it was carried out."""
    before = deployments[:-1] if approved else deployments
    assert (card["serves_now"] and card["serves_now"]["deployment"]) == (before[-1]["subject"] if before else None)
    if not approved:
        assert (board["serves"] and board["serves"]["deployment"]) == (
            card["serves_now"] and card["serves_now"]["deployment"]
        )
        return
    hashes = ("model", "model_sha256", "scoring_sha256", "environment_sha256")
    assert [card["proposed"][name] for name in hashes] == [board["serves"]["version"][name] for name in hashes]
    record = deployments[-1]["details"]["record"]
    assert card["restores"] == record.get("back_to", "")
    if "asked_because" in record:
        assert card["asked"]["why"] == record["asked_because"]
