"""What list calls of the model management plane filter and order by."""

from __future__ import annotations

from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Document

CREATED_FIRST = "CreatedAtDesc"
UPDATED_FIRST = "UpdatedAtDesc"
_ORDERS = {
    "createdatasc": ("createdTime", False),
    "createdatdesc": ("createdTime", True),
    "updatedatasc": ("updatedTime", False),
    "updatedatdesc": ("updatedTime", True),
}


def ordered(documents: list[Document], asked: str) -> list[Document]:
    """Return documents in the order that a list call asks for; raises a 400 for one that there is not."""
    if asked.lower() not in _ORDERS:
        raise bad_request(
            f"'{asked[:40]}' is not an order; expected CreatedAt or UpdatedAt with Asc or Desc behind it."
        )
    key, newest_first = _ORDERS[asked.lower()]
    return sorted(documents, key=lambda one: str(one.get(key) or one["createdTime"]), reverse=newest_first)


def matches_pairs(have: dict[str, str] | None, asked: str | None) -> bool:
    """Whether a dictionary satisfies a filter `key,key=value,...` of a list call."""
    held = have or {}
    for pair in filter(None, (asked or "").split(",")):
        key, separator, value = pair.partition("=")
        if key not in held or (separator and held[key] != value):
            return False
    return True
