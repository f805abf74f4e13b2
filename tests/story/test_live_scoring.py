"""score.py under Microsoft's own server, as a service of local_azure: what it answers and everything it refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from forecasting.models.model_file import read_model
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.live_check import difference, questions
from ml_service.training.snapshots import assemble_scoring
from tests.hostile import TRACE, harm
from tests.story import requests_to_service as bad
from tests.story.live import Live, deploy
from tests.story.product import Sdk

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The scoring folder, as every service gets it."""
    return str(assemble_scoring(tmp_path_factory.mktemp("scoring")).folder)


@pytest.fixture(scope="module")
def one(services: Mapping[str, Live]) -> Live:
    """A service with a model of one series."""
    return services["paid-amount-test"]


@pytest.fixture(scope="module")
def many(services: Mapping[str, Live]) -> Live:
    """A service with one model of many series."""
    return services["product-sales-test"]


def refuses(live: Live, requests: list[bad.Refused]) -> None:
    """Every request is refused as its table says, in one form, and the service answers as before afterwards."""
    before = live.ask({"horizon": 2})
    for number, wrong in enumerate(requests):
        headers = {**wrong.headers, "x-request-id": f"call-{number}"}
        status, answer, told = live.send(wrong.method, wrong.body, headers)
        shown = (number, wrong.body[:80], status, answer)
        assert (status, set(answer)) == (wrong.status, {"error"}), shown
        error = answer["error"]
        assert wrong.said in error["message"], shown
        assert error.get("field") == wrong.place, shown
        assert ("expected" in error) == (wrong.place is not None), shown
        assert error["request_id"] == told["x-request-id"] == f"call-{number}", shown
        assert len(error["message"]) < 400, shown
    after = live.ask({"horizon": 2})
    assert before[0] == after[0] == 200
    assert before[1]["forecast"] == after[1]["forecast"]


def test_what_is_no_request_is_refused(one: Live) -> None:
    refuses(one, [*bad.of_the_protocol(), *bad.of_the_horizon()])


def test_series_and_history_that_a_model_cannot_use_are_refused(one: Live, many: Live) -> None:
    for live in (one, many):
        model = read_model(live.model).model
        needed = 56  # eight weeks of the mean of weekdays, or the 56 days of the mean of the window
        refuses(live, bad.of_series_and_history(model.keys[0], needed))
        refuses(live, bad.of_the_days(model.keys[0], needed))


def test_histories_of_several_series_must_fit_each_other(many: Live) -> None:
    first, second, *_ = read_model(many.model).model.keys
    long, longer = bad.long_history(56), bad.long_history(57)
    both = f'"history": {{"{first}": {long}, "{second}": {longer}}}'
    other = f'"series": ["{second}"], "history": {{"{first}": {long}}}'
    refuses(
        many,
        [
            bad.Refused(422, "the same days as the other series", bad.asked(both), f"history.{second}"),
            bad.Refused(422, "and no other", bad.asked(other), "history"),
        ],
    )


def test_the_answer_is_the_models_own_with_its_origin_and_intervals(one: Live) -> None:
    stored = read_model(one.model)
    for asked in questions(stored, 28):
        status, answer = one.ask(asked)
        assert (status, difference(answer, stored, asked)) == (200, None)
    status, answer = one.ask({"horizon": 28}, **{"x-request-id": "golden"})
    assert (status, answer["request_id"]) == (200, "golden")
    assert answer["data_until"] == answer["model"]["cutoff"] == "2014-05-31"
    assert answer["model"]["version"] == "1"
    for entry in answer["forecast"]:
        (low, high), (lowest, highest) = (entry["intervals"][level] for level in ("0.8", "0.95"))
        assert 0 <= lowest <= low <= entry["value"] <= high <= highest


def test_newer_history_moves_the_forecast(one: Live) -> None:
    (name,) = read_model(one.model).model.keys
    days = [date(2014, 6, 2) + timedelta(days=number) for number in range(56)]
    history = [{"date": day.isoformat(), "value": 100 * day.weekday()} for day in days]
    status, answer = one.ask({"horizon": 7, "history": {name: history}})
    assert (status, answer["data_until"]) == (200, "2014-07-27")
    assert answer["forecast"][0]["date"] == "2014-07-28"
    assert [entry["value"] for entry in answer["forecast"]] == [100.0 * day for day in range(7)]
    assert answer["model"]["cutoff"] == "2014-05-31"


def test_many_series_are_answered_all_or_by_name(many: Live) -> None:
    stored = read_model(many.model)
    keys = stored.model.keys
    for asked in questions(stored, stored.horizon):
        status, answer = many.ask(asked)
        assert (status, difference(answer, stored, asked)) == (200, None)
    status, everything = many.ask({"horizon": 2})
    assert [entry["series"] for entry in everything["forecast"]] == [key for key in keys for _ in range(2)]
    wanted = [keys[5], keys[1]]
    status, chosen = many.ask({"horizon": 2, "series": wanted})
    assert [entry["series"] for entry in chosen["forecast"]] == [keys[5], keys[5], keys[1], keys[1]]
    assert chosen["forecast"] == everything["forecast"][10:12] + everything["forecast"][2:4]
    history: dict[str, Any] = {key: json.loads(bad.long_history(70)) for key in wanted}
    status, moved = many.ask({"horizon": 3, "history": history})
    own = Forecaster(stored.model)
    assert status == 200
    assert moved["forecast"] == own.answer(own.read({"horizon": 3, "history": history}))["forecast"]
    assert moved["data_until"] == "2013-03-11"


def test_the_service_describes_itself(one: Live, many: Live) -> None:
    for version, shapes in (("2", ("definitions",)), ("3", ("components", "schemas"))):
        status, found, _ = one.send("GET", b"", {}, f"/swagger.json?version={version}")
        assert status == 200
        for part in shapes:
            found = found[part]
        asked = found["ServiceInput"]
        assert asked["properties"]["horizon"] == {
            "type": "integer", "minimum": 1, "maximum": 366, "description": "number of days to forecast",
        }  # fmt: skip
        assert asked["additionalProperties"] is False
        status, _ = one.ask(asked["example"])
        assert status == 200
    _, found, _ = many.send("GET", b"", {}, "/swagger.json")
    assert many.ask(found["definitions"]["ServiceInput"]["example"])[0] == 200


def test_without_the_key_nothing_is_answered(one: Live) -> None:
    status, _, _ = Live(one.url, "wrong", Path()).send("POST", b'{"horizon": 3}', JSON)
    assert status in {401, 403}


@pytest.mark.parametrize("kind", ["pickle in a zip", "changed byte", "swapped file"])
def test_a_hostile_model_never_serves(one: Live, sdk: Sdk, scoring: str, tmp_path: Path, kind: str) -> None:
    evil = harm(kind, one.model, tmp_path / "model")
    state, _, _, log = sdk(deploy, f"hostile-{uuid.uuid4().hex[:8]}", str(evil), scoring)
    assert state == "Failed"
    assert "ModelFileError" in log
    assert not list(tmp_path.rglob(TRACE))
