"""What a file may become: its tree without directives, with the branches of an `if` as alternatives.

Lists need no alternatives, because the schema says nothing about their items together: the items of all branches
stand in one list. A mapping becomes one alternative for each branch. What all alternatives share is deep in the first
one only, so that the whole is not larger than the file, whatever its directives.
"""

from __future__ import annotations

from typing import TypeAlias

from local_azure.pipelines.expand.directives import branches_of, directive_of
from local_azure.pipelines.language.reader import EXPRESSION
from local_azure.pipelines.language.tree import NOWHERE, Fields, Items, PipelineError, Text, Value, location_of

# Alternatives of one mapping; above it the file is refused.
MOST_ALTERNATIVES = 100

_Pairs: TypeAlias = list[tuple[Text, Value]]


class EachOf(Items):
    """The alternatives of one value, each of which must be valid by itself."""


def alternatives(value: Value) -> Value:
    """Return the tree without directives; raises PipelineError where a mapping has too many alternatives."""
    if isinstance(value, Fields):
        choices = _choices(value)
        if len(choices) == 1:
            return Fields(choices[0], value.location)
        return EachOf([Fields(pairs, value.location) for pairs in choices], value.location)
    if isinstance(value, Items):
        flat = Items(location=value.location)
        for item in value:
            flat += _items(item)
        return flat
    return value


def _items(item: Value) -> list[Value]:
    """Return the items that one item of a list may become."""
    branches = branches_of(item)
    if not isinstance(item, Fields) or not branches:
        return [alternatives(item)]
    found: list[Value] = []
    pairs: _Pairs = []
    for directive, body in branches:
        if isinstance(body, Items):
            content = alternatives(body)
            found += content if isinstance(content, Items) else []
            continue
        # What only the expansion knows may be an item of its own, or keys of one item with the mappings.
        pairs.append((directive.key, body))
        if not isinstance(body, Fields):
            found.append(body)
    if any(isinstance(body, Fields) for _, body in pairs):
        found.append(alternatives(Fields(pairs, item.location)))
    return found


def _choices(fields: Fields) -> list[_Pairs]:
    """Return the alternatives of a mapping as lists of pairs."""
    segments = _segments(fields)
    varying = [i for i, segment in enumerate(segments) if segment.varies]
    if not varying:
        return [[pair for segment in segments for pair in segment.options[0]]]
    found: list[_Pairs] = []
    for i in varying:
        for option in segments[i].options:
            if len(found) == MOST_ALTERNATIVES:
                text = (
                    f"This mapping has more than {MOST_ALTERNATIVES} combinations of conditional branches. Use fewer."
                )
                raise PipelineError(fields.location, text)
            found.append(_alternative(segments, i, option, first=not found))
            if len(varying) > 1:
                found[-1].append((Text("${{ if }}", fields.location), _dynamic(fields)))
    return found


class _Segment:
    """A pair, or an `if` with its `elseif` and `else`: the lists of pairs that it may become."""

    def __init__(self, options: list[_Pairs], *, varies: bool) -> None:
        self.options = options
        self.varies = varies or len(options) > 1


def _segments(fields: Fields) -> list[_Segment]:
    segments: list[_Segment] = []
    for key, value in fields:
        directive = directive_of(key)
        if directive is None:
            segments.append(_Segment([[(key, alternatives(value))]], varies=False))
            continue
        # A body that only the expansion knows stays under its directive: a key that may be any key.
        options: list[_Pairs] = _choices(value) if isinstance(value, Fields) else [[(key, _dynamic(fields))]]
        if directive.word == "each" and len(options) > 1:  # other turns of the loop may take other branches
            options = [[*option, (key, _dynamic(fields))] for option in options]
        if directive.word in ("elseif", "else") and segments:
            segments[-1] = _Segment(segments[-1].options + options, varies=True)
        else:
            segments.append(_Segment(options, varies=directive.word == "if"))
    return segments


def _alternative(segments: list[_Segment], varied: int, option: _Pairs, *, first: bool) -> _Pairs:
    """Return the pairs of a mapping in which one segment has become one of its options."""
    pairs: _Pairs = []
    for i, segment in enumerate(segments):
        if i == varied:
            pairs += option
        elif not segment.varies:
            pairs += segment.options[0] if first else map(_shallow, segment.options[0])
    return pairs


def _shallow(pair: tuple[Text, Value]) -> tuple[Text, Value]:
    """Return the pair without what is deeper than a mapping of texts."""
    key, value = pair
    flat = isinstance(value, Fields) and all(isinstance(part, str) for _, part in value)
    return pair if flat or isinstance(value, str) else (key, _dynamic(value))


def _dynamic(value: Value) -> Text:
    """Return a text in place of a value that is not to be checked."""
    return Text(f"{EXPRESSION} }}}}", location_of(value, NOWHERE))
