"""Pages of runs: the error first, filters, comparison, previews; whatever others have written stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from studio_fixtures import Studio  # type: ignore[import-not-found]

from local_azure.machine_learning.domain.runs import metrics, run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.studio.pages.runs import ON_A_PAGE
from local_azure.studio.reading import logs
from local_azure.studio.reading.measured import MOST_POINTS

W = "/studio/w/local-development"
LOG = "user_logs/std_log.txt"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>{{7*7}}"


def inline(page: str) -> list[str]:
    """Styles and scripts inside a page, as a browser finds them."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names = dict(attrs)
            found.extend(name for name in names if name == "style" or name.startswith("on"))
            if tag == "style" or (tag == "script" and not str(names.get("src")).startswith("/studio/static/")):
                found.append(tag)

    Reader().feed(page)
    return found


def ended(studio: Studio, run_id: str, status: RunStatus, message: str = "") -> None:
    failure = Failure("UserError", message) if message else None
    run_records.set_status(studio.store, studio.workspace.id, run_id, status, failure)


def failed_pipeline(studio: Studio) -> dict[str, Any]:
    """A run with one good step and one that failed, with a log."""
    studio.run("top", name="a release")
    for name in ("good", "bad"):
        studio.run(name, parentRunId="top", name=f"the step {name}")
    child = run_records.require(studio.store, studio.workspace.id, "bad")
    studio.write(child, LOG, "\n".join(f"line {n}" for n in range(500)) + "\nValueError: the last word\n")
    ended(studio, "good", RunStatus.COMPLETED)
    ended(studio, "bad", RunStatus.FAILED, "the step broke")
    ended(studio, "top", RunStatus.FAILED, "Pipeline has some failed steps")
    return child


def test_a_failed_run_begins_with_its_failed_step_and_the_end_of_the_log(studio: Studio) -> None:
    failed_pipeline(studio)
    page = studio.get(f"{W}/runs/top")
    head, rest = page.split('id="steps"')
    assert "the step broke" in head and "ValueError: the last word" in head and "line 499" in head
    assert "line 470" not in head
    assert f'href="{W}/runs/bad/log?name={quote(LOG, safe="")}"' in head, "the whole log is one click away"
    assert "the step good" in rest
    assert "✕</span> Failed" in page, "not by color alone"


def test_the_picture_links_to_every_step_that_has_started(studio: Studio) -> None:
    failed_pipeline(studio)
    picture = re.search(r'<svg class="graph".+?</svg>', studio.get(f"{W}/runs/top"), re.DOTALL)
    assert picture
    assert set(re.findall(r'<a href="([^"]+)"', picture[0])) == {f"{W}/runs/good", f"{W}/runs/bad"}


def test_markup_of_others_is_shown_and_never_obeyed(studio: Studio) -> None:
    run = studio.run("odd", name=HOSTILE, tags={HOSTILE: HOSTILE}, properties={HOSTILE: HOSTILE})
    studio.log_metric("odd", HOSTILE, [1.0])
    studio.log_metric("odd", "series " + HOSTILE, [1.0, 2.0], column=HOSTILE)
    studio.write(run, LOG, HOSTILE)
    studio.write(run, "outputs/table.csv", f"{HOSTILE},b\n{HOSTILE},2\n")
    studio.write(run, "outputs/data.json", json.dumps({"a": HOSTILE}))
    studio.write(run, "outputs/page.md", f"# {HOSTILE}\n[x](javascript:alert(3)) ![y](http://evil.example/z.png)")
    studio.write(run, f"outputs/{HOSTILE.replace('/', '|')}.txt", "x")
    studio.run("other", tags={HOSTILE: "2"})
    run_records.warn(studio.store, studio.workspace.id, "odd", [HOSTILE])
    ended(studio, "odd", RunStatus.FAILED, HOSTILE)
    pages = ["/studio/", f"{W}/runs", f"{W}/runs/odd", f"{W}/runs/odd/log", f"{W}/runs/odd/log?q=script"]
    pages += [f"{W}/runs?q={quote(HOSTILE)}", f"{W}/compare?run=odd&run=other", f"{W}/runs/odd/files"]
    pages += [f"{W}/runs/odd/files?path=outputs/{name}" for name in ("table.csv", "data.json", "page.md")]
    for path in pages:
        page = studio.get(path)
        assert "<script>" not in page and "<img src=x" not in page and "onerror=alert(2)>" not in page, path
        assert 'href="javascript' not in page and '<img src="http' not in page, path
        assert inline(page) == [], "the policy would refuse it"
    page = studio.get(f"{W}/runs/odd")
    assert "&lt;script&gt;alert(1)" in page and "{{7*7}}" in page, "shown as it is"


