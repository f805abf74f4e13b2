"""The outcome of a pipeline run is recorded once: what an earlier step has recorded stands."""

from __future__ import annotations

from azure_ml.step_run import StepRun


class Pipeline:
    """The run of a pipeline, whose properties are written once."""

    def __init__(self) -> None:
        self.properties: dict[str, str] = {}
        self.tags: dict[str, str] = {}

    def get_properties(self) -> dict[str, str]:
        return self.properties

    def add_properties(self, properties: dict[str, str]) -> None:
        assert self.properties.keys().isdisjoint(properties)
        self.properties |= properties

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags


def test_the_first_outcome_stands() -> None:
    run, pipeline = StepRun(), Pipeline()
    run.__dict__["_pipeline"] = pipeline

    assert run.record("kept", "margin", {"decision_sha256": "abc"}) is None
    assert run.record("failed", "error", {}) == "kept"
    assert pipeline.properties == {"outcome": "kept", "reason": "margin", "decision_sha256": "abc"}
    assert pipeline.tags == {"outcome": "kept", "reason": "margin"}


def test_who_overrides_the_gate_and_why_are_tags_in_plain_words() -> None:
    run, pipeline = StepRun(), Pipeline()
    run.__dict__["_pipeline"] = pipeline
    override = {"override_by": "A. Turing", "override_reason": "new tariff"}

    assert run.record("accepted", "override", {"decision_sha256": "abc", **override}) is None
    assert pipeline.tags == {"outcome": "accepted", "reason": "override", **override}
    assert pipeline.properties == {**pipeline.tags, "decision_sha256": "abc"}
