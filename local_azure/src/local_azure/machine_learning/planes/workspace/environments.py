"""Environments: definitions with versions and labels.

SDK callers: `Environment.register/get/list/label`, `ws.environments`, `get_image_details`, `build`.
"""

from __future__ import annotations

from starlette.responses import JSONResponse

from local_azure.machine_learning.domain.access.addresses import Addresses, SignedAddresses
from local_azure.machine_learning.domain.workspace import environments
from local_azure.machine_learning.errors import not_found
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import ENVIRONMENT, TEXT, Items, Record
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Environments")
_BASE = "/environment/v1.0{W}/environments"
_FIELDS = ENVIRONMENT.fields
# The client writes some keys with a capital letter.
_DEFINITION = Record({**_FIELDS, **{key[:1].upper() + key[1:]: shape for key, shape in _FIELDS.items()}})
_LABELS = Record({"Labels": Items(TEXT)})
_BUILDS = "/environment/v2.0{W}/environments"


def _definition(record: Document) -> Document:
    found: Document = record["definition"]
    return found


@PLANE.route("GET", _BASE)
def list_environments(call: Call, store: Store) -> Document:
    """The latest version of each environment."""
    return {"value": environments.latest_definitions(store, call.workspace), "continuationToken": None}


@PLANE.route("PUT", _BASE + "/{name}", body=_DEFINITION)
@PLANE.route("PUT", _BASE + "/{name}/versions/{version}", body=_DEFINITION)
def register_environment(call: Call, store: Store, *, name: str, version: str = "") -> Document:
    """Register a version; the client writes some keys of the definition with a capital letter."""
    posted = {key[:1].lower() + key[1:]: value for key, value in call.document().items() if key}
    posted.pop("version", None)
    return environments.register(store, call.workspace, name, version, {**posted, "name": name})


@PLANE.route("GET", _BASE + "/{name}")
def get_latest(call: Call, store: Store, *, name: str) -> Document:
    """The latest version."""
    return _definition(environments.require_latest(store, call.workspace, name))


@PLANE.route("GET", _BASE + "/{name}/versions/{version}")
def get_version(call: Call, store: Store, *, name: str, version: str) -> Document:
    """One version."""
    return _definition(environments.require_version(store, call.workspace, name, version))


@PLANE.route("GET", _BASE + "/{name}/labels/{label}")
def get_labelled(call: Call, store: Store, *, name: str, label: str) -> Document:
    """The version that carries a label."""
    return _definition(environments.require_labelled(store, call.workspace, name, label))


@PLANE.route("PUT", _BASE + "/{name}/versions/{version}/metadata", body=_LABELS)
def set_labels(call: Call, store: Store, *, name: str, version: str) -> Document:
    """Give labels to a version; another version that had one loses it."""
    labels = [str(label) for label in call.document().get("Labels") or []]
    environments.set_labels(store, call.workspace, name, version, labels)
    return {}


@PLANE.route("GET", _BASE + "/{name}/versions/{version}/image")
def image_details(call: Call, store: Store, *, name: str, version: str) -> Document:
    """What is known of the image; it counts as existing once a build was asked for."""
    record = environments.require_version(store, call.workspace, name, version)
    return {
        "imageExistsInRegistry": record["built"] is not None,
        "pythonEnvironment": {"condaEnvironmentPath": "", "interpreterPath": "python"},
        "dockerImage": {"name": f"local/{name}", "registry": {"address": "", "username": "", "password": ""}},
        "ingredients": {},
    }


@PLANE.route("POST", _BUILDS + "/{name}/versions/{version}/image")
@PLANE.route("POST", _BUILDS + "/{name}/versions/{version}/imageoncompute/{compute}", evidence="sdk-source")
def build_image(
    call: Call, store: Store, files: BlobFiles, addresses: Addresses, *, name: str, version: str
) -> JSONResponse:
    """Accept a build; it ends at once and its log says that nothing was built."""
    environments.build(store, files, call.workspace, name, version)
    base = f"{addresses.http}/environment/v2.0{call.workspace.arm_id}"
    return JSONResponse({"location": f"{base}/environments/{name}/versions/{version}/build"}, status_code=202)


@PLANE.route("GET", _BUILDS + "/{name}/versions/{version}/build")
def build_status(call: Call, store: Store, signed: SignedAddresses, *, name: str, version: str) -> Document:
    """State of a build; the client reads the log without a token, so its address is signed."""
    if environments.require_version(store, call.workspace, name, version)["built"] is None:
        raise not_found("Build of environment", f"{name}:{version}")
    log = signed.download(call.workspace.artifact_container, environments.build_log(name, version))
    return {"status": "Succeeded", "logUrl": log, "error": None}
