"""What this server was told to refuse, so that messages and remedies can be tried: `--deny RULE`.

The sentences are those of Azure as documentation and public reports quote them, shortened. A rule changes answers
only: nothing that the server keeps is touched, and without the rule everything works again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from local_azure.machine_learning.errors import ApiError

_VALUE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ACI = "Microsoft.ContainerInstance"


@dataclass(frozen=True)
class Rule:
    """What can be refused. value: what stands behind `=`; empty: the rule has no value."""

    help: str
    value: str = ""
    default: str = ""


RULES: Mapping[str, Rule] = {
    "sign-in": Rule("nobody gets a token: the pipeline may not use the service connection"),
    "token-after": Rule(
        "tokens end so many seconds after the rule was given, and no other is issued", "SECONDS", "3600"
    ),
    "workspace": Rule("the identity has no role on this workspace", "NAME", "local-production"),
    "provider": Rule("this resource provider is not registered in the subscription", "NAMESPACE", _ACI),
    "container-groups": Rule("the workspace's identity may not create container groups: no web service comes up"),
    "list-keys": Rule("the identity may not list the keys of web services"),
    "create-compute": Rule("the identity may not create compute"),
    "quota": Rule("no cores are left for clusters and container groups"),
    "shared-keys": Rule("the storage account forbids shared keys: data stores have no credential"),
    "registry-admin": Rule("the admin user of the container registry is switched off"),
}


class UnknownRuleError(ValueError):
    """The text says which rule is not known."""


def parsed(text: str) -> tuple[str, str]:
    """Name and value of a rule as it is typed. Raises: UnknownRuleError."""
    name, equals, value = text.partition("=")
    rule = RULES.get(name)
    if rule is None or (equals and not rule.value) or (equals and not _VALUE.fullmatch(value)):
        known = ", ".join(f"{name}={rule.value}" if rule.value else name for name, rule in RULES.items())
        raise UnknownRuleError(f"'{text}' is not a rule. The rules are: {known}.")
    value = value or rule.default
    if rule.value == "SECONDS" and not value.isdecimal():
        raise UnknownRuleError(f"'{text}': a number of seconds is expected.")
    return name, value


@dataclass(frozen=True)
class Given:
    """The rules as they were given. since: when, in seconds since 1970."""

    rules: Mapping[str, str] = field(default_factory=dict)
    since: float = 0.0

    @property
    def token_end(self) -> int | None:
        """When tokens end, those given out before too, in seconds since 1970; None where no rule says so."""
        seconds = self.rules.get("token-after")
        return None if seconds is None else int(self.since) + int(seconds)


class Denials:
    """Decides what is refused. read: the rules that are in force now."""

    def __init__(self, read: Callable[[], Given]) -> None:
        self._read = read

    def value(self, name: str) -> str | None:
        """The value of a rule, in lower case; None where it is not in force."""
        found = self._read().rules.get(name)
        return None if found is None else found.lower()

    def token_end(self) -> int | None:
        """When tokens end, in seconds since 1970; None where they live as usual. Raises a 401 where they have."""
        given = self._read()
        if "sign-in" in given.rules:
            message = "AADSTS70021: No matching federated identity record found for presented assertion subject."
            raise ApiError(401, "unauthorized_client", message)
        end = given.token_end
        if end is not None and time.time() >= end:
            message = "AADSTS700024: Client assertion is not within its valid time range."
            raise ApiError(401, "invalid_client", message)
        return end

    def demand(self, method: str, path: str) -> None:
        """Raise the refusal of a person's request, where a rule is about it."""
        given = self._read()
        if given.token_end is not None and time.time() >= given.token_end:
            message = "The access token has expired: its sign-in has ended."
            raise ApiError(401, "ExpiredAuthenticationToken", message)
        for name in given.rules:
            pattern, action = _REFUSED.get(name, (None, ""))
            if pattern is not None and pattern.fullmatch(f"{method} {path}"):
                raise _forbidden(action)
        closed = self.value("workspace")
        if closed and f"/workspaces/{closed}/" in f"{path.lower()}/":
            raise _forbidden("Microsoft.MachineLearningServices/workspaces/read")

    def demand_deployment(self) -> None:
        """Raise what keeps a web service from coming up."""
        if self.value("container-groups") is not None:
            raise _forbidden(f"{_ACI}/containerGroups/write", who="The workspace's identity")
        if self.value("provider") == _ACI.lower():
            message = f"The subscription is not registered to use namespace '{_ACI}'."
            raise ApiError(409, "MissingSubscriptionRegistration", message)
        if self.value("quota") is not None:
            message = "The requested resource exceeds the quota of this region: StandardCores, 0 of 1 are left."
            raise ApiError(400, "ContainerGroupQuotaReached", message)
        if self.value("registry-admin") is not None:
            message = "The image cannot be pulled: the admin user of the container registry is disabled."
            raise ApiError(400, "InaccessibleImage", message)


_REFUSED = {
    "list-keys": (
        re.compile(r"^POST .*/services/[^/]+/listkeys", re.IGNORECASE),
        "Microsoft.MachineLearningServices/workspaces/services/aci/listkeys/action",
    ),
    "create-compute": (
        re.compile(r"^PUT .*/computes/[^/]+", re.IGNORECASE),
        "Microsoft.MachineLearningServices/workspaces/computes/write",
    ),
}


def _forbidden(action: str, who: str = "The client 'local-user'") -> ApiError:
    message = f"{who} does not have authorization to perform action '{action}' over its scope."
    # Azure answers 403, which the SDK rewrites into a hint to log in; the code is Azure's.
    return ApiError(403, "AuthorizationFailed", message)
