"""The variables that lead a program's requests for web addresses to the server, which answers them from local files.

The SDK's native data engine knows no other way to be redirected than the proxy variables in lower case. It takes
`no_proxy=*` for the name of a host, while Python, curl, git and Go take it for "no proxy at all": so the engine alone
can be redirected, and reaches the server itself through the proxy too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
# The proxy that we have set, for a program that starts another `exec`: no proxy of the user's own.
OWN_VARIABLE = "LOCAL_AZURE_WEB_PROXY"
_BYPASS = ("no_proxy", "NO_PROXY")
_LOOPBACK = "127.0.0.1,localhost"


def user_info(token: str) -> str:
    """Return "USER:PASSWORD" of who may read web data. token: of this start of the server, which does not follow."""
    return f"local_azure:{hashlib.sha256(f'web data {token}'.encode()).hexdigest()[:32]}"


def without_own(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that an outer `exec` has set for its server."""
    own = inherited.get(OWN_VARIABLE)
    kept = {name: value for name, value in inherited.items() if name != OWN_VARIABLE}
    for name in [name for name in kept if name.lower() in PROXY_VARIABLES and kept[name] == own]:
        del kept[name]
    for name in [name for name in _BYPASS if own and kept.get(name) == "*"]:
        del kept[name]
    return kept


def web_variables(port: int, credentials: str, inherited: Mapping[str, str], *, with_files: bool) -> dict[str, str]:
    """Return the variables of a program.

    with_files: every program asks the proxy, because a folder with web data was given. Otherwise only the data engine
    does, for a refusal that says what to do; not even that if the user has a proxy, which other programs need.
    """
    inherited = without_own(inherited)
    bypass = ",".join(filter(None, (inherited.get("NO_PROXY", inherited.get("no_proxy", "")), _LOOPBACK)))
    if with_files:
        proxy = f"http://{credentials}@127.0.0.1:{port}"
        names = [*PROXY_VARIABLES[:2], *(name.upper() for name in PROXY_VARIABLES[:2])]
    elif port and not any(value for name, value in inherited.items() if name.lower() in PROXY_VARIABLES):
        proxy, bypass = f"http://127.0.0.1:{port}", "*"
        names = [*PROXY_VARIABLES[:2]]
    else:
        return dict.fromkeys(_BYPASS, bypass)
    return {**dict.fromkeys(names, proxy), **dict.fromkeys(_BYPASS, bypass), OWN_VARIABLE: proxy}
