"""Where each candidate stands now: what the ledger tells, and what follows from champion, clock and approvals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from azure_ml.models.champion import SINCE_TAG
from azure_ml.models.versions import ModelVersion
from ml_service.azure_devops.approvals import Ask, Status
from ml_service.production.candidates.candidate import OPEN, Candidate, Move, Setback, State, expiry, moment
from ml_service.production.candidates.events import Subject
from ml_service.production.candidates.histories import Histories, History, read_histories
from ml_service.production.chain.entry import NONE, Entry


@dataclass(frozen=True)
class Now:
    """What decides beside the ledger."""

    moment: datetime
    champion: ModelVersion | None
    expire_after_days: int | None
    """Of the problem; None: candidates do not expire."""
    ask: Ask

    @property
    def champion_version(self) -> str:
        """Its number, or `none`."""
        return str(self.champion.version) if self.champion else NONE


def candidates_of(entries: Sequence[Entry], models: Iterable[ModelVersion], now: Now) -> tuple[Candidate, ...]:
    """Every candidate of a problem, the newest version first.

    models: the registered versions of its model. One without an entry in the ledger was registered before
    candidates were recorded, and is followed from its registration.
    """
    found = read_histories(entries)
    listed = sorted(models, key=lambda model: model.version, reverse=True)
    return tuple(_candidate(found, model, now) for model in listed)


def _candidate(found: Histories, model: ModelVersion, now: Now) -> Candidate:
    sha256, run_id = model.sha256, model.properties.get("run_id", "")
    history = found.of.get(model.version) or History(Subject(model.name, model.version, sha256, run_id))
    accepted = history.accepted
    begun = str(accepted.details["since"]) if accepted else _registered_at(model)
    known = history.move or _unrecorded(model, begun, now)
    compared_with = str(accepted.details["compared_with"]) if accepted else ""
    candidate = Candidate(
        model_name=model.name,
        version=model.version,
        model_sha256=sha256,
        run_id=history.subject.run_id,
        accepted=begun,
        compared_with=compared_with,
        move=known,
        due=False,
        age_days=_age(begun, now.moment),
        expires=expiry(begun, now.expire_after_days),
        setbacks=_of_bytes(found, sha256),
    )
    move = _next_move(candidate, history, found, now) if known.state in OPEN else None
    return replace(candidate, move=move, due=move.state is not State.UNKNOWN) if move else candidate


def _registered_at(model: ModelVersion) -> str:
    created = moment(model.created)
    return created.isoformat(timespec="seconds") if created else ""


def _unrecorded(model: ModelVersion, begun: str, now: Now) -> Move:
    """Return the state of a version without entries in the ledger."""
    build_id = model.properties.get("build_id", "")
    if now.champion is not None and now.champion.version == model.version:
        since = now.champion.tags.get(SINCE_TAG, begun)
        return Move(State.RELEASED, since, "", "it is champion; the ledger has no deployment of it", build_id)
    return Move(State.ACCEPTED, begun, model.created_by, model.properties.get("reason", ""), build_id)


def _next_move(candidate: Candidate, history: History, found: Histories, now: Now) -> Move | None:
    """What has become of an open candidate since its last recorded move; None: nothing."""
    answered = _answered(candidate, history, now)
    if answered is not None and answered.state is State.REJECTED:
        return answered
    return _superseded(candidate, found, now) or _expired(candidate, now) or answered


def _answered(candidate: Candidate, history: History, now: Now) -> Move | None:
    """What the approval that it awaits has come to."""
    if candidate.state is not State.AWAITING or history.asked is None:
        return None
    build, stage = candidate.move.build_id, str(history.asked.details.get("stage", ""))
    approval = now.ask(build, stage)
    if approval is None:
        why = f"build {build} has requested an approval, and the answer cannot be read"
        return replace(candidate.move, state=State.UNKNOWN, person="", reason=why)
    no = approval if approval.status is Status.REJECTED else approval.rejected_before
    if no is not None:
        return Move(State.REJECTED, no.when or candidate.since, no.person, no.comment, build)
    if approval.status is Status.ENDED:
        why = f"the approval requested by build {build} ended as {approval.said or 'unanswered'}"
        return Move(State.ACCEPTED, approval.when or candidate.since, approval.person, why, build)
    return None


def _superseded(candidate: Candidate, found: Histories, now: Now) -> Move | None:
    """Whether another version than the one that the gate compared it with is champion by now."""
    champion = found.of.get(now.champion.version) if now.champion else None
    released = champion.move if champion and champion.move and champion.move.state is State.RELEASED else None
    if candidate.compared_with:
        outdated = now.champion_version not in (candidate.compared_with, str(candidate.version))
    else:
        outdated = released is not None and _is_before(candidate.accepted, released.since)
    if not outdated:
        return None
    then = f"version {candidate.compared_with}" if candidate.compared_with not in ("", NONE) else "another champion"
    if candidate.compared_with == NONE:
        then = "no champion"
    today = f"version {now.champion_version} is" if now.champion else "there is no"
    why = f"the gate compared it with {then}, and {today} champion by now"
    since = now.moment.isoformat(timespec="seconds")
    if released is None:
        return Move(State.SUPERSEDED, since, "", why, "")
    return Move(State.SUPERSEDED, released.since, released.person, why, released.build_id)


def _expired(candidate: Candidate, now: Now) -> Move | None:
    ends = moment(candidate.expires)
    if ends is None or now.moment < ends:
        return None
    why = f"older than {now.expire_after_days} days (candidates.expire_after_days of the problem file)"
    return Move(State.EXPIRED, candidate.expires, "", why, "")


def _is_before(one: str, other: str) -> bool:
    first, second = moment(one), moment(other)
    return first is not None and second is not None and first < second


def _age(begun: str, now: datetime) -> float:
    since = moment(begun)
    return round(max(0.0, (now - since).total_seconds()) / 86400, 3) if since else 0.0


def _of_bytes(found: Histories, sha256: str) -> tuple[Setback, ...]:
    """Setbacks of these bytes, the newest first."""
    return tuple(setback for told, setback in reversed(found.setbacks) if sha256 and told == sha256)
