"""The options of `run`, and what their texts mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ml_service.cli.session import Session
from ml_service.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecasting.decision.blocks import Override


ENDPOINT_DEFAULT = "default"
PipelineId = Annotated[
    str,
    typer.Option("--pipeline-id", help="Run this published pipeline; default: the endpoint's default."),
]
Unpublished = Annotated[
    bool, typer.Option("--unpublished", help="Run the pipeline of this working tree without publishing it.")
]
UnpublishedSteps = Annotated[
    str | None, typer.Option("--steps", metavar="NAMES", help="With --unpublished: the steps, as for publish.")
]
Reason = Annotated[
    str, typer.Option("--reason", help="What started it: manual, schedule, data or code; recorded with the decision.")
]
OverrideBy = Annotated[
    str,
    typer.Option("--override-by", metavar="NAME", help="Who overrides the gate; needs --override-reason."),
]
OverrideReason = Annotated[
    str,
    typer.Option(
        "--override-reason",
        metavar="TEXT",
        help="Why the gate is overridden; recorded with the gate's verdict. Only a verdict on quality can "
        "be overridden, not a refusal because no comparison was possible.",
    ),
]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="MINUTES",
        min=0,
        help="Exit with 0 after this time; the run continues, and repeating the command in this build waits on.",
    ),
]
Why = Annotated[
    str,
    typer.Option("--why", metavar="TEXT", help="A person's reason, for the approval card; none: no reason."),
]
Follow = Annotated[
    str | None, typer.Option("--follow", metavar="RUN_ID", help="Follow a run that was already submitted.")
]
Pending = Annotated[
    bool,
    typer.Option(
        "--pending",
        help="Follow the run of the newest candidate that may still be released, such as one of a schedule; does "
        "nothing if there is none.",
    ),
]
ApprovalStage = Annotated[
    str,
    typer.Option(
        "--approval-stage",
        metavar="NAME",
        help="The stage of this build that requests the approval of an accepted model; recorded with the candidate.",
    ),
]


def override_of(person: str, reason: str, decided: Mapping[str, object]) -> Override | None:
    """Return the override of the gate, if any. decided: options that name a run whose gate has decided already."""
    from ml_service.settings.override import parse

    override = parse(person, reason)
    for option, value in decided.items():
        demand_at_most_one({"--override-by": override, option: value})
    return override


def reason_of(text: str) -> str:
    """Return what started a run. Raises: InvalidRequestError if it is unknown."""
    legal = ("manual", "schedule", "data", "code")
    if text not in legal:
        raise InvalidRequestError(f"--reason {text} is unknown", expected=f"one of {', '.join(legal)}")
    return text


def pipeline_id_of(text: str) -> str | None:
    """Return the id of a published pipeline, or None for the endpoint's default. Raises: InvalidRequestError if
    empty.
    """
    if not text.strip():
        raise InvalidRequestError(
            "--pipeline-id is empty", expected=f"the id of a published pipeline, or {ENDPOINT_DEFAULT}"
        )
    return None if text == ENDPOINT_DEFAULT else text


def unpublished_steps(call: Session, unpublished: bool, steps: str | None) -> tuple[str, ...] | None:
    """Return the steps of the working tree to run, or None for a published pipeline. Raises: InvalidRequestError."""
    if steps is not None and not unpublished:
        raise InvalidRequestError(
            "--steps needs --unpublished here",
            found="a published pipeline, whose steps are fixed",
            todo="add --unpublished, or choose the steps with `publish --steps`",
        )
    if not unpublished:
        return None
    from ml_service.training.snapshots import default_steps, parse_steps

    return parse_steps(steps) if steps else default_steps(call.settings)


def demand_at_most_one(options: dict[str, object]) -> None:
    """Raises: InvalidRequestError when more than one of the options was given."""
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise InvalidRequestError(f"{' and '.join(given)} exclude each other", todo="keep one of them")
