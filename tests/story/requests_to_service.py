"""Requests that a service of ours refuses, as bytes: status, field or nothing, and a part of the message."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

JSON = "application/json"
DEEP = "[" * 100_000 + "]" * 100_000


@dataclass(frozen=True)
class Refused:
    """One request. body: sent as it is; status, place and said: of the refusal."""

    status: int
    said: str
    body: bytes | str = b'{"horizon": 3}'
    place: str | None = None
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


def asked(rest: str) -> str:
    """A request with more than a horizon."""
    return f'{{"horizon": 3, {rest}}}'


def history(entries: str, name: str) -> str:
    """A request with a history of one series."""
    return asked(f'"history": {{"{name}": {entries}}}')


def of_the_protocol() -> list[Refused]:
    """What no model is asked for."""
    plain = {"Content-Type": JSON}
    return [
        Refused(405, "use POST", b"", method="GET", headers={}),
        Refused(415, JSON, headers={"Content-Type": "text/plain"}),
        Refused(415, JSON, headers={"Content-Type": "application/x-www-form-urlencoded"}),
        Refused(415, JSON, headers={}),
        Refused(415, "Content-Encoding", headers={**plain, "Content-Encoding": "gzip"}),
        Refused(413, "1048576", b'{"horizon": 3' + b" " * 2**20 + b"}"),
        Refused(400, "expected a JSON object", b""),
        Refused(400, "expected a JSON object", '{"horizon": '),
        Refused(400, "expected a JSON object", b'{"horizon": 3, "\xff": 1}'),
        Refused(400, "not a JSON object", "[3]"),
        Refused(400, "not a JSON object", "3"),
        Refused(400, "occurs twice", '{"horizon": 1, "horizon": 2}'),
        Refused(400, "occurs twice", asked('"history": {"a": [], "a": []}')),
        Refused(400, "NaN is not a finite number", '{"horizon": NaN}'),
        Refused(400, "Infinity is not a finite number", '{"horizon": -Infinity}'),
        Refused(400, "1e999 is not a finite number", '{"horizon": 1e999}'),
        Refused(400, "expected a JSON object", '{"horizon": ' + "9" * 5000 + "}"),
        Refused(400, "expected a JSON object", f'{{"horizon": {DEEP}}}'),
        Refused(400, "expected a JSON object", '{"a":' * 50_000 + "1" + "}" * 50_000),
    ]


def of_the_horizon() -> list[Refused]:
    """A horizon that is none."""
    wrong = ("0", "-3", "367", "true", "false", "3.0", '"3"', "null", "[3]", '{"days": 3}', "1" + "0" * 300)
    made = [Refused(422, "from 1 to 366", f'{{"horizon": {value}}}', "horizon") for value in wrong]
    unknown = Refused(422, "only horizon, series, history", asked('"model": "../x"'), "unknown field model")
    return [*made, Refused(422, "from 1 to 366", "{}", "horizon"), unknown]


def of_series_and_history(name: str, least: int) -> list[Refused]:
    """Names and histories that a model refuses. name: of one of its series; least: days that its recipe needs."""
    path = f"history.{name}"
    short = f"a list of {least} to 1500 days"
    return [
        Refused(422, f"such as {name}", asked('"series": []'), "series"),
        Refused(422, "a list of names", asked(f'"series": "{name}"'), "series"),
        Refused(422, "names of series", asked('"series": ["nobody"]'), "series"),
        Refused(422, "names of series", asked('"series": [true]'), "series"),
        Refused(422, "each name once", asked(f'"series": ["{name}", "{name}"]'), "series"),
        Refused(422, "expected", asked('"history": null'), "history"),
        Refused(422, "names of series", asked('"history": {}'), "history"),
        Refused(422, "names of series", asked('"history": {"": []}'), "history"),
        Refused(422, "an object", asked(f'"history": ["{name}"]'), "history"),
        Refused(422, short, history("[]", name), path),
        Refused(422, short, history("3", name), path),
        Refused(422, short, history(long_history(3), name), path),
    ]


def of_the_days(name: str, days_needed: int) -> list[Refused]:
    """Days of a history that cannot be used; each body is long enough for the recipe."""
    path = f"history.{name}[1]"
    long = _long(days_needed)

    def second(entry: str) -> str:
        return history(f"[{long[0]}, {entry}, {', '.join(long[2:])}]", name)

    bound, later = "a number from 0 to 1e+15", "2013-01-02"
    return [
        Refused(422, "the day after the one before", second('{"date": "2013-01-03", "value": 1}'), f"{path}.date"),
        Refused(422, "the day after the one before", second('{"date": "2013-01-01", "value": 1}'), f"{path}.date"),
        Refused(422, "YYYY-MM-DD", second('{"date": "20130102", "value": 1}'), f"{path}.date"),
        Refused(422, "YYYY-MM-DD", second('{"date": "2013-02-30", "value": 1}'), f"{path}.date"),
        Refused(422, "YYYY-MM-DD", second('{"date": "9999-12-31", "value": 1}'), f"{path}.date"),
        Refused(422, "YYYY-MM-DD", second('{"date": 20130102, "value": 1}'), f"{path}.date"),
        Refused(422, "date and value", second("[1, 2]"), path),
        Refused(422, "date and value", second('{"date": "2013-01-02"}'), path),
        Refused(422, "date and value", second('{"date": "2013-01-02", "value": 1, "unit": 1}'), path),
        *(
            Refused(422, bound, second(f'{{"date": "{later}", "value": {value}}}'), f"{path}.value")
            for value in ("-0.5", "2e15", "true", "null", '"1"', "[1]", "1" + "0" * 400)
        ),
    ]


def _long(count: int) -> list[str]:
    return [
        f'{{"date": "{(date(2013, 1, 1) + timedelta(days=number)).isoformat()}", "value": {number % 7}}}'
        for number in range(count)
    ]


def long_history(count: int) -> str:
    """Days from 2013-01-01, the value of each its number modulo 7."""
    return f"[{', '.join(_long(count))}]"
