"""The documents of one project of Azure DevOps: read once each, and again after a change."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError, NotFoundError
from ml_service.documents import Document, at, number_at, text_at

MOST_LISTED = 5_000


class Project:
    """One project, through the REST API. repository: name of its git repository; empty: the project's own name."""

    def __init__(self, api: AzureDevOps, repository: str) -> None:
        self._api = api
        self._repository = repository
        self._kept: dict[str, Document] = {}

    def read(
        self, path: str, parameters: Mapping[str, str] | None = None, *, preview: bool = False, above: bool = False
    ) -> Document:
        """The document at a path; empty where there is none. above: of the organization, not of the project."""
        key = f"{path}?{sorted((parameters or {}).items())}"
        if key not in self._kept:
            api = self._api.organization if above else self._api
            try:
                self._kept[key] = api.get(path, parameters, preview=preview)
            except NotFoundError:
                self._kept[key] = {}
        return self._kept[key]

    def listed(
        self, path: str, parameters: Mapping[str, str] | None = None, *, preview: bool = False, above: bool = False
    ) -> tuple[Document, ...]:
        """The documents of a list. Raises: AzureDevOpsError where the answer is none."""
        value = self.read(path, parameters, preview=preview, above=above).get("value")
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise AzureDevOpsError(
                f"the response of Azure DevOps at {path} is not a list of objects",
                todo="repeat the command, and see that the token may read this",
            )
        return tuple(value)

    def send(self, method: str, path: str, body: object, *, preview: bool = False, above: bool = False) -> Document:
        """Create, change or remove a document; what was read before is read again."""
        api = self._api.organization if above else self._api
        parameters = {"projectIds": self.project_id} if above and method == "DELETE" else None
        self._kept.clear()
        return api.send(method, path, body, parameters, preview=preview)

    @property
    def name(self) -> str:
        """The project's name."""
        return text_at(self._own, "name")

    @property
    def repository(self) -> str:
        """The name of the git repository."""
        return self._repository or self.name

    @property
    def repository_id(self) -> str:
        """Its id. Raises: AzureDevOpsError where there is no such repository."""
        found = self.read(f"git/repositories/{quote(self.repository)}")
        if not found.get("id"):
            raise AzureDevOpsError(
                f"there is no git repository {self.repository} in the project {self.name}",
                todo="name the repository in infra/azure_devops.yml, and let the token read code",
            )
        return str(found["id"])

    @property
    def project_id(self) -> str:
        """The project's id."""
        return str(self._own["id"])

    @property
    def _own(self) -> Document:
        found = self.read(f"projects/{self._api.project}", above=True)
        if not found.get("id"):
            raise AzureDevOpsError(
                f"there is no project {self._api.project} in {self._api.organization.address}",
                todo="check SYSTEM_COLLECTIONURI and SYSTEM_TEAMPROJECT",
            )
        return found

    @property
    def teams(self) -> dict[str, str]:
        """The id of each team by name; a team's id is that of its group."""
        path, most = f"projects/{self.project_id}/teams", {"$top": str(MOST_LISTED)}
        return {text_at(one, "name"): text_at(one, "id") for one in self.listed(path, most, above=True)}

    @property
    def pipelines(self) -> dict[str, int]:
        """The id of each pipeline by name; of several with one name in different folders, by folder and name.

        The one in the uppermost folder keeps the name alone.
        """
        listed = self.listed("build/definitions", {"$top": str(MOST_LISTED)})
        found: dict[str, int] = {}
        for folder, name, number in sorted(_pipeline(one) for one in listed):
            found[f"{folder}\\{name}" if name in found else name] = number
        return found


def _pipeline(document: Document) -> tuple[str, str, int]:
    """Folder (empty: none), name and id of a pipeline."""
    return str(at(document, "path") or "").rstrip("\\"), text_at(document, "name"), number_at(document, "id")


def shown(value: object) -> str:
    """A value as it is compared and shown: switches as yes and no, lists sorted."""
    if isinstance(value, bool) or str(value).lower() in ("true", "false"):
        return "yes" if str(value).lower() == "true" else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(sorted(map(str, value))) or "none"
    return "none" if value is None or value == "" else str(value)
