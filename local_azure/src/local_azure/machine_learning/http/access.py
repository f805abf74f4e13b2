"""Who may call which route: bearer tokens, and the workspace that they reach."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.domain.access.tokens import Principal, Tokens
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.routing import Route


@dataclass(frozen=True)
class AccessControl:
    """Checks the callers of requests."""

    tokens: Tokens
    workspaces: Workspaces
    denials: Denials

    def principal(self, request: Request, route: Route) -> Principal | None:
        """The caller of a route, None where the route asks for no token; raises a 401."""
        if route.access in ("public", "signature"):
            return None
        principal = self.require_token(request)
        if route.access == "user" and principal.scope == "run":
            raise ApiError(
                401,
                "AuthorizationFailed",
                "A run's token may only read Azure Resource Manager resources of its own workspace.",
            )
        if principal.scope == "user":
            self.denials.demand(request.method, request.url.path)
        return principal

    def require_token(self, request: Request) -> Principal:
        """The caller behind the token of a request; raises a 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        principal = self.tokens.recognize(token) if scheme.lower() == "bearer" else None
        if principal is None:
            raise ApiError(
                401,
                "AuthenticationFailed",
                "A bearer token of this server is required. Run your program with `python -m local_azure exec --`.",
            )
        return principal

    def workspace(self, parts: dict[str, str], principal: Principal | None) -> Workspace | None:
        """The workspace of a path, None where the path has none; raises a 404, and a 401 for a run of another one."""
        if "workspace_name" not in parts:
            return None
        name = parts["workspace_name"]
        workspace = self.workspaces.get(parts["subscription"], parts["resource_group"], name)
        if workspace is None:
            message = f"The workspace '{name}' was not found; `local_azure workspace create` makes one."
            raise ApiError(404, "ResourceNotFound", message)
        if principal and principal.scope == "run" and principal.workspace_id != workspace.id:
            raise ApiError(401, "AuthorizationFailed", "A run's token is valid for its own workspace only.")
        return workspace
