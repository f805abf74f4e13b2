"""The expanded pipeline in the shape that the service shows as `finalYaml`, as text."""

from __future__ import annotations

import yaml

from local_azure.pipelines.tree import Fields, Items, Text, Value, to_plain

# The service writes these steps under the ids of its own tasks.
_INTERNAL = {
    "checkout": ("6d15af64-176c-496d-b583-fd2ae21d4df4@1", "repository"),
    "download": ("30f35852-3f7e-4c0c-9a88-e127b4f97211@1", "alias"),
    "publish": ("ecdc45f6-832d-4ad9-b52b-ee49e94659be@1", "path"),
}
_SCRIPTS = {"script": "CmdLine@2", "bash": "Bash@3"}
_STEP_FIELDS = (
    "condition", "continueOnError", "displayName", "enabled", "env", "name", "retryCountOnTaskFailure", "target",
    "timeoutInMinutes",
)  # fmt: skip


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
    """The text of an expanded pipeline in the service's shape."""
    shaped = to_plain(_shape(tree))
    return yaml.dump(shaped, Dumper=_Dumper, sort_keys=False, width=4096, allow_unicode=True)


def _shape(value: Value, key: str = "") -> Value:
    if isinstance(value, Items):
        return Items([_shape(_step(part) if key == "steps" else part) for part in value], value.place)
    if isinstance(value, Fields):
        return Fields([(name, _shape(_field(name, part), name)) for name, part in value], value.place)
    return value


def _field(name: Text, value: Value) -> Value:
    if name == "environment" and isinstance(value, str):
        return Fields([(Text("name", name.place), value)], name.place)
    return value


def _step(step: Value) -> Value:
    """A short form of a step as the task that it stands for."""
    if not isinstance(step, Fields) or not len(step):
        return step
    word = step.names()[0]
    place = word.place
    if word in _SCRIPTS:
        task, inputs = _SCRIPTS[word], [(Text("script", place), step.get(word))]
        if word == "bash":
            inputs.insert(0, (Text("targetType", place), Text("inline", place)))
    elif word in _INTERNAL:
        task, main_input = _INTERNAL[word]
        inputs = [(Text(main_input, place), step.get(word))]
    else:
        return step
    rest = [(key, value) for key, value in step if key in _STEP_FIELDS]
    inputs += [
        (Text("artifactName", key.place) if key == "artifact" and word == "publish" else key, value)
        for key, value in step
        if key not in _STEP_FIELDS and key != word
    ]
    if word == "download" and step.get(word) == "none":
        rest = [(key, value) for key, value in rest if key != "condition"]
        rest.append((Text("condition", place), Text("false", place)))
    return Fields(
        [(Text("task", place), Text(task, place)), *rest, (Text("inputs", place), Fields(inputs))], step.place
    )
