"""The variables of a running job, and the masks of secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.run.agent.masking import Masker

Run = Callable[..., Any]


def test_variables_reach_each_other_and_groups_need_values(run: Run) -> None:
    facts = QueueFacts(groups={"mine": {"SHARED": "from group"}}, variables={"ASKED": "by hand"})
    outcome = run(
        """
        variables:
        - group: mine
        - {name: A, value: $(B)-$(B)}
        - {name: B, value: b $(SHARED)}
        - {name: ROUND, value: $(ROUND)}
        steps:
        - bash: echo "$(A) / $(ASKED) / $A" '$(ROUND)' "$(lower)"
        """,
        facts=facts,
    )

    assert "b from group-b from group / by hand / b from group-b from group $(ROUND)" in outcome.logs["__default.Job"]


def test_masks_of_overlapping_secrets_become_one() -> None:
    masker = Masker()
    for secret in ("abc", "cde", "", "zz"):
        masker.add(secret)

    assert masker.mask("xabcdex abc zz z") == "x***x *** *** z"
    with pytest.raises(ValueError, match="line breaks"):
        masker.add("a\nb")
