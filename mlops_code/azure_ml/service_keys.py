"""Keep the keys of a web service across a deployment, so that its callers can continue to use them.

Azure gives a redeployed service new keys unless the request contains them (azureml/core/webservice/aci.py,
`deploy_configuration(primary_key=...)`). Keys pass through memory only: no log, record or command line holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT = "kept: callers continue to use their keys"
FIRST = "created with the service: give them to its callers"
CHANGED = "not kept: callers get HTTP 401 until they use the new ones, shown by Azure ML to people who may read keys"


@dataclass(frozen=True)
class HeldKeys:
    """The keys of a service before it is deployed; both None where there are none to keep."""

    primary: str | None = field(repr=False)
    secondary: str | None = field(repr=False)
    unreadable: bool = False
    """Whether there is a service whose keys cannot be read, so that they will change."""

    @property
    def as_settings(self) -> Mapping[str, str | None]:
        """What a deployment is asked for."""
        return {"primary_key": self.primary, "secondary_key": self.secondary}

    @property
    def forecast(self) -> str:
        """What will become of the keys, for people, before anything is deployed."""
        if self.unreadable:
            return "its keys cannot be read, so they will change: callers get HTTP 401 until they use the new ones"
        return "it keeps its keys" if self.primary else "it is new and gets new keys"


def read_keys(service: Any | None) -> HeldKeys:
    """The keys of a service of the SDK; None: there is no service yet."""
    from azureml.exceptions import WebserviceException

    if service is None:
        return HeldKeys(None, None)
    try:
        primary, secondary = service.get_keys()
    except WebserviceException:  # the right to deploy does not include the right to list keys
        return HeldKeys(None, None, unreadable=True)
    return HeldKeys(primary, secondary)


def keep_keys(service: Any, held: HeldKeys) -> str:
    """Give a deployed service the keys from before where the deployment has not; returns what became of them."""
    from azureml.exceptions import WebserviceException

    if held.primary is None:
        return CHANGED if held.unreadable else FIRST
    if read_keys(service) == held:
        return KEPT
    try:
        service.regen_key("Primary", set_key=held.primary)
        service.regen_key("Secondary", set_key=held.secondary)
    except WebserviceException:
        return CHANGED
    return KEPT if read_keys(service) == held else CHANGED
