"""The stages and jobs of a pipeline as a list and as a flowchart."""

from local_azure.pipelines.expand.model import Job, Part, Pipeline


def as_text(pipeline: Pipeline) -> str:
    """One line a stage and a job, with what each waits for and on what condition."""
    lines: list[str] = []
    for stage in pipeline.stages:
        parts: list[tuple[Part, str]] = [(stage, f"stage {stage.name}"), *((j, f"  {_job(j)}") for j in stage.jobs)]
        for part, name in parts:
            after = f" after {', '.join(part.depends_on)}" if part.depends_on else ""
            condition = f" if {' '.join(part.condition.split())}" if part.condition else ""
            lines.append(f"{name}{after}{condition}")
    return "\n".join(lines)


def as_mermaid(pipeline: Pipeline) -> str:
    """A flowchart: one box a stage with its jobs, an arrow a dependency, environments as approvals."""
    lines = ["flowchart LR"]
    for stage in pipeline.stages:
        lines.append(f'  {stage.name}["{"<br/>".join([f"<b>{stage.title}</b>", *map(_job, stage.jobs)])}"]')
        gate = f"|approval: {', '.join(stage.environments)}|" if stage.environments else ""
        lines += [f"  {name} -->{gate} {stage.name}" for name in stage.depends_on]
    return "\n".join(lines)


def _job(job: Job) -> str:
    kind = f"deployment to {job.environment}: " if job.deployment else "server job " if job.server else "job "
    return f"{kind}{job.name or job.title}"
