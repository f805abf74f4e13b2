"""What a stranger's pipeline may cost: each cap is met without a fault, and refused above with its location."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.expand.expansion import expand
from local_azure.pipelines.expand.model import Pipeline
from local_azure.pipelines.expand.queue_variables import MOST_CHARACTERS
from local_azure.pipelines.language import limits
from local_azure.pipelines.language.evaluation import evaluate
from local_azure.pipelines.language.grammar import parse
from local_azure.pipelines.language.reader import read_text
from local_azure.pipelines.language.tree import Items, Location, PipelineError, Problem, Text, Value
from local_azure.pipelines.language.values import ExpressionError

Write = Callable[..., Path]
Faults = Callable[..., list[str]]

ROOT = Path(__file__).resolve().parents[3]


def _refusal(text: str) -> str:
    with pytest.raises(PipelineError) as caught:
        read_text(text, "a.yml")
    return str(caught.value)


# -- files


def test_the_size_of_a_file() -> None:
    filled = "a: b\n#" + "é" * ((limits.MOST_FILE_BYTES - 6) // 2)
    assert len(filled.encode()) == limits.MOST_FILE_BYTES
    assert read_text(filled, "a.yml") is not None
    assert (
        _refusal(filled + "x")
        == f"a.yml:1: a.yml is larger than {limits.MOST_FILE_BYTES} bytes. Split it into templates."
    )


def test_a_file_is_not_read_beyond_its_cap(write: Write) -> None:
    file = write("steps: [{bash: echo}]\n")
    with file.open("ab") as opened:
        opened.truncate(10 * limits.MOST_FILE_BYTES)
    (found,) = [str(problem) for problem in expand(file).problems]
    assert "is larger than" in found


def test_the_values_of_a_file() -> None:
    def listed(count: int) -> str:
        return "\n".join(["- a"] * (count - 1))  # the list itself is one

    assert len(read_text(listed(limits.MOST_FILE_NODES), "a.yml") or ()) == limits.MOST_FILE_NODES - 1  # type: ignore[arg-type]
    assert _refusal(listed(limits.MOST_FILE_NODES + 1)).startswith(
        f"a.yml:{limits.MOST_FILE_NODES}: a.yml holds more"
    )


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_the_depth_of_a_file(opens: str, closes: str) -> None:
    assert read_text(opens * limits.MOST_DEPTH + "x" + closes * limits.MOST_DEPTH, "a.yml")
    deeper = limits.MOST_DEPTH + 1
    assert "nested more than 100 levels deep" in _refusal(opens * deeper + "x" + closes * deeper)
    assert "a.yml:1: " in _refusal(opens * 100_000)


@pytest.mark.parametrize("text", ["a: &x b", "a: *x", "a: {<<: b}", "- &x [*x, *x]"])
def test_anchors_aliases_and_merges_are_refused(text: str) -> None:
    assert "not supported by the service" in _refusal(text)


def test_a_parameter_of_the_command_line_has_the_same_caps(write: Write) -> None:
    file = write("parameters: [{name: p, type: object}]\nsteps: [{bash: echo}]\n")
    for given, message in (("[" * 200_000, "levels"), ("[" + "a" * limits.MOST_FILE_BYTES + "]", "larger than")):
        (found,) = [str(problem) for problem in expand(file, {"p": given}).problems]
        assert message in found or "nesting depth" in found


# -- expressions


def test_the_length_of_an_expression() -> None:
    def padded(length: int) -> str:
        return "'" + "a" * (length - 2) + "'"

    assert parse(padded(limits.MOST_EXPRESSION_CHARACTERS), ())
    with pytest.raises(ExpressionError, match="may have 21000 characters, not 21001"):
        parse(padded(limits.MOST_EXPRESSION_CHARACTERS + 1), ())


@pytest.mark.parametrize(("opens", "closes"), [("not(", ")"), ("a[", "]")])
def test_the_depth_of_an_expression(opens: str, closes: str) -> None:
    # The innermost value is a level too; an index opens two.
    levels = limits.MOST_EXPRESSION_DEPTH - 1 if opens == "not(" else (limits.MOST_EXPRESSION_DEPTH - 1) // 2
    assert parse(opens * levels + "1" + closes * levels, ("a",))
    with pytest.raises(ExpressionError, match="nested more than 50 levels deep"):
        parse(opens * (levels + 1) + "1" + closes * (levels + 1), ("a",))


def test_a_long_path_is_deep_too() -> None:
    assert parse("a" + ".b" * (limits.MOST_EXPRESSION_DEPTH - 1), ("a",))
    with pytest.raises(ExpressionError, match="nested more than 50 levels deep"):
        parse("a" + ".b" * limits.MOST_EXPRESSION_DEPTH, ("a",))


@pytest.mark.parametrize("digits", ["1" * 200, "0x" + "F" * 198, "1." + "2" * 196 + ".3"])
def test_the_digits_of_a_number(digits: str) -> None:
    evaluate(parse(digits, ()), {})
    with pytest.raises(ExpressionError, match="A number may have 200 digits"):
        parse(digits + "1", ())


def test_texts_that_are_no_numbers_are_said_to_be_none() -> None:
    for text in ("0xZZ", "²", "1" * 5000, "0x" + "F" * 5000, "1e" + "9" * 5000):
        with pytest.raises(ExpressionError, match="is not a number"):
            evaluate(parse("lt(1, p)", ("p",)), {"p": Text(text)})


FULL = Text("a" * limits.MOST_TEXT_CHARACTERS)


@pytest.mark.parametrize(
    ("at_the_cap", "above"),
    [
        ("format('{0}', p)", "format('{0}{0}', p)"),
        ("replace(p, 'a', 'b')", "replace(p, 'a', 'bb')"),
        ("join('', l)", "join(',', l)"),
        ("split(p, 'x')", "split(p, 'a')"),
        ("length(p)", "convertToJson(p)"),
    ],
)
def test_a_function_makes_no_text_or_list_without_end(at_the_cap: str, above: str) -> None:
    halves: list[Value] = [Text("a" * (limits.MOST_TEXT_CHARACTERS // 2))] * 2
    contexts: dict[str, Value] = {"p": FULL, "l": Items(halves)}
    assert evaluate(parse(at_the_cap, ("p", "l")), contexts)
    with pytest.raises(ExpressionError, match="shorter"):
        evaluate(parse(above, ("p", "l")), contexts)


def test_the_separators_of_split() -> None:
    contexts: dict[str, Value] = {"p": Text("a-b"), "s": Text("-" * limits.MOST_SEPARATORS)}
    assert evaluate(parse("split(p, s)", ("p", "s")), contexts) == ["a", "b"]
    contexts["s"] = Text("-" * (limits.MOST_SEPARATORS + 1))
    with pytest.raises(ExpressionError, match="takes 100 separators, not 101"):
        evaluate(parse("split(p, s)", ("p", "s")), contexts)


# -- templates and expansion


def _chain(length: int) -> dict[str, str]:
    """Templates that include each other in a row, each behind two directives."""
    files = {f"t{i}.yml": _including(f"t{i + 1}.yml") for i in range(1, length)}
    return files | {f"t{length}.yml": "steps: [{bash: end}]\n"}


def _including(name: str) -> str:
    return f"steps:\n- ${{{{ if true }}}}:\n  - ${{{{ if true }}}}:\n    - template: {name}\n"


def test_the_number_of_files_and_of_levels(faults: Faults) -> None:
    assert faults(_including("t1.yml"), **_chain(limits.MOST_FILES - 1)) == []
    found = faults(_including("t1.yml"), **_chain(limits.MOST_FILES))
    assert any("More than 100 files are included" in fault for fault in found), found
    recursive = {"t1.yml": _including("t1.yml")}
    assert any("more than 100 levels deep" in fault for fault in faults(_including("t1.yml"), **recursive))


def test_directives_and_templates_inside_each_other(faults: Faults) -> None:
    levels = 45  # each is a list and a mapping of the file
    deep = "steps:\n" + "".join(f"{'  ' * i}- ${{{{ if true }}}}:\n" for i in range(levels))
    deep += "  " * levels + "- template: t.yml\n"
    found = faults(deep, **{"t.yml": deep})
    assert len(found) == 1
    assert f"directives and templates are nested more than {limits.MOST_NESTING} levels deep" in found[0]


LOOP = """\
parameters:
- {name: list, type: object, default: [LIST]}
steps:
- bash: echo
- ${{ each a in parameters.list }}:
  - ${{ each b in parameters.list }}:
    - ${{ each c in parameters.list }}:
      - BODY
