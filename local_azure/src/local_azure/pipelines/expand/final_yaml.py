"""The expanded pipeline in the shape that the service shows as `finalYaml`, as text."""

import yaml

from local_azure.pipelines.language.tree import Fields, Items, Text, Value, to_plain

# The tasks that short forms of steps stand for, with the input that takes the value of the first key.
_SHORT_FORMS = {
    "script": ("CmdLine@2", "script"),
    "bash": ("Bash@3", "script"),
    "checkout": ("6d15af64-176c-496d-b583-fd2ae21d4df4@1", "repository"),
    "download": ("30f35852-3f7e-4c0c-9a88-e127b4f97211@1", "alias"),
    "publish": ("ecdc45f6-832d-4ad9-b52b-ee49e94659be@1", "path"),
}
_STEP_FIELDS = (
    "condition",
    "continueOnError",
    "displayName",
    "enabled",
    "env",
    "name",
    "retryCountOnTaskFailure",
    "target",
    "timeoutInMinutes",
)


class _Dumper(yaml.Dumper):
    """Writes every scalar plainly where YAML allows it, several lines as a block."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (a table of the base class, emptied: no text looks like a number)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  (the base class's signature)
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _write_text(dumper: yaml.Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)


def final_yaml(tree: Fields) -> str:
    """Return the text of an expanded pipeline in the service's shape."""
    return yaml.dump(to_plain(_shape(tree)), Dumper=_Dumper, sort_keys=False, width=4096, allow_unicode=True)


def _shape(value: Value, key: str = "") -> Value:
    if isinstance(value, Items):
        parts = map(_full_step, value) if key == "steps" else value
        return Items([_shape(part) for part in parts])
    if isinstance(value, Fields):
        return Fields([(name, _shape(part, name)) for name, part in value])
    return Fields([(Text("name"), value)]) if key == "environment" else value


def _full_step(step: Value) -> Value:
    """Convert a short form of a step to the task that it stands for."""
    if not isinstance(step, Fields) or not step or step[0][0] not in _SHORT_FORMS:
        return step
    word, main_value = step[0]
    task, main_input = _SHORT_FORMS[word]
    inputs = Fields()
    if word == "bash":
        inputs.append((Text("targetType"), Text("inline")))
    inputs.append((Text(main_input), main_value))
    kept = Fields()
    for key, value in step:
        if key in _STEP_FIELDS:
            kept.append((key, value))
        elif key != word:
            inputs.append((_input_name(word, key), value))
    if word == "download" and main_value == "none":
        kept.append((Text("condition"), Text("false")))
    return Fields([(Text("task"), Text(task)), *kept, (Text("inputs"), inputs)])


def _input_name(word: str, key: Text) -> Text:
    return Text("artifactName") if (word, key) == ("publish", "artifact") else key
