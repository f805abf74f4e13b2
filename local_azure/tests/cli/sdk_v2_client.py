"""A program of SDK v2 that believes the variables it was started with: `sdk_v2_client.py`, under `exec`."""

import os
import time
from typing import Any, NamedTuple

from azure.ai.ml import MLClient  # type: ignore[import-untyped,import-not-found,unused-ignore]


class Token(NamedTuple):
    """As azure-identity has it."""

    token: str
    expires_on: int


class Credential:
    """Gives whoever asks a token that must not leave this machine."""

    def get_token(self, *_: str, **__: Any) -> Token:
        """As azure-identity's own."""
        return Token("secret", int(time.time()) + 3600)


names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
client: Any = MLClient(Credential(), *(os.environ[name] for name in names))  # type: ignore[arg-type,unused-ignore]
print("asks", client._base_url, flush=True)  # noqa: T201
client.workspaces.get(os.environ["AZUREML_WORKSPACE_NAME"])
