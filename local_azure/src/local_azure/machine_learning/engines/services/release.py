"""Lays out the files of a service, as its container image would hold them, and says how to start it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.serving.models import materialise
from local_azure.machine_learning.processes.forking.client import ChildCommand
from local_azure.machine_learning.storage import storage_faults

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace
    from local_azure.machine_learning.emulator import Emulator

ENTRY = "local_azure.machine_learning.processes.scoring.application:enter"
ARTIFACT_URL = "aml://artifact/"
UNPACKED_BYTES = 2 * 1024**3
UNPACKED_FILES = 50_000
HEADER_BYTES = 1024**2
LOG_BYTES = 2 * 1024**2  # more is never read back
SERVER_PACKAGES = ("azureml-defaults", "azureml-inference-server-http")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")
# Would send data out of this machine, or wait for a debugger that is not there.
_NEVER_SET = frozenset({"AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY", "AZUREML_DEBUG_PORT"})


class ReleaseError(Exception):
    """The files of a service cannot be laid out; says which and why."""


class ServiceFolder:
    """Files of one service below the state folder: log, keys, home and one application folder a release."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "service.log"
        self.keys = root / "keys.json"
        self.home = root / "home"

    def write_keys(self, service: dict[str, Any]) -> None:
        """Replace the file that the running service reads; one writer at a time."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {"authEnabled": service["authEnabled"], "keys": list(service["keys"].values())}
        partial = self.root / "keys.partial"
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        partial.replace(self.keys)

    def read_log(self, lines: int) -> str:
        """The last lines of the log, without the keys of the service."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - LOG_BYTES))
            text = stream.read().decode(errors="replace")
        if self.keys.exists():
            for key in json.loads(self.keys.read_text(encoding="utf-8"))["keys"]:
                text = text.replace(key, "<key>")
        return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""

    def clear_log(self) -> None:
        """Begin the log of a new release."""
        self.log.write_bytes(b"")
        self.log.chmod(0o600)

    def remove_releases(self, keep: Path | None = None) -> None:
        """Delete the application folders of earlier releases."""
        for folder in self.root.glob("app-*"):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)


def prepare(
    emulator: Emulator, workspace: Workspace, service: dict[str, Any], folder: ServiceFolder, number: str
) -> ChildCommand:
    """Unpack the code and copy the models of a service into a new folder; raises ReleaseError."""
    application = folder.root / f"app-{number}"
    shutil.rmtree(application, ignore_errors=True)
    for needed in (application, folder.home):
        needed.mkdir(parents=True, exist_ok=True, mode=0o700)
    request = service["environmentImageRequest"]
    _check_server_packages(request.get("environment") or {})
    for asset in request.get("assets") or []:
        _place_asset(emulator, workspace, asset, application)
    try:
        model_folder = materialise(emulator, workspace, request.get("modelIds") or [], application / "azureml-models")
    except ApiError as error:
        raise ReleaseError(error.message) from error
    variables = _variables(request, service["name"], application, model_folder)
    environment = {**variables, "HOME": str(folder.home)}
    return ChildCommand(ENTRY, application, folder.log, environment, {"keys": str(folder.keys)})


def _check_server_packages(environment: dict[str, Any]) -> None:
    """Refuse an environment whose image could not serve: the server comes with azureml-defaults only.

    The SDK merely warns. Images whose content we cannot know (own Dockerfile, user-managed Python) pass.
    """
    python = environment.get("python") or {}
    unknown = python.get("userManagedDependencies") or (environment.get("docker") or {}).get("baseDockerfile")
    wanted = (python.get("condaDependencies") or {}).get("dependencies")
    if unknown or wanted is None or environment.get("inferencingStackVersion"):
        return
    flat = [one for entry in wanted for one in (entry.get("pip", []) if isinstance(entry, dict) else [entry])]
    if not any(str(one).startswith(SERVER_PACKAGES) for one in flat):
        raise ReleaseError(
            f"The environment '{environment.get('name')}' has none of {', '.join(SERVER_PACKAGES)} among its "
            "packages, so its container has no server that could run the entry script. Add azureml-defaults."
        )


def _variables(request: dict[str, Any], name: str, application: Path, model_folder: Path) -> dict[str, str]:
    """The complete environment: the environment's own variables, then those of Azure's images."""
    own = (request.get("environment") or {}).get("environmentVariables") or {}
    return {
        **{key: os.environ[key] for key in _INHERITED if key in os.environ},
        "PYTHONUNBUFFERED": "1",
        **{key: str(value) for key, value in own.items() if key not in _NEVER_SET},
        "AZUREML_MODEL_DIR": str(model_folder),
        "AML_APP_ROOT": str(application),
        "SERVICE_NAME": name,
        "WORKER_COUNT": "1",
    }


def _place_asset(emulator: Emulator, workspace: Workspace, asset: dict[str, Any], application: Path) -> None:
    url = str(asset.get("url"))
    if not url.startswith(ARTIFACT_URL):
        raise ReleaseError(f"The asset '{url}' is not an uploaded artifact ({ARTIFACT_URL}...).")
    source = emulator.files.path(workspace.artifact_container, url.removeprefix(ARTIFACT_URL))
    if not source.is_file():
        raise ReleaseError(f"The asset '{url}' was never uploaded.")
    if asset.get("unpack"):
        _unpack(source, application)
    else:
        shutil.copyfile(source, application / PurePosixPath(str(asset["id"])).name)


class _Pieces:
    """An archive that is read in pieces of a bounded size.

    tarfile reads the extended header of a member at once, before there is a member whose size could be looked at.
    """

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """As a file's own."""
        if not 0 <= size <= HEADER_BYTES:
            raise ReleaseError(f"The source folder of the service has a header that is too large: {size} bytes.")
        return self._stream.read(size)


@contextmanager
def _archive(source: Path) -> Iterator[tarfile.TarFile]:
    with source.open("rb") as file, ExitStack() as opened:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = opened.enter_context(gzip.GzipFile(fileobj=file)) if packed else file
        pieces = cast(BinaryIO, _Pieces(stream))
        yield opened.enter_context(tarfile.open(fileobj=pieces, mode="r:"))


def _unpack(source: Path, target: Path) -> None:
    """Extract a tar file: no entry leaves the folder, and neither bytes nor files are without limit."""
    total = 0
    try:
        with _archive(source) as archive:
            for count, member in enumerate(archive):
                total += member.size
                if total > UNPACKED_BYTES or count >= UNPACKED_FILES:
                    raise ReleaseError(
                        f"The source folder of the service is too large: more than {UNPACKED_BYTES} bytes or "
                        f"{UNPACKED_FILES} files. Hand over a small folder of its own."
                    )
                archive.extract(member, target, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if storage_faults.is_full(error):
            raise
        raise ReleaseError(f"The source folder of the service cannot be unpacked: {error}") from error
