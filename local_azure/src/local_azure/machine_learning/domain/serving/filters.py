"""What list calls of the model management plane filter by."""

from __future__ import annotations


def matches_pairs(have: dict[str, str] | None, asked: str | None) -> bool:
    """Whether a dictionary satisfies a filter `key,key=value,...` of a list call."""
    held = have or {}
    for pair in filter(None, (asked or "").split(",")):
        key, separator, value = pair.partition("=")
        if key not in held or (separator and held[key] != value):
            return False
    return True
