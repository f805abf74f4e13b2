"""Room that a subscription has left in a region."""

from __future__ import annotations

from collections.abc import Iterator

from ml_service.doctor.finding import Finding, Result, Unknown
from ml_service.documents import Document, number_at, text_at


def enough(check: str, usages: tuple[Document, ...], family: str, needed: int) -> Iterator[Result]:
    """A finding where fewer than the needed cores of a family are left."""
    usage: Document = next((one for one in usages if text_at(one, "name", "value").lower() == family.lower()), {})
    if not usage:
        yield Unknown(check, f"Azure lists no usage of {family}")
        return
    left = number_at(usage, "limit") - number_at(usage, "currentValue")
    if left < needed:
        yield Finding(
            check,
            f"{left} cores of {family} are left",
            f"{needed} cores",
            "ask for more: portal, Quotas, Increase; or choose another region or size, or fewer COMPUTE_MAX_NODES",
        )
