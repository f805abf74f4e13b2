"""docs/scoring.md is true: its commands run, its requests get its answers, its limits are those of the code."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from forecasting import limits
from forecasting.calendars import DAILY
from forecasting.models.catalog import FAMILIES, days_needed, make_recipe
from forecasting.serving import forecaster as serving
from forecasting.serving.openapi import REFUSALS
from forecasting.serving.questions import MAX_HISTORY_DAYS
from tests.story.live import Live
from tests.story.product import ROOT

PAGE = (ROOT / "docs/scoring.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A block of code with its language and the heading that it stands under."""

    heading: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Blocks of the page in their order."""
    found, heading = [], ""
    for title, language, text in re.findall(r"^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        heading = title or heading
        if language in languages:
            found.append(Block(heading, language, text))
    return found


def same(expected: Any, found: Any) -> bool:
    """Whether an answer is the one of the page: "..." stands for any text, numbers are rounded."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and list(expected) == list(found) and all(
            same(value, found[key]) for key, value in expected.items()
        )  # fmt: skip
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    if isinstance(expected, float):
        return math.isclose(expected, found, abs_tol=6e-4)
    return bool(expected == found) or (expected == "..." and isinstance(found, str) and bool(found))


def test_every_request_gets_the_answer_of_the_page(services: Mapping[str, Live]) -> None:
    found = blocks("json")
    assert len(found) == 6
    for request, answer in zip(found[::2], found[1::2], strict=True):
        asked, expected = json.loads(request.text), json.loads(answer.text)
        status, given = services["product-sales-test" if "series" in asked else "paid-amount-test"].ask(asked)
        assert status == expected.get("error", {}).get("status", 200)
        assert same(expected, given), json.dumps(given, indent=1)


def test_the_address_is_found_and_curl_is_answered(
    environment: Mapping[str, str], services: Mapping[str, Live], tmp_path: Path
) -> None:
    (lookup, *_), (curl,) = blocks("python"), blocks("sh")
    words = {
        "subscription_id": "AZURE_SUBSCRIPTION_ID",
        "resource_group": "AZURE_RESOURCE_GROUP",
        "workspace_name": "AZUREML_WORKSPACE_NAME",
    }
    (tmp_path / "config.json").write_text(json.dumps({key: environment[of] for key, of in words.items()}))
    done = run([sys.executable, "-W", "ignore", "-c", lookup.text], environment, tmp_path)
    url, key = done.splitlines()[-2:]
    one = services["paid-amount-test"]
    assert (url, key) == (one.url, one.key)
    answer = json.loads(run(["bash", "-euc", curl.text], {"PATH": os.defpath, "URL": url, "KEY": key}, tmp_path))
    assert len(answer["forecast"]) == 7


def test_the_example_with_history_prints_what_the_page_says(
    environment: Mapping[str, str], services: Mapping[str, Live]
) -> None:
    (example,) = (block for block in blocks("python") if block.heading == "With history")
    (printed,) = (block for block in blocks("text") if block.heading == "With history")
    many = services["product-sales-test"]
    variables = {**environment, "URL": many.url, "KEY": many.key, "no_proxy": "127.0.0.1"}
    assert run([sys.executable, "-c", example.text], variables, ROOT).strip() == printed.text.strip()


def run(command: list[str], environment: Mapping[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, env=dict(environment), cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_statuses_and_limits_are_those_of_the_code() -> None:
    statuses = {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)}
    assert statuses == {*REFUSALS, 500}
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.split("## Limits")[1], re.MULTILINE))
    source = (ROOT / "mlops_code/score.py").read_text(encoding="utf-8")
    assert "MAX_BODY_BYTES = 1024 * 1024 " in source
    assert rows["body"] == f"{1024 * 1024} bytes"
    assert rows["`horizon`"] == f"{limits.MAX_HORIZON} days"
    assert rows["series x days of an answer"] == f"{serving.MAX_POINTS}"
    assert rows["days of history per series"].startswith(f"{MAX_HISTORY_DAYS}, from 1900-01-01 to 2200-12-31")
    assert rows["a value of history"].startswith(f"{limits.LARGEST:g}, ")


def test_the_days_that_each_recipe_needs_are_those_of_the_code() -> None:
    table = PAGE.split("minimum days of history")[1].split("## Answer")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    told = {name: said for names, said in rows for name in re.findall(r"`(\w+)`", names)}
    assert told.keys() == FAMILIES.keys() - {"seasonal_naive"}
    parameters: dict[str, dict[str, float]] = {
        "same_weekday_mean": {"weeks": 5},
        "season_mean": {"seasons": 3},
        "window_mean": {"days": 40},
        "last_year": {},
        "exponential_smoothing": {},
        "holt_winters": {},
        "ridge_direct": {"alpha": 1},
        "histgb_direct": {"rounds": 5, "leaves": 4, "min_rows": 50, "rate": 0.1},
        "arima_202": {},
    }
    needed = {name: days_needed(make_recipe(name, of), 7, 0, DAILY) for name, of in parameters.items()}
    assert needed.pop("same_weekday_mean") == 7 * 5
    assert needed.pop("season_mean") == 7 * 3
    assert needed.pop("window_mean") == 40
    assert {name: str(days) for name, days in needed.items()} == {name: told[name] for name in needed}
