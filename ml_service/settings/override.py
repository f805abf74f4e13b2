"""An override of the gate: an accountable person and a reason, checked before anything is submitted.

The gate defines what may be overridden (mlops_code/forecasting/decision/gate.py): judgements of quality only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecasting.decision.blocks import Override
from ml_service.errors import CheckFailedError, InvalidRequestError

if TYPE_CHECKING:
    from ml_service.settings.variables import Settings

NONE = "none"
"""Means "no override" in Azure Pipelines, where a parameter cannot be left out."""
LONGEST = 500  # characters of either text
BY_HAND = "Manual"
BY_NOBODY = ("schedule", "code")
"""Reasons of runs that no person started: a schedule or a merge did."""


def parse(person: str, reason: str) -> Override | None:
    """The override that two options name; None where neither is given (empty, or the word none).

    Raises: InvalidRequestError (one without the other; a text that is unsafe in a log, a page or a command line).
    """
    by, why = text_of(person), text_of(reason)
    given = {"--override-by": by, "--override-reason": why}
    missing = [name for name, text in given.items() if not text]
    if len(missing) == len(given):
        return None
    if missing:
        raise InvalidRequestError(
            f"an override needs a person and a reason, but {missing[0]} is missing",
            todo="give both; or neither, and the gate decides",
        )
    for name, text in given.items():
        demand_recordable(name, text)
    return Override(person=by, reason=why)


def demand_recordable(name: str, text: str) -> None:
    """Refuse a text of an option that is unsafe in a log, a page or a command line. Raises: InvalidRequestError."""
    if len(text) > LONGEST or not text.isprintable() or text.startswith("-") or "$(" in text or "##" in text:
        raise InvalidRequestError(
            f"{name} cannot be recorded",
            found=f"{text[:80]!r}",
            expected=f"one line of at most {LONGEST} characters without a leading dash, $( or ##",
        )


def demand_allowed(override: Override | None, settings: Settings, reason: str) -> None:
    """Only a run that a person has started by hand may override, and on a build agent only in that person's name.

    reason: why the run is started, as `run --reason` has it. Raises: CheckFailedError.
    """
    if override is None:
        return
    if settings.tf_build or settings.build_reason:
        _demand_person(override, settings)
    if reason in BY_NOBODY:
        raise CheckFailedError(
            f"a run with the reason {reason} may not override the gate",
            expected="the reason manual or data: a run started by a person, who is accountable for it",
            todo="start it by hand with --reason manual, or leave the decision to the gate",
        )


def _demand_person(override: Override, settings: Settings) -> None:
    """Require that the person who overrides has queued the build. Raises: CheckFailedError."""
    if settings.build_reason != BY_HAND:
        raise CheckFailedError(
            f"a run with the reason {settings.build_reason or 'unknown'} may not override the gate",
            expected="a run queued by hand, by an accountable person",
            todo="queue release or retrain by hand with the parameter overrideReason",
        )
    if override.person != settings.build_requestedfor:
        raise CheckFailedError(
            "the override names a person who did not queue this run",
            found=override.person,
            expected=settings.build_requestedfor or "a name in Build.RequestedFor, which is empty",
        )


def text_of(text: str) -> str:
    """A text of an option; empty where it is the word none."""
    stripped = text.strip()
    return "" if stripped.lower() == NONE else stripped
