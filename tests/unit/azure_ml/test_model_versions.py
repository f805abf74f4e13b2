"""A model version has one name, the number of the training workspace, wherever it is registered."""

from __future__ import annotations

from types import SimpleNamespace

from azure_ml.models.versions import ModelVersion, version_of


def registered(version: int, **properties: str) -> ModelVersion:
    """A version as the SDK returns it."""
    return version_of(
        SimpleNamespace(
            name="paid-amount",
            version=version,
            tags={},
            properties=properties,
            description=None,
            created_time="",
            created_by=None,
        )
    )


def test_a_copy_is_named_by_the_number_of_its_origin() -> None:
    copy = registered(6, origin_workspace="training", origin_version="7")
    assert (copy.label, copy.number, copy.version) == ("paid-amount:7", "7", 6)


def test_what_is_no_copy_has_its_own_number() -> None:
    assert (registered(6).label, registered(6).number) == ("paid-amount:6", "6")
