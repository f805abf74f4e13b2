"""What all documents of the pipelines plane have in common: their first keys and their status."""

from __future__ import annotations

from enum import StrEnum

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Document


class EntityStatus(StrEnum):
    """Status of a published pipeline, endpoint or schedule. The client sends the words and reads the digits."""

    ACTIVE = "0"
    DEPRECATED = "1"
    DISABLED = "2"

    @classmethod
    def parse(cls, given: object) -> EntityStatus:
        """Return the status of a word or digit; raises a 400."""
        text = str(given).upper()
        if text in cls.__members__:
            return cls[text]
        try:
            return cls(text)
        except ValueError as error:
            raise bad_request(f"'{given}' is not a status; use Active, Deprecated or Disabled.") from error


def new_entity(key: str | None = None) -> Document:
    """Make the keys that every document of this plane starts with."""
    now = timestamp()
    return {
        "Id": key or new_id(),
        "Etag": "0",
        "CreatedDate": now,
        "LastModifiedDate": now,
        "EntityStatus": EntityStatus.ACTIVE,
    }


def is_active(document: Document) -> bool:
    """Tell whether a published pipeline, endpoint or schedule may start runs."""
    return bool(document["EntityStatus"] == EntityStatus.ACTIVE)


def active(documents: list[Document]) -> list[Document]:
    """Select the active ones of a list."""
    return [document for document in documents if is_active(document)]
