"""`pipelines graph`: the stages and jobs of a pipeline as text and as a Mermaid flowchart."""

from __future__ import annotations

from local_azure.cli.output.pipeline_graphs import as_mermaid, as_text
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.language.tree import fields_of, from_plain

PIPELINE = {
    "stages": [
        {"stage": "Build", "displayName": 'Build & "check" <it>', "jobs": [{"job": "make"}]},
        {
            "stage": "Release",
            "condition": "and(succeeded(),\n  true)",
            "jobs": [{"deployment": "ship", "environment": "production"}, {"job": "wait", "pool": "server"}],
        },
    ]
}


def test_text_has_a_line_a_stage_and_a_job() -> None:
    assert as_text(Pipeline(fields_of(from_plain(PIPELINE)))).splitlines() == [
        "stage Build",
        "  job make",
        "stage Release after Build if and(succeeded(), true)",
        "  deployment to production: ship",
        "  server job wait",
    ]


def test_titles_are_escaped_in_the_labels_of_a_flowchart() -> None:
    assert as_mermaid(Pipeline(fields_of(from_plain(PIPELINE)))).splitlines() == [
        "flowchart LR",
        '  Build["<b>Build &amp; &quot;check&quot; &lt;it&gt;</b><br/>job make"]',
        '  Release["<b>Release</b><br/>deployment to production: ship<br/>server job wait"]',
        "  Build -->|approval: production| Release",
    ]
