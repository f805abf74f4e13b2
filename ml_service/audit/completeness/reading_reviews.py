"""Read the reviews of runs on GitHub that entries name, to compare the approvals and rejections that they record."""

from __future__ import annotations

from collections.abc import Sequence

from ml_service.audit.completeness.of_builds import approver_of, builds_of, named_approval, rejection_of
from ml_service.audit.completeness.population import BuildFacts
from ml_service.github.approvals import GitHubError, Repository, read_reviews
from ml_service.production.chain.entry import Entry

NOT_ON_GITHUB = "builds that no entry names, and build tags: on GitHub nobody is asked for them"
_MOST_RUNS = 200
_ENVIRONMENT = "production"


def read_reviewed(
    repository: Repository, entries: Sequence[Entry], unread: list[str]
) -> dict[str, BuildFacts | None]:
    """The newest runs of which entries record an answer. unread: gets failures.

    A run that GitHub does not show is unread and not gone, because it answers so to a token without the right, too.
    """
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        for run_id in builds_of(entry):
            if _records_an_answer(entry, run_id):
                named.setdefault(run_id, []).append(entry)
    numbers = sorted(named, key=int, reverse=True)
    found: dict[str, BuildFacts | None] = {}
    for run_id in numbers[:_MOST_RUNS]:
        environments = {str(entry.details.get("stage", "")) for entry in named[run_id]} - {""}
        try:
            reviews = read_reviews(repository, run_id, environments | {_ENVIRONMENT})
        except GitHubError as error:
            unread.append(f"the reviews of run {run_id}: {error.happened}")
            continue
        found[run_id] = BuildFacts(run_id, "", (), reviews=reviews)
    if len(numbers) > _MOST_RUNS:
        unread.append(f"the reviews of runs before {numbers[_MOST_RUNS - 1]}: only {_MOST_RUNS} are asked for")
    return found


def _records_an_answer(entry: Entry, run_id: str) -> bool:
    return bool(named_approval(entry, run_id) or approver_of(entry, run_id) or rejection_of(entry, run_id))
