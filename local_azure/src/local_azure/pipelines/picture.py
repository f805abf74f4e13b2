"""The stages and jobs of a pipeline as text and as a Mermaid diagram."""

from __future__ import annotations

from local_azure.pipelines.model import Job, Pipeline


def as_text(pipeline: Pipeline) -> str:
    """One line a stage and a job, with what each waits for and on what condition."""
    lines: list[str] = []
    for stage in pipeline.stages:
        after = f" after {', '.join(stage.depends_on)}" if stage.depends_on else ""
        lines.append(f"stage {stage.name}{after}{_condition(stage.condition)}")
        for job in stage.jobs:
            after = f" after {', '.join(job.depends_on)}" if job.depends_on else ""
            lines.append(f"  {_job(job)}{after}{_condition(job.condition)}")
    return "\n".join(lines)


def as_mermaid(pipeline: Pipeline) -> str:
    """A flowchart: one box a stage with its jobs, an arrow a dependency, environments as approvals."""
    lines = ["flowchart LR"]
    for stage in pipeline.stages:
        lines.append(f'  {stage.name}["{"<br/>".join([f"<b>{stage.title}</b>", *map(_job, stage.jobs)])}"]')
        for name in stage.depends_on:
            gate = ", ".join(f"approval: {environment}" for environment in stage.environments)
            lines.append(f"  {name} -->" + (f"|{gate}|" if gate else "") + f" {stage.name}")
    return "\n".join(lines)


def _job(job: Job) -> str:
    kind = f"deployment to {job.environment}: " if job.deployment else "server job " if job.server else "job "
    return f"{kind}{job.name or job.title}"


def _condition(condition: str | None) -> str:
    return f" if {' '.join(condition.split())}" if condition else ""
