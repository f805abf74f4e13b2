"""The secret with which a step signs in, in the SDK's list of clouds.

The SDK reads that list when it is imported, which the fork server did before there was a step.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import parse_qs, urlsplit

CLOUDS_MODULE = "azureml._vendor.azure_cli_core.cloud"
NOBODY = "/adfs/unknown/"  # what the server tells a client without a secret


def adopt() -> None:
    """Put the secret of ARM_CLOUD_METADATA_URL where the list of clouds that is loaded already has none."""
    module = sys.modules.get(CLOUDS_MODULE)
    secret = parse_qs(urlsplit(os.environ.get("ARM_CLOUD_METADATA_URL", "")).query).get("start")
    if module is None or not secret:
        return
    for cloud in module.KNOWN_CLOUDS:
        endpoints = vars(cloud.endpoints)
        for name, address in endpoints.items():
            if isinstance(address, str):
                endpoints[name] = address.replace(NOBODY, f"/adfs/{secret[0]}/")
