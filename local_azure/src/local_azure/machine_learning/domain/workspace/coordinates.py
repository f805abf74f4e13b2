"""Where the workspaces of a new server are found; alone, because every command needs it and nothing else of them."""

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
RESOURCE_GROUP = "local-rehearsal"
WORKSPACE_NAME = "local-development"
PRODUCTION_NAME = "local-production"
