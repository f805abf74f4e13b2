"""Prints COVERAGE.md, made from the route table: python -m local_azure.machine_learning.planes.coverage"""

from __future__ import annotations

import sys
from collections import Counter

from local_azure.machine_learning.http.routing import Evidence, Route
from local_azure.machine_learning.planes.table import PLANES, ROUTES

HEADER = """# What local_azure implements

Made from the route table; a test fails when it is stale. Everything else is refused at once
(400, code `NotImplemented`, not retried by the SDK). No Azure service was at hand: "driven" means that the unmodified
SDK accepts our answer in a test, not that the service answers the same in every detail. Where an answer of the
service has been recorded, [fidelity](../docs/fidelity.md) states every difference.

| word | meaning |
|---|---|
| recorded | a test compares keys, kinds of values and headers of our answer with one that the service gave |
| driven | the real Azure ML SDK v1 reaches the route in the tests; they fail where it does not |
| sdk-source | written from the SDK's source, not driven by a test |
| assumed | our guess at what the service does |

`W` stands for `/subscriptions/../resourceGroups/../providers/Microsoft.MachineLearningServices/workspaces/..`.
"""
EVIDENCE: tuple[Evidence, ...] = ("driven", "sdk-source", "assumed")


def _words(route: Route) -> str:
    return f"recorded, {route.evidence}" if route.recorded else route.evidence


def document() -> str:
    """The whole of COVERAGE.md."""
    evidence = Counter(route.evidence for route in ROUTES)
    counts = ", ".join(f"{evidence[word]} {word}" for word in EVIDENCE)
    counts += f"; {sum(route.recorded for route in ROUTES)} of them recorded"
    parts = [HEADER, f"{len(ROUTES)} routes: {counts}.\n"]
    for plane in PLANES:
        parts.append(f"## {plane.name}\n\n| method | path | evidence |\n|---|---|---|")
        for route in sorted(plane.routes, key=lambda route: (route.path, route.method)):
            parts.append(f"| {route.method} | `{route.path.replace('{W}', '/W')}` | {_words(route)} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
