"""A workspace as this package hands it around."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"


class Calls:
    """What must hold before each call to a workspace; nothing, unless `demanding` says so."""

    def __init__(self) -> None:
        self._demand: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Raise what the demand raises. The SDK signs every call with a token, and asks for it through here."""
        if self._demand is not None:
            self._demand()

    @contextmanager
    def demanding(self, demand: Callable[[], None]) -> Iterator[None]:
        """Demand this before each call until the end of the block."""
        self._demand = demand
        try:
            yield
        finally:
            self._demand = None


@dataclass(frozen=True)
class Workspace:
    """A workspace and what we print of it."""

    sdk: Any
    name: str
    resource_group: str
    tags: Mapping[str, str] = field(default_factory=dict)
    """Empty in a step: the token of a run may not ask for them."""
    calls: Calls = field(default_factory=Calls, repr=False, compare=False)

    @property
    def banner(self) -> str:
        """One line that names the workspace with its tags, so that evidence of a rehearsal says so."""
        tags = ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items()))
        return f"{self.name} in {self.resource_group}" + (f" [{tags}]" if tags else "")


def creator_of(document: object) -> str:
    """The identity in the field `created_by` of a run or a model; the services spell its keys in two ways."""
    if not isinstance(document, Mapping):
        return UNKNOWN
    keys = ("user_name", "userName", "user_object_id", "userObjectId")
    return str(next((document[key] for key in keys if document.get(key)), UNKNOWN))
