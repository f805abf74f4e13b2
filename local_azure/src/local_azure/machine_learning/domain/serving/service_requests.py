"""What a web service may look like: checks of requests, and the documents made from them."""

from __future__ import annotations

import re
import secrets
from enum import StrEnum

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.tokens import CREATED_BY
from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, bad_request, not_implemented
from local_azure.machine_learning.storage.store import Document, Store

_NAME = re.compile(r"[a-z](?:[-a-z0-9]{1,30}[a-z0-9])")  # 3 to 32 characters; the client's own rule
_KEY_TYPES = {"primary": "primaryKey", "secondary": "secondaryKey"}
# Defaults and limits of a container group (Azure Container Instances, resource and quota limits, 2023).
_RESOURCES: Document = {"cpu": 0.1, "cpuLimit": None, "memoryInGB": 0.5, "memoryInGBLimit": None, "gpu": None}
_MOST_CORES, _MOST_GB = 4, 16
MAX_KEY_CHARS = 256
_KEY = re.compile(rf"[!-~]{{1,{MAX_KEY_CHARS}}}")
_SWITCHES = ("authEnabled", "appInsightsEnabled")


class ServiceState(StrEnum):
    """How a service is, as the SDK knows it."""

    TRANSITIONING = "Transitioning"
    HEALTHY = "Healthy"
    FAILED = "Failed"


def new_key() -> str:
    """A service key of our own making."""
    return secrets.token_urlsafe(24)


def key_name(key_type: object) -> str:
    """Field of a key that the client calls Primary or Secondary."""
    name = _KEY_TYPES.get(str(key_type).lower())
    if name is None:
        raise bad_request(f"'{key_type}' is not a key of a service; expected Primary or Secondary.")
    return name


def checked_key(key: str) -> str:
    """A key of the client's own choice, as it can be in a header; raises a 400."""
    if not _KEY.fullmatch(key):
        raise bad_request(
            f"A key of a service is 1 to {MAX_KEY_CHARS} printable ASCII characters without blanks, because clients "
            "send it in a header."
        )
    return key


def checked_request(store: Store, workspace: Workspace, asked: Document) -> Document:
    """A create request that can be carried out; raises a 400 that says what cannot."""
    name = asked.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise bad_request(
            f"'{name}' is not a service name: 3 to 32 lower-case letters, digits and dashes, starting with a letter "
            "and ending with a letter or digit."
        )
    if str(asked.get("computeType")).upper() != "ACI":
        raise not_implemented(f"web services on {asked.get('computeType')} (only ACI)")
    _refuse_unsupported(asked)
    for key in filter(None, (asked.get("keys") or {}).values()):
        checked_key(key)
    resources = {key: value for key, value in (asked.get("containerResourceRequirements") or {}).items() if value}
    if resources.get("cpu", 0) > _MOST_CORES or resources.get("memoryInGB", 0) > _MOST_GB:
        raise bad_request(
            f"A container group has at most {_MOST_CORES} cores and {_MOST_GB} GB of memory; asked for "
            f"{resources.get('cpu')} and {resources.get('memoryInGB')}."
        )
    checked_image(store, workspace, asked.get("environmentImageRequest"))
    return asked


def _refuse_unsupported(asked: Document) -> None:
    if asked.get("sslEnabled"):
        raise not_implemented("TLS for web services (ssl_enabled)")
    if asked.get("vnetConfiguration"):
        raise not_implemented("virtual networks for web services")
    if asked.get("encryptionProperties"):
        raise not_implemented("customer-managed keys for web services")
    if asked.get("dataCollection"):
        raise not_implemented("model data collection (collect_model_data)")


def checked_image(store: Store, workspace: Workspace, image: object) -> Document:
    """The code, models and environment of a service; raises a 400 for a model that is not there."""
    if not isinstance(image, dict):
        raise not_implemented("web services from an image (only from an InferenceConfig with an Environment)")
    if not image.get("driverProgram"):
        raise not_implemented("web services without an InferenceConfig (no-code deployment)")
    for model_id in image.get("modelIds") or []:
        if models.get(store, workspace, model_id) is None:
            raise ApiError(400, "ModelNotFound", f"The model '{model_id}' is not registered in this workspace.")
    return image


def new_service(asked: Document) -> Document:
    """Document of a service that is about to be deployed. Authentication is off unless asked for, as in Azure."""
    now = timestamp()
    keys = asked.get("keys") or {}
    resources = asked.get("containerResourceRequirements") or {}
    return {
        "name": asked["name"],
        "description": asked.get("description"),
        "kvTags": asked.get("kvTags") or {},
        "properties": asked.get("properties") or {},
        "createdTime": now,
        "updatedTime": now,
        "computeType": "ACI",
        "state": ServiceState.TRANSITIONING,
        "error": None,
        "imageId": None,
        **{switch: bool(asked.get(switch)) for switch in _SWITCHES},
        "cname": asked.get("cname") or "",
        "dnsNameLabel": asked.get("dnsNameLabel"),
        "containerResourceRequirements": {**_RESOURCES, **_given(resources)},
        "location": asked.get("location") or "local",
        "publicIp": "127.0.0.1",
        "publicFqdn": "localhost",
        "scoringUri": None,
        "sslCertificate": "",
        "sslKey": "",
        "sslEnabled": False,
        "environmentImageRequest": asked["environmentImageRequest"],
        "createdBy": CREATED_BY,
        "keys": {name: keys.get(name) or new_key() for name in _KEY_TYPES.values()},
    }


def _given(resources: Document) -> Document:
    """Of the resources asked for those that a service has."""
    return {key: value for key, value in resources.items() if key in _RESOURCES and value is not None}


def apply_patch(store: Store, workspace: Workspace, service: Document, operations: list[Document]) -> bool:
    """Change a service in place; True when its image changed, so that it must be deployed again."""
    redeploy = False
    for operation in operations:
        path, value = str(operation.get("path", "")).lstrip("/"), operation.get("value")
        if path == "environmentImageRequest":
            image = {**service["environmentImageRequest"], **(value or {})}
            service["environmentImageRequest"] = checked_image(store, workspace, image)
            redeploy = True
        elif path.startswith("properties/"):
            _add_property(service, path.partition("/")[2], value)
        elif path in _SWITCHES:
            service[path] = bool(value)
        elif path in ("kvTags", "description"):
            service[path] = value
        else:
            raise not_implemented(f"a change of '/{path}' of a web service")
    service["updatedTime"] = timestamp()
    return redeploy


def _add_property(service: Document, key: str, value: object) -> None:
    if service["properties"].setdefault(key, value) != value:
        raise bad_request(
            f"Property '{key}' of service '{service['name']}' is '{service['properties'][key]}' and cannot become "
            f"'{value}': properties of a service are written once."
        )
