"""What the services hold of a problem at one moment, as plain data: the population that the records must cover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_service.azure_devops.approvals import Approval
from ml_service.production.candidates.candidate import Candidate
from ml_service.production.chain.store import Chain


@dataclass(frozen=True)
class RunFacts:
    """A training run. files: name and SHA-256 of the documents that it keeps."""

    id: str
    status: str
    created: str
    ended: str
    created_by: str
    properties: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class ModelFacts:
    """A registered model version. number: in the training workspace; files: None where they could not be read."""

    name: str
    version: int
    number: str
    created: str
    created_by: str
    properties: Mapping[str, str]
    files: Mapping[str, str] | None


@dataclass(frozen=True)
class ServiceFacts:
    """A web service of the production workspace. updated: when Azure ML last changed it, UTC."""

    name: str
    state: str
    updated: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Live:
    """Whether the service of production is as the ledger says. check: as-recorded, changed, unhealthy or unknown.

    One that is unhealthy was not changed: what has served until now is known.
    """

    check: str
    finding: str
    since: str
    """When the service was last changed; empty if unknown."""


@dataclass(frozen=True)
class DeploymentFacts:
    """What is left of a deployment beside its entries. differences: of release.json, run and files to the ledger."""

    id: str
    has_run: bool
    differences: tuple[str, ...]
    anchor: str
    """`sequence:sha256` of its last entry, as its run keeps it; empty where an earlier version made it."""


@dataclass(frozen=True)
class TableFacts:
    """A data version. files: SHA-256 of each file that lies at its path, which should be one; None: not read."""

    name: str
    version: int
    tags: Mapping[str, str]
    files: tuple[str, ...] | None = None


@dataclass(frozen=True)
class BuildFacts:
    """A build as Azure DevOps or GitHub tells it; None for one that it does not have."""

    id: str
    result: str
    tags: tuple[str, ...]
    definition: int = 0
    """Id of its pipeline; 0 where it is not told."""
    approvals: Mapping[str, Approval] | None = None
    """By their ids those that entries name; None where they could not be read."""
    approvers: frozenset[str] = frozenset()
    """Whoever has approved a stage of this problem."""
    rejections: tuple[Approval, ...] = ()
    """Of the stages of this problem; read only where an entry records a rejected candidate."""
    reviews: tuple[Approval, ...] | None = None
    """On GitHub: each review of the environment, without an id and a time; None elsewhere."""


@dataclass(frozen=True)
class OtherBuild:
    """A build of one of the same pipelines that no entry names, though it did something that should be recorded.

    did: such as `Production_p succeeded`.
    """

    id: str
    did: tuple[str, ...]
    finished: str
    requested_for: str


@dataclass(frozen=True)
class RuleFacts:
    """A rule of the gate in words, with numbers rounded for reading; the exact ones are in the decision record.

    limit: of a range both bounds; sentence: what was found.
    """

    code: str
    title: str
    verdict: str
    value: str
    limit: str
    sentence: str


@dataclass(frozen=True)
class DecisionFacts:
    """What the dossier shows of a decision record."""

    run_id: str
    outcome: str
    reason: str
    sentence: str
    rules: tuple[RuleFacts, ...]
    data: Mapping[str, str]
    challenger: Mapping[str, str]
    override: Mapping[str, str]


@dataclass(frozen=True)
class Anchor:
    """A note of an entry outside of the ledger. place: where it was read."""

    place: str
    sequence: int
    sha256: str


@dataclass(frozen=True)
class Population:
    """All of it. Lists hold the newest first."""

    problem: str
    model_name: str
    dataset: str
    training: str
    """Banner of the workspace, with its tags."""
    production: str
    """Name of the workspace; empty where none is configured."""
    service: str
    moment: str
    chain: Chain
    deployments: tuple[DeploymentFacts, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    copies: tuple[ModelFacts, ...] | None = None
    """Services of the production workspace; None if the caller has no access to it or none is configured."""
    services: tuple[ServiceFacts, ...] = ()
    live: Live | None = None
    """None where nothing serves and nothing should, or production is closed."""
    champion: str = ""
    """`name:version`; empty where there is none."""
    tables: tuple[TableFacts, ...] = ()
    oldest_table: int = 1
    """Tables of lower numbers were not looked at."""
    builds: Mapping[str, BuildFacts | None] | None = None
    """By id; None where neither Azure DevOps nor GitHub was asked."""
    other_builds: tuple[OtherBuild, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    decisions: Mapping[str, DecisionFacts] = field(default_factory=dict)
    """By the SHA-256 of decision.json."""
    differences: tuple[str, ...] = ()
    """What of runs, decisions and models is not as in the hashed documents that also record it."""
    anchors: tuple[Anchor, ...] = ()
    unread: tuple[str, ...] = ()
    """What could not be read, and why: nothing is said about it."""