def test_foreign_files_are_answered_in_a_sandbox(studio: Studio) -> None:
    run = studio.run("r")
    for name, kind in (("report.html", "text/html"), ("x.svg", "image/svg+xml"), ("data.bin", "application/octet")):
        studio.write(run, name, "<script>fetch('/studio/')</script>")
        address = f"{W}/runs/r/raw?path={name}"
        for destination in ({"Sec-Fetch-Dest": "document"}, {}):
            alone = studio.client.get(address, headers=destination).headers["content-security-policy"]
            assert alone.startswith("sandbox;"), "a script that has a window could lead it anywhere"
        answer = studio.client.get(address, headers={"Sec-Fetch-Dest": "iframe"})
        assert answer.headers["content-type"].startswith(kind)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts;") and "allow-same-origin" not in policy
        assert "default-src 'none'" in policy and "connect-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in policy
    page = studio.get(f"{W}/runs/r/files?path=report.html")
    assert re.search(r'<iframe src="[^"]+" title="report.html" sandbox="allow-scripts"></iframe>', page)


@pytest.mark.parametrize(
    "path",
    ["../../../store.sqlite", "..", "/etc/passwd", "a/../../b", "%2e%2e%2fstore.sqlite", "a\\..\\b", "a%00b"],
)
def test_no_path_leads_out_of_a_run(studio: Studio, path: str) -> None:
    studio.run("r", properties={"ContentSnapshotId": "none"})
    for place in ("raw", "files", "code/raw", "code"):
        answer = studio.client.get(f"{W}/runs/r/{place}?path={path}")
        assert answer.status_code in (400, 404), place
        assert "SQLite" not in answer.text


def test_secrets_in_a_log_that_is_being_written_are_masked(studio: Studio) -> None:
    run = studio.run("r")
    path = studio.write(run, LOG, "the password is hunter2-hunter2\n")
    studio.parts.redactor.begin((path,), "hunter2-hunter2")
    for address in (f"{W}/runs/r/log", f"{W}/runs/r/log?q=password", f"{W}/runs/r", f"{W}/runs/r/raw?path={LOG}"):
        page = studio.get(address)
        assert "the password is ***" in page and "hunter2" not in page


def test_a_long_log_is_read_from_its_end_window_by_window(studio: Studio) -> None:
    run = studio.run("r")
    lines = [f"{n:07d} {'x' * 50}" for n in range(10_000)]
    path = studio.write(run, LOG, "\n".join(lines) + "\n")
    seen: list[str] = []
    end = None
    while end != 0:
        window = logs.read_window(path, studio.parts.redactor, end)
        seen = [line.text for line in window.lines] + seen
        end = window.start
    assert seen == lines, "nothing is lost or repeated between two windows"
    page = studio.get(f"{W}/runs/r/log")
    assert "0009999" in page and "0000001" not in page and "Earlier lines" in page
    assert "0000001" in studio.get(f"{W}/runs/r/log?q=0000001")


def test_filters_choose_runs_and_stay_in_the_address(studio: Studio) -> None:
    studio.run("one", name="first", tags={"problem": "sales"})
    studio.run("two", name="second", experiment="other", tags={"problem": "paid"})
    studio.run("step-of-two", name="inner", parentRunId="two", experiment="other")
    ended(studio, "one", RunStatus.COMPLETED)
    for query, expected in {
        "": {"one", "two"},
        "status=Completed": {"one"},
        "experiment=other": {"two"},
        "tag=problem": {"one", "two"},
        "tag=problem%3Dpaid": {"two"},
        "q=FIRST": {"one"},
        "q=sales": {"one"},
        "since=1": {"one", "two"},
        "q=nothing": set(),
    }.items():
        page = studio.get(f"{W}/runs?{query}")
        assert set(re.findall(r'name="run" value="([^"]+)"', page)) == expected, query
    assert 'value="FIRST"' in studio.get(f"{W}/runs?q=FIRST")
    assert studio.client.get(f"{W}/runs?status=x%22)").status_code == 400, "what cannot be read is said"


def test_pages_of_runs_continue_without_a_gap(studio: Studio) -> None:
    for number in range(ON_A_PAGE + 3):
        studio.run(f"run-{number}")
    first = studio.get(f"{W}/runs")
    older = re.search(r'<a href="([^"]+)" rel="next">', first)
    assert older
    second = studio.get(older[1].replace("&amp;", "&"))
    found = re.findall(r'name="run" value="([^"]+)"', first + second)
    assert found == [f"run-{number}" for number in reversed(range(ON_A_PAGE + 3))]


def test_two_runs_side_by_side(studio: Studio) -> None:
    for run_id, loss, tag in (("one", 0.5, "x"), ("two", 0.25, "y")):
        studio.run(run_id, tags={"recipe": tag, "same": "s"})
        studio.run(f"step-{run_id}", parentRunId=run_id, name="train")
        studio.log_metric(f"step-{run_id}", "loss", [9.0, loss])
    page = studio.get(f"{W}/compare?run=one&run=two")
    row = page.partition('<th scope="row">loss</th>')[2].partition("</tr>")[0]
    shown = re.findall(r"<span[^>]*>(.+?)</span>", row)
    assert shown == ["0.5", "0.25", "-0.25 (-50.0%)"], "the last values, of the steps too, and the difference"
    assert re.findall(r'data-label="(.+?)"', row) == [
        "A",
        "B",
        "difference (B − A)",
    ], "for narrow screens"
    assert '/runs" aria-current="page">Runs</a>' in page, "its place in the navigation"
    differing = page.split("What differs")[1].split("What is the same")[0]
    assert "tag recipe" in differing and "tag same" not in differing
    assert studio.client.get(f"{W}/compare?run=one").status_code == 400


