"""A workspace as this package hands it around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Workspace:
    """A workspace and what we print of it."""

    sdk: Any
    name: str
    resource_group: str
    tags: Mapping[str, str] = field(default_factory=dict)
    """Empty in a step: the token of a run may not ask for them."""

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
