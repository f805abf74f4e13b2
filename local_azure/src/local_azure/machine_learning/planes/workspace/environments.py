"""Environments: definitions with versions and labels. Nothing is installed and no image is built here.

SDK callers: `Environment.register/get/list/label`, `ws.environments`, `get_image_details`, `build`. A version never
changes. Steps and services run in the interpreter of the project, whatever the definition says.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.addresses import Addresses, SignedAddresses
from local_azure.machine_learning.errors import bad_request, conflict, not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Environments")
_KIND = "environment_version"  # id: "name/version", parent: the name
_BASE = "/environment/v1.0{W}/environments"
_BUILDS = "/environment/v2.0{W}/environments"
_CURATED = "azureml-"
_UNNUMBERED = ("", "None", "Autosave_None")
_BUILD_LOG = (
    "local_azure builds no image: steps and web services run in the interpreter of the project.\n"
    "Whether the definition can be installed is proven by the real service only.\n"
)

Document = dict[str, Any]


def _versions(call: Call, store: Store, name: str) -> list[Document]:
    """Records of a name, oldest first: {"definition", "labels", "built"}; refuses a curated name that is unknown."""
    found = store.find(call.ws, _KIND, parent=name)
    if not found and name.lower().startswith(_CURATED):
        raise not_implemented(
            f"Microsoft's curated environments ('{name}'): define your own from a conda or pip file"
        )
    if not found:
        raise not_found("Environment", name)
    return found


def _version(call: Call, store: Store, name: str, version: str) -> Document:
    for record in _versions(call, store, name):
        if record["definition"]["version"] == version:
            return record
    raise not_found("Environment", f"{name}:{version}")


def _save(call: Call, store: Store, record: Document) -> None:
    name, version = record["definition"]["name"], record["definition"]["version"]
    store.put(call.ws, _KIND, f"{name}/{version}", record, parent=name)


def _posted(call: Call, name: str) -> Document:
    """The definition in the body; the client writes some keys with a capital letter."""
    definition = {key[:1].lower() + key[1:]: value for key, value in call.document().items() if key}
    definition.pop("version", None)
    return {**definition, "name": name}


def _without_version(definition: Document) -> Document:
    return {key: value for key, value in definition.items() if key != "version"}


@PLANE.route("GET", _BASE)
def list_environments(call: Call, store: Store) -> Document:
    """The latest version of each environment."""
    latest = {record["definition"]["name"]: record["definition"] for record in store.find(call.ws, _KIND)}
    return {"value": list(latest.values()), "continuationToken": None}


@PLANE.route("PUT", _BASE + "/{name}")
@PLANE.route("PUT", _BASE + "/{name}/versions/{version}")
def register_environment(call: Call, store: Store, *, name: str, version: str = "") -> Document:
    """Register. Without a version: the one that has this content, else the next number. 409 for other content."""
    if name.lower().startswith(_CURATED):
        raise bad_request(f"'{name}': names that start with AzureML- are reserved for curated environments.")
    definition = _posted(call, name)
    with store.transaction():
        known: list[Document] = [record["definition"] for record in store.find(call.ws, _KIND, parent=name)]
        for existing in known:
            asked = version in _UNNUMBERED or existing["version"] == version
            if asked and _without_version(existing) == definition:
                return existing
            if existing["version"] == version:
                raise conflict(
                    f"Environment '{name}:{version}' exists with another definition. Leave the version out."
                )
        numbers = [int(existing["version"]) for existing in known if existing["version"].isdigit()]
        given = str(max(numbers, default=0) + 1) if version in _UNNUMBERED else version
        definition["version"] = given
        _save(call, store, {"definition": definition, "labels": [], "built": None})
    return definition


@PLANE.route("GET", _BASE + "/{name}")
def get_latest(call: Call, store: Store, *, name: str) -> Document:
    """The latest version."""
    definition: Document = _versions(call, store, name)[-1]["definition"]
    return definition


@PLANE.route("GET", _BASE + "/{name}/versions/{version}")
def get_version(call: Call, store: Store, *, name: str, version: str) -> Document:
    """One version."""
    definition: Document = _version(call, store, name, version)["definition"]
    return definition


@PLANE.route("GET", _BASE + "/{name}/labels/{label}")
def get_labelled(call: Call, store: Store, *, name: str, label: str) -> Document:
    """The version that carries a label; `latest` is the newest one unless somebody has given it."""
    versions = _versions(call, store, name)
    found = [record for record in versions if label in record["labels"]]
    if not found and label.lower() != "latest":
        raise not_found("Environment", f"{name} with label {label}")
    definition: Document = (found or versions)[-1]["definition"]
    return definition


@PLANE.route("PUT", _BASE + "/{name}/versions/{version}/metadata")
def set_labels(call: Call, store: Store, *, name: str, version: str) -> Document:
    """Give labels to a version; another version that had one loses it."""
    labels = [str(label) for label in call.document().get("Labels") or []]
    with store.transaction():
        _version(call, store, name, version)
        for record in _versions(call, store, name):
            kept = [label for label in record["labels"] if label not in labels]
            record["labels"] = kept + labels if record["definition"]["version"] == version else kept
            _save(call, store, record)
    return {}


@PLANE.route("GET", _BASE + "/{name}/versions/{version}/image")
def image_details(call: Call, store: Store, *, name: str, version: str) -> Document:
    """What is known of the image; it counts as existing once a build was asked for."""
    record = _version(call, store, name, version)
    return {
        "imageExistsInRegistry": record["built"] is not None,
        "pythonEnvironment": {"condaEnvironmentPath": "", "interpreterPath": "python"},
        "dockerImage": {"name": f"local/{name}", "registry": {"address": "", "username": "", "password": ""}},
        "ingredients": {},
    }


def _build_log(name: str, version: str) -> str:
    return f"LocalBuilds/{name}/{version}/build.log"


@PLANE.route("POST", _BUILDS + "/{name}/versions/{version}/image")
@PLANE.route("POST", _BUILDS + "/{name}/versions/{version}/imageoncompute/{compute}", evidence="sdk-source")
def build_image(
    call: Call, store: Store, files: BlobFiles, addresses: Addresses, *, name: str, version: str
) -> JSONResponse:
    """Accept a build; it ends at once and its log says that nothing was built."""
    record = _version(call, store, name, version)
    log = files.path(call.workspace.artifact_container, _build_log(name, version))
    with files.writing(log) as stream:
        stream.write(_BUILD_LOG.encode())
    _save(call, store, {**record, "built": timestamp()})
    base = f"{addresses.http}/environment/v2.0{call.workspace.arm_id}"
    return JSONResponse({"location": f"{base}/environments/{name}/versions/{version}/build"}, status_code=202)


@PLANE.route("GET", _BUILDS + "/{name}/versions/{version}/build")
def build_status(call: Call, store: Store, signed: SignedAddresses, *, name: str, version: str) -> Document:
    """State of a build; the client reads the log without a token, so its address is signed."""
    if _version(call, store, name, version)["built"] is None:
        raise not_found("Build of environment", f"{name}:{version}")
    address = signed.download(call.workspace.artifact_container, _build_log(name, version))
    return {"status": "Succeeded", "logUrl": address, "error": None}
