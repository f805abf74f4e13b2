"""Prints COVERAGE.md, made from the route table: python -m local_azure.machine_learning.coverage"""

from __future__ import annotations

import sys

from local_azure.machine_learning.planes import PLANES
from local_azure.machine_learning.routing import Evidence

HEADER = """# What local_azure implements

Made from the route table by `make coverage`; a test fails when it is stale. Everything else is refused at once
(400, code `NotImplemented`, not retried by the SDK). No Azure service was at hand: "driven" means that the unmodified
SDK is content with our answer in a test of ours, not that the service answers the same in every detail.

| word | meaning |
|---|---|
| driven | a test drives the route with the real Azure ML SDK v1 |
| sdk-source | written from the SDK's source, not driven by a test |
| assumed | our guess at what the service does |

`W` stands for `/subscriptions/../resourceGroups/../providers/Microsoft.MachineLearningServices/workspaces/..`.
"""
EVIDENCE: tuple[Evidence, ...] = ("driven", "sdk-source", "assumed")


def document() -> str:
    """The whole of COVERAGE.md."""
    routes = [route for plane in PLANES for route in plane.routes]
    counts = ", ".join(f"{sum(route.evidence == word for route in routes)} {word}" for word in EVIDENCE)
    parts = [HEADER, f"{len(routes)} routes: {counts}.\n"]
    for plane in PLANES:
        parts.append(f"## {plane.name}\n\n| method | path | evidence |\n|---|---|---|")
        parts.extend(
            f"| {route.method} | `{route.path.replace('{W}', '/W')}` | {route.evidence} |"
            for route in sorted(plane.routes, key=lambda route: (route.path, route.method))
        )
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
