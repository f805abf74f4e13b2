"""The filter language of run and experiment queries (OData as the SDK writes it) and its translation to SQL.

    condition  = alternative { "or" alternative }      alternative = primary { "and" primary }
    primary    = "(" condition ")" | field operator value
    operator   = eq | ne | ge | gt | le | lt           value = null | word | time | "text" | 'text'

Values and names reach SQLite as bound parameters only. Source: azureml/_restclient/_odata. The client does not escape
quotes inside a text, so a text ends at a quote that is followed by `)`, `and`, `or` or the end; and it does not quote
the tag values of experiments at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.errors import ApiError, bad_request, not_implemented

Parameter = str | int | None
Kind = Literal["text", "time", "number", "flag"]

_OPERATORS = {"eq": "IS", "ne": "IS NOT", "ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_MAPS = {"tags": "$.tags", "properties": "$.properties"}
_TRAITS = "runtypev2/traits/"

MAX_FILTER_CHARS = 64 * 1024
MAX_FILTER_TERMS = 500  # SQLite reads a chain of 1,000 at most
MAX_FILTER_DEPTH = 50  # of brackets
_KEYED_HEAD = re.compile(r"\s*(?=(?:tags|properties|runtypev2/traits)/)", re.I)
_OPERATOR_AHEAD = re.compile(r"\s(?:eq|ne|ge|gt|le|lt)\s", re.I)
_VALUE_END = re.compile(r"\)|\s(?:and|or)\b", re.I)
_OPENING, _CLOSING = re.compile(r"\s*\("), re.compile(r"\s*\)")
_FIELD = re.compile(r"\s*([^\s()\"']+)\s+")
_OPERATOR = re.compile(r"(\w+)\s+")
_END = r"(?=\s*\)|\s+(?:and|or)\b|\s*$)"
_TEXT = re.compile(rf"\"(.*?)\"{_END}|'(.*?)'{_END}", re.I | re.S)
_WORD = re.compile(r"[^\s()\"']+(?:\s\d{2}:\d{2}[^\s()]*)?")  # a time may have a blank before its hours
_CONJUNCTION = re.compile(r"\s*(and|or)\b", re.I)
_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Column:
    """What a field is in SQL, and how its values are written."""

    sql: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Condition:
    """An SQL condition with its parameters; `parent` when it holds for children of that run only."""

    sql: str
    parameters: tuple[Parameter, ...] = ()
    parent: str | None = None


def _json(key: str, kind: Kind = "text") -> Column:
    return Column(f"json_extract(doc, '$.{key}')", kind)


# `+` keeps SQLite from walking the index of the workspace's top-level runs for `ParentRunId eq null`.
_RUN_COLUMNS = {
    "runid": Column("id"),
    "parentrunid": Column("+nullif(parent, '')"),
    "rootrunid": _json("rootRunId"),
    "experimentid": _json("experimentId"),
    "status": _json("status"),
    "runtype": _json("runType"),
    "target": _json("target"),
    "name": _json("name"),
    "displayname": _json("displayName"),
    "description": _json("description"),
    "scriptname": _json("scriptName"),
    "datacontainerid": _json("dataContainerId"),
    "userid": _json("userId"),
    "runtypev2/orchestrator": _json("runTypeV2.orchestrator"),
    "createdutc": _json("createdUtc", "time"),
    "starttimeutc": _json("startTimeUtc", "time"),
    "endtimeutc": _json("endTimeUtc", "time"),
    "runnumber": _json("runNumber", "number"),
    "hidden": _json("hidden", "flag"),
}

_EXPERIMENT_COLUMNS = {
    "experimentid": Column("id"),
    "name": Column("name"),
    "description": _json("description"),
    "createdutc": _json("createdUtc", "time"),
    "archivedtime": _json("archivedTime", "time"),
}
# Of a value `v` of a metric `m`.
_METRIC_COLUMNS = {
    "runid": Column("v.run_id"),
    "name": Column("v.name"),
    "metrictype": Column("json_extract(m.properties, '$.uxMetricType')"),
    "createdutc": Column("v.created", "time"),
}
_COLUMNS = {"run": _RUN_COLUMNS, "experiment": _EXPERIMENT_COLUMNS, "metric": _METRIC_COLUMNS}


def column(kind: str, field: str) -> Column:
    """The column of a field of a run, experiment or metric, whatever its case; raises a 400 for an unknown one."""
    found = _COLUMNS[kind].get(field.lower())
    if found is None:
        raise not_implemented(f"the field '{field}' in a query of {kind}s")
    return found


def parse(kind: str, text: str | None) -> Condition:
    """Translate a filter; raises a 400 naming what is unknown or where it cannot be read."""
    if not text or not text.strip():
        return Condition("1")
    if len(text) > MAX_FILTER_CHARS:
        raise _too_much(f"has {len(text)} characters", f"{MAX_FILTER_CHARS}")
    return _Parser(kind, text).whole()


def _too_much(found: str, most: str) -> ApiError:
    return bad_request(
        f"The filter {found}; at most {most} are read. Ask for less at a time, or filter what comes back.",
        "InvalidFilter",
    )


class _Parser:
    """Recursive descent over one filter text; every part of the text is read once."""

    def __init__(self, kind: str, text: str) -> None:
        self._kind = kind
        self._text = text
        self._at = 0
        self._terms = 0
        self._depth = 0

    def whole(self) -> Condition:
        condition = self._condition()
        if self._text[self._at :].strip():
            raise self._unreadable()
        return condition

    def _unreadable(self) -> ApiError:
        rest = self._text[self._at :].strip() or "the end"
        shown, rest = _shortened(self._text), _shortened(rest)
        return bad_request(f"The filter '{shown}' cannot be read at: {rest}", "InvalidFilter")

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if not found:
            return None
        self._at = found.end()
        return next((group for group in found.groups() if group is not None), found.group())

    def _follows(self, word: str) -> bool:
        found = _CONJUNCTION.match(self._text, self._at)
        if not found or found[1].lower() != word:
            return False
        self._at = found.end()
        return True

    def _condition(self) -> Condition:
        parts = [self._alternative()]
        while self._follows("or"):
            parts.append(self._alternative())
        return parts[0] if len(parts) == 1 else _joined("OR", parts, None)

    def _alternative(self) -> Condition:
        parts = [self._primary()]
        while self._follows("and"):
            parts.append(self._primary())
        parent = next((part.parent for part in parts if part.parent), None)
        return parts[0] if len(parts) == 1 else _joined("AND", parts, parent)

    def _primary(self) -> Condition:
        if self._take(_OPENING):
            return self._bracketed()
        self._terms += 1
        if self._terms > MAX_FILTER_TERMS:
            raise _too_much(f"has more than {MAX_FILTER_TERMS} comparisons", f"{MAX_FILTER_TERMS}")
        keyed = self._keyed_field()
        field = keyed or self._take(_FIELD)
        operator = self._take(_OPERATOR)
        if field is None or operator is None:
            raise self._unreadable()
        if operator.lower() not in _OPERATORS:
            raise not_implemented(f"the operator '{operator}' in a filter of {self._kind}s")
        return _comparison(self._kind, field, operator.lower(), self._value(keyed=keyed is not None))

    def _bracketed(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_FILTER_DEPTH:
            raise _too_much(f"has brackets in more than {MAX_FILTER_DEPTH} levels", f"{MAX_FILTER_DEPTH}")
        inner = self._condition()
        if not self._take(_CLOSING):
            raise self._unreadable()
        self._depth -= 1
        return inner

    def _keyed_field(self) -> str | None:
        """The field of a tag or property, whose name may have blanks: all up to the operator."""
        head = _KEYED_HEAD.match(self._text, self._at)
        if head is None:
            return None
        operator = _OPERATOR_AHEAD.search(self._text, head.end())
        if operator is None:
            return None
        name = self._text[head.end() : operator.start()].rstrip()
        if any(sign in name for sign in '()"'):
            return None
        self._at = operator.start() + 1
        return name

    def _value(self, *, keyed: bool) -> str | None:
        text = self._take(_TEXT)
        if text is not None:
            return text
        word = self._words() if keyed else self._take(_WORD)
        if word is None:
            raise self._unreadable()
        return None if word.lower() == "null" else word

    def _words(self) -> str | None:
        """A value without quotes, which may have blanks: all up to a bracket or a conjunction."""
        found = _VALUE_END.search(self._text, self._at)
        end = found.start() if found else len(self._text)
        words = self._text[self._at : end].rstrip()
        if not words or words[0] in " \t\r\n'" or any(sign in words for sign in '()"'):
            return None
        self._at += len(words)
        return words


def _joined(word: str, parts: list[Condition], parent: str | None) -> Condition:
    sql = f" {word} ".join(part.sql for part in parts)
    return Condition(f"({sql})", tuple(value for part in parts for value in part.parameters), parent)


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _comparison(kind: str, field: str, operator: str, value: str | None) -> Condition:
    head, _, key = field.partition("/")
    if value is None and operator not in ("eq", "ne"):
        raise bad_request(f"'{field} {operator} null' has no meaning; null can be compared with eq and ne.")
    if head.lower() in _MAPS:
        # Without the key no comparison holds, not even `eq null`: so the client asks whether a tag exists.
        test = f"key = ? AND value {_OPERATORS[operator]} ?"
        parameters = (_MAPS[head.lower()], key, value)
        return Condition(f"EXISTS (SELECT 1 FROM json_each(doc, ?) WHERE {test})", parameters)  # noqa: S608 - bound
    if field.lower().startswith(_TRAITS):
        if value is not None:
            raise not_implemented(f"comparing '{field}' with a value in a filter of {kind}s")
        inside = "EXISTS (SELECT 1 FROM json_each(doc, '$.runTypeV2.traits') WHERE value = ? AND ?)"
        return Condition(inside, (field[len(_TRAITS) :], operator == "ne"))
    found = column(kind, field)
    parent = value if field.lower() == "parentrunid" and operator == "eq" else None
    return Condition(f"{found.sql} {_OPERATORS[operator]} ?", (_typed(found, field, value),), parent)


def _typed(found: Column, field: str, value: str | None) -> Parameter:
    if value is None or found.kind == "text":
        return value
    if found.kind == "time":
        return normalise_time(value)
    if found.kind == "flag" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if found.kind == "number" and _NUMBER.fullmatch(value):
        return int(value)
    raise bad_request(f"'{_shortened(value)}' is not a value for the field '{field}', which is a {found.kind}.")