def test_a_page_ends_its_breadcrumbs_and_a_log_names_run_and_status(studio: Studio) -> None:
    studio.run("r", displayName="a training")
    studio.run("s", parentRunId="r", name="evaluate")
    ended(studio, "s", RunStatus.COMPLETED)
    log = studio.get(f"{W}/runs/s/log")
    crumbs = log.split('aria-label="Breadcrumb">')[1].split("</nav>")[0]
    assert re.findall(">([^<]+)</a>", crumbs) == ["Runs", "training", "a training", "evaluate"]
    assert crumbs.endswith('/ <span aria-current="page">Log</span>')
    head = log.split("<h1>")[1].split("</div>")[0]
    assert "Log of evaluate" in head and "Completed" in head


def test_a_metric_of_very_many_values_is_a_chart_of_some(studio: Studio) -> None:
    studio.run("r")
    studio.log_metric("r", "loss", [float(n) for n in range(5_003)])
    sampled = metrics.sample(studio.store, studio.workspace.id, "r", "loss", MOST_POINTS)
    values = [value["data"]["value"] for value in sampled["value"]]
    assert (sampled["count"], values[0], values[-1], len(values)) == (5_003, 0.0, 5_002.0, 502)
    page = studio.get(f"{W}/runs/r")
    assert "5,003 values" in page and '<svg class="chart"' in page


def test_links_of_the_sdk_lead_to_their_pages(studio: Studio) -> None:
    run = studio.run("r")
    wsid = "wsid=/subscriptions/sub/resourcegroups/group/workspaces/local-development&tid=t"
    for path, target in {
        f"/studio/runs/r?{wsid}": f"{W}/runs/r",
        f"/studio/experiments/id/{run['experimentId']}?{wsid}": f"{W}/runs?experiment=training",
        f"/studio/experiments/training?{wsid}": f"{W}/runs?experiment=training",
        f"/studio/pipelines/p?{wsid}": f"{W}/pipelines/p",
    }.items():
        answer = studio.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert studio.client.get("/studio/runs/r?wsid=/subscriptions/a").status_code == 404


def test_a_run_is_canceled_from_its_page(studio: Studio) -> None:
    studio.run("r")
    assert 'action="/studio/w/local-development/runs/r/cancel"' in studio.get(f"{W}/runs/r")
    assert studio.post(f"{W}/runs/r/cancel").headers["location"] == f"{W}/runs/r"
    assert studio.executor.canceled == ["r"]


def test_every_page_says_that_it_is_a_rehearsal_and_has_landmarks(studio: Studio) -> None:
    failed_pipeline(studio)
    for path in (
        "/studio/",
        f"{W}/runs",
        f"{W}/runs/top",
        f"{W}/models",
        f"{W}/services",
        "/studio/builds",
        "/studio/x",
    ):
        page = studio.client.get(path).text
        assert "local rehearsal" in page and "<main" in page and 'lang="en"' in page
        assert len(re.findall("<h1", page)) == 1, path
        assert 'aria-label="Pages"' in page and 'href="#content"' in page


def test_live_updates_end_with_the_run(studio: Studio) -> None:
    studio.run("r")
    ended(studio, "r", RunStatus.COMPLETED)
    answer = studio.client.get(f"{W}/runs/r/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: over" in answer.text


def test_what_only_one_run_has_is_folded(studio: Studio) -> None:
    for run_id, name in (("one", "loss"), ("two", "rows")):
        studio.run(run_id, tags={"both": run_id, f"only_{run_id}": "x"})
        studio.log_metric(run_id, name, [1.0])
    page = studio.get(f"{W}/compare?run=one&run=two")
    assert "These runs have no common metric." in page and "Metrics that only one run has (2)" in page
    differing, lone = page.split("<h2>What differs</h2>")[1].split("What only one run has (2)")
    assert "tag both" in differing and "only" not in differing.partition("<details>")[0] and "<wbr>one" in lone


def test_metrics_of_several_steps_are_one_table_with_the_rest_as_tiles(studio: Studio) -> None:
    studio.run("top")
    for step, names in (("train", ("selection_mae", "rows")), ("evaluate", ("challenger_mae", "naive_mae"))):
        studio.run(step, parentRunId="top", name=step)
        for name in names:
            studio.log_metric(step, name, [1.5])
    page = studio.get(f"{W}/runs/top").split('id="metrics"')[1].split('id="log"')[0]
    assert re.findall(r'<th scope="col" class="num">(\w+)</th>', page) == ["selection", "challenger", "naive"]
    assert page.count("<li>") == 1 and "<li>rows<b>" in page and ">evaluate</a></h3>" not in page