"""


@pytest.mark.parametrize(
    "body",
    [
        "bash: echo",
        "${{ if false }}:\n        - bash: echo",
        "${{ parameters.list }}",
        "${{ each d in parameters.list }}: []",
    ],
)
def test_loops_inside_loops(faults: Faults, body: str) -> None:
    small = LOOP.replace("BODY", "bash: echo").replace("LIST", ", ".join("x" * 10))
    assert faults(small) == []
    (found,) = faults(LOOP.replace("BODY", body).replace("LIST", ", ".join("x" * 100)))
    assert f"costs more than {limits.MOST_EXPANSION_WORK} work units" in found
    assert found.startswith("azure-pipelines.yml:")


def test_values_that_double_at_every_level(faults: Faults) -> None:
    names = range(40)
    text = "variables:\n  v0: xxxxxxxxxx\n" + "".join(
        f"  v{i + 1}: ${{{{ variables.v{i} }}}}${{{{ variables.v{i} }}}}\n" for i in names
    )
    found = faults(text + "steps: [{bash: echo}]\n")
    assert f"longer than {limits.MOST_TEXT_CHARACTERS} characters" in found[0]
    template = "parameters: [{name: p, type: object}, {name: n, type: number}]\nsteps:\n" + (
        "- ${{ if lt(parameters.n, 60) }}:\n  - template: t.yml\n    parameters:\n"
        "      n: ${{ length(format('{0}', replace(parameters.n, 'x', ''))) }}\n"
        "      p: ['${{ parameters.p }}', '${{ parameters.p }}']\n"
    )
    found = faults("steps: [{template: t.yml, parameters: {p: [x], n: 1}}]\n", **{"t.yml": template})
    assert any("work units" in fault or "levels deep" in fault for fault in found), found


def test_variables_of_an_environment_that_double(write: Write) -> None:
    variables = "".join(f"  v{i}: $(v{i + 1})$(v{i + 1})\n" for i in range(40)) + "  v40: xxxxxxxxxx\n"
    strategy = "  strategy: {runOnce: {deploy: {steps: [{bash: echo}]}}}\n"
    file = write(f"variables:\n{variables}jobs:\n- deployment: d\n  environment: $(v0)\n{strategy}")
    environment = Pipeline(expand(file).tree).stages[0].jobs[0].environment
    assert environment is not None
    assert len(environment) <= MOST_CHARACTERS
    assert any("cannot be resolved" in str(problem) for problem in check(file)[1])


# -- the expanded pipeline


def _jobs(count: int) -> str:
    return "jobs:\n" + "".join(f"- {{job: J{i}, steps: [{{bash: echo}}]}}\n" for i in range(count))


def test_the_number_of_jobs_and_variables(faults: Faults) -> None:
    assert faults(_jobs(limits.MOST_JOBS)) == []
    (found,) = faults(_jobs(limits.MOST_JOBS + 1))
    assert "has 1001 jobs; local_azure handles at most 1000" in found
    stages = "".join(
        f"- {{stage: S{i}, jobs: [{{job: J, steps: [{{bash: echo}}]}}]}}\n" for i in range(limits.MOST_JOBS + 1)
    )
    assert "has 1001 stages" in faults("stages:\n" + stages)[0]

    def variables(count: int) -> str:
        return "variables:\n" + "".join(f"  v{i}: x\n" for i in range(count)) + "steps: [{bash: echo}]\n"

    assert faults(variables(limits.MOST_VARIABLES)) == []
    (found,) = faults(variables(limits.MOST_VARIABLES + 1))
    assert "has 5001 variables; local_azure handles at most 5000" in found


def test_the_number_of_faults(faults: Faults) -> None:
    def wrong(count: int) -> str:
        return "steps:\n- bash: echo\n" + "".join(f"- bash: ${{{{ parameters.p{i} }}}}\n" for i in range(count))

    assert len(faults(wrong(limits.MOST_FAULTS))) == limits.MOST_FAULTS
    found = faults(wrong(limits.MOST_FAULTS + 1))
    assert len(found) == limits.MOST_FAULTS + 1
    assert f"More than {limits.MOST_FAULTS} errors" in found[-1]


# -- messages


def test_a_message_quotes_no_megabyte_and_nothing_that_is_obeyed(faults: Faults) -> None:
    (found,) = faults("steps:\n- bash: echo\n  timeoutInMinutes: " + "9" * 500_000 + "\n")
    assert len(found) < 1_200
    assert found.endswith("This value cannot contain variables.")
    shown = str(Problem(Location("a\x1b[2J.yml", 1), "x\n##vso[task.complete result=Failed]\x07\u202e"))
    assert shown == "a\\x1b[2J.yml:1: x\\n# #vso[task.complete result=Failed]\\x07\\u202e"


def test_every_cap_is_documented() -> None:
    documented = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    for name in [name for name in dir(limits) if name.startswith("MOST_")]:
        assert f"`{name}`" in documented, name
