"""A forecast in the answer of a service: whose it is, its intervals as bands, its values as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from studio_fixtures import Studio  # type: ignore[import-not-found]
from test_origins import deploy  # type: ignore[import-not-found]

from local_azure.studio.views.charts import MOST_LINES
from local_azure.studio.views.forecasts import MOST_ROWS, Forecast, forecast_in

MODEL = {"name": "sales", "version": "7", "sha256": "0" * 64, "recipe": "mean(weeks=8)", "cutoff": "2026-10-31"}


def _row(day: int, value: float, **more: Any) -> dict[str, Any]:
    bounds = {"0.8": [value - 1, value + 1], "0.95": [value - 2, value + 2]}
    return {"date": f"2026-11-{day:02}", "value": value, "intervals": bounds, **more}


def _found(rows: list[dict[str, Any]], **more: Any) -> Forecast:
    found = forecast_in({"request_id": "r", "forecast": rows, **more})
    assert found is not None
    return found


def _legend(found: Forecast) -> list[str]:
    return re.findall("</span> ([^<]+)</li>", found.chart)


def test_one_series_is_a_line_with_its_intervals_as_bands_the_widest_behind() -> None:
    found = _found([_row(1, 10.0), _row(2, 1_250.5)], model=MODEL)
    assert found.of == "sales version 7"
    assert found.about == ["2026-11-01 to 2026-11-02", "recipe mean(weeks=8)", "cutoff 2026-10-31"], "and no hash"
    assert found.chart.index('class="band0"') < found.chart.index('class="band1"') < found.chart.index("<polyline")
    assert _legend(found) == ["value", "95% prediction interval", "80% prediction interval"]
    axes = re.findall(r'class="axis"[^>]*>([^<]+)<', found.chart)
    assert axes == ["value, in the unit of the data", "date, one a day"]


def test_its_values_are_a_table_of_aligned_numbers() -> None:
    found = _found([_row(1, 10.0), _row(2, 1_250.5)])
    assert found.columns == ["date", "value", "80% low", "80% high", "95% low", "95% high"]
    assert found.rows[1] == ["2026-11-02", "1,250.5", "1,249.5", "1,251.5", "1,248.5", "1,252.5"]
    assert (found.texts, found.total, found.of) == (1, 2, "")


def test_several_series_are_lines_without_bands_and_said_to_be_some_of_all() -> None:
    rows = [_row(day, 5.0 * number, series=f"shop {number}") for number in range(9) for day in (1, 8)]
    found = _found(rows)
    assert found.about[0] == f"9 series, {MOST_LINES} of them in the chart"
    assert _legend(found) == [f"shop {number}" for number in range(MOST_LINES)]
    assert found.columns[:3] == ["series", "date", "value"] and found.rows[0][:2] == ["shop 0", "2026-11-01"]
    assert "date, one a week" in found.chart
    assert _found([_row(1, 1.0, series="shop 3")]).about[0] == "series shop 3"


def test_a_long_forecast_shows_its_first_values() -> None:
    found = _found([{"date": f"day {number}", "yhat": number} for number in range(MOST_ROWS + 5)])
    assert (len(found.rows), found.total) == (MOST_ROWS, MOST_ROWS + 5)
    assert found.columns == ["date", "yhat"]


def test_other_answers_hold_no_forecast() -> None:
    answers: tuple[Any, ...] = (None, 5, [], {}, {"forecast": []}, [{"date": "x"}], {"forecast": [1]}, "text")
    for answer in answers:
        assert forecast_in(answer) is None


@pytest.fixture
def service(studio: Studio) -> Iterator[str]:
    """The address of the page of a service that answers every request with a forecast."""
    answer = json.dumps({"forecast": [_row(1, 10.0), _row(2, 12.5)], "model": {**MODEL, "recipe": "<b>mean</b>"}})

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        deploy(studio, studio.workspace, "sales-test", "sales:7")
        address = f"http://127.0.0.1:{server.server_port}/score"
        studio.store.update(studio.workspace.id, "service", "sales-test", lambda one: one.update(scoringUri=address))
        yield "/studio/w/local-development/services/sales-test"
        server.shutdown()
        thread.join()


def test_a_page_shows_what_a_service_has_forecast(studio: Studio, service: str) -> None:
    page = studio.post(f"{service}/ask", request="{}").text
    shown = page.split('id="answer"')[1]
    assert "Forecast of sales version 7" in shown and "recipe &lt;b&gt;mean" in shown
    assert '<polygon class="band0"' in shown and 'aria-label="Values of the forecast"' in shown
    assert re.findall(r'<td class="num">([^<]+)<', shown)[:5] == ["10.00", "9.00", "11.00", "8.00", "12.00"]
    assert "The whole answer as JSON" in shown
