"""The variables of a running job, and the masks of secrets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.agent.variables import (
    MOST_INSERTED_CHARACTERS,
    MOST_INSERTIONS,
    MOST_VARIABLES,
    VariableTable,
)
from local_azure.pipelines.run.logging_commands import MOST_OUTPUTS

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


def test_variables_that_hold_others_twice_do_not_grow_without_end() -> None:
    table = VariableTable(Masker())
    for level in range(40):
        table.declare(f"v{level}", f"$(v{level + 1})$(v{level + 1})")
    table.declare("v40", "x" * 1000)
    started = time.monotonic()
    assert len(table.expand("$(v0)")) <= MOST_INSERTED_CHARACTERS + 20 * MOST_INSERTIONS
    assert len(table.environment()) == 41
    assert len(table.fields()) == 41
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(("value", "most"), [("", MOST_INSERTIONS), ("x" * 1024, MOST_INSERTED_CHARACTERS // 1024)])
def test_at_the_cap_of_insertions_macros_are_replaced_and_above_it_they_stay(value: str, most: int) -> None:
    table = VariableTable(Masker())
    table.declare("v", value)
    assert table.expand("$(v)" * most) == value * most
    assert table.expand("$(v)" * (most + 1)) == value * most + "$(v)"


def test_a_variable_that_holds_another_twice_is_capped_alike() -> None:
    table = VariableTable(Masker())
    table.declare("a", "$(b)$(b)")
    table.declare("b", "x" * (MOST_INSERTED_CHARACTERS // 2 - len("$(b)$(b)")))
    assert table.expand("$(a)") == 2 * table.expand("$(b)")
    table.declare("b", "x" * (MOST_INSERTED_CHARACTERS // 2))
    assert table.expand("$(a)") == table.expand("$(b)") + "$(b)"


def test_caps_of_variables_and_outputs(run: Run) -> None:
    table = VariableTable(Masker())
    for number in range(MOST_VARIABLES):
        table.set(str(number), "", secret=False, readonly=False)
    table.set("0", "again", secret=False, readonly=False)
    with pytest.raises(ValueError, match="at most 10000 per job"):
        table.set("more", "", secret=False, readonly=False)
    script = 'for i in $(seq COUNT); do echo "##vso[task.setvariable variable=v$i;isOutput=true]$i"; done'
    for count, code in ((MOST_OUTPUTS, 0), (MOST_OUTPUTS + 1, 1)):
        yaml = f"steps:\n- bash: '{script.replace('COUNT', str(count))}'\n  name: many\n"
        assert run(yaml).code == code
