"""The stages and jobs of a pipeline as a list and as a flowchart."""

from html import escape

from local_azure.pipelines.expand.model import Job, Part, Pipeline, Stage


def as_text(pipeline: Pipeline) -> str:
    """Return a line for each stage and job, with what it waits for and its condition."""
    lines: list[str] = []
    for stage in pipeline.stages:
        lines.append(f"stage {stage.name}{_waits_for(stage)}")
        lines += [f"  {_job(job)}{_waits_for(job)}" for job in stage.jobs]
    return "\n".join(lines)


def _waits_for(part: Part) -> str:
    after = f" after {', '.join(part.depends_on)}" if part.depends_on else ""
    condition = f" if {' '.join(part.condition.split())}" if part.condition else ""
    return after + condition


def as_mermaid(pipeline: Pipeline) -> str:
    """Return a flowchart: a box for each stage with its jobs, arrows for dependencies, environments as approvals."""
    lines = ["flowchart LR"]
    for stage in pipeline.stages:
        lines.append(f'  {stage.name}["{_box(stage)}"]')
        approval = f"|approval: {', '.join(stage.environments)}|" if stage.environments else ""
        lines += [f"  {name} -->{approval} {stage.name}" for name in stage.depends_on]
    return "\n".join(lines)


def _box(stage: Stage) -> str:
    """Return the HTML label of a stage."""
    jobs = [_escaped(_job(job)) for job in stage.jobs]
    return "<br/>".join([f"<b>{_escaped(stage.title)}</b>", *jobs])


def _escaped(text: str) -> str:
    # Mermaid takes the `#` of a numeric entity, such as that of an apostrophe, for one of its own.
    return escape(text, quote=False).replace('"', "&quot;")


def _job(job: Job) -> str:
    name = job.name or job.title
    if job.deployment:
        return f"deployment to {job.environment}: {name}"
    return f"server job {name}" if job.server else f"job {name}"
