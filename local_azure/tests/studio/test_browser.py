"""The studio in a real browser: signing in, finding a failure, and what a hostile report can reach."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import chromium, signed_in  # type: ignore[import-not-found]  # noqa: F401 - a fixture

from local_azure.machine_learning.storage.state import ServerInfo

HOSTILE_REPORT = """<!doctype html><title>report</title><p id="seen">nothing yet</p><script>
document.getElementById("seen").textContent = "a script runs";
const found = [];
try { found.push("cookie:" + document.cookie); } catch (error) { found.push("no cookie"); }
try { found.push("parent:" + parent.document.title); } catch (error) { found.push("no parent"); }
try { localStorage.setItem("a", "b"); found.push("storage"); } catch (error) { found.push("no storage"); }
fetch("/studio/").then(answer => answer.text()).then(text => found.push("fetched:" + text.length))
  .catch(() => found.push("no fetch"))
  .finally(() => { document.getElementById("seen").textContent = found.join(", "); });
</script>"""
NOTHING = "no cookie, no parent, no storage, no fetch"


@pytest.fixture
def failed(ws: Any, unique: Callable[[str], str], folder: Path) -> Any:
    """A failed run with a failed child, which has a log and a hostile report."""
    from azureml.core import Experiment

    run = Experiment(ws, unique("browser")).start_logging(display_name="the outer run", snapshot_directory=None)
    child = run.child_run("the broken step")
    for name, text in (("log.txt", "before\nValueError: the last word\n"), ("report.html", HOSTILE_REPORT)):
        (folder / name).write_text(text)
    child.upload_file("user_logs/std_log.txt", "log.txt")
    child.upload_file("outputs/report.html", "report.html")
    child.fail("it broke")
    run.fail("a step broke")
    return run, child


def test_a_failed_step_is_two_clicks_from_its_link(chromium: Any, server: ServerInfo, failed: Any) -> None:  # noqa: F811
    run, _ = failed
    page = signed_in(chromium, server)
    page.goto(run.get_portal_url())
    assert "the outer run" in page.title()
    assert "it broke" in page.locator("#head").inner_text()
    page.get_by_role("link", name="The whole log").click()
    assert "ValueError: the last word" in page.locator(".log").inner_text()
    page.get_by_role("searchbox").fill("LAST")
    page.get_by_role("searchbox").press("Enter")
    assert "1 line with" in page.content()
    page.get_by_role("button", name="Sign out").click()
    assert "Signed out" in page.content(), "browsers send forms as the gate wants them"
    page.context.close()


def test_a_hostile_report_reaches_nothing(chromium: Any, server: ServerInfo, failed: Any) -> None:  # noqa: F811
    _, child = failed
    page = signed_in(chromium, server)
    address = child.get_portal_url()
    page.goto(address)
    page.get_by_role("link", name="outputs/report.html").click()
    frame = page.frame_locator("iframe")
    frame.get_by_text(NOTHING).wait_for()
    page.get_by_role("link", name="Open the file itself").click()
    page.get_by_text("nothing yet").wait_for()
    page.wait_for_load_state()
    assert page.locator("#seen").inner_text() == "nothing yet", "in a window of its own, no script runs"
    page.context.close()


LEADING_AWAY = """<!doctype html><p id="seen">a report</p><meta http-equiv="refresh" content="1;url=WHERE/refresh">
<img src="WHERE/image"><iframe src="WHERE/frame"></iframe><form action="WHERE/form" method="post"></form><script>
const tries = [() => { location.href = "WHERE/location"; }, () => { top.location = "WHERE/top"; },
  () => { window.open("WHERE/window"); }, () => { document.forms[0].submit(); }, () => { fetch("WHERE/fetch"); },
  () => { navigator.sendBeacon("WHERE/beacon"); }, () => { location.href = "/studio/queue"; }];
for (const each of tries) { try { each(); } catch (error) { } }
</script>"""


def test_a_hostile_report_leads_nowhere(chromium: Any, server: ServerInfo, failed: Any) -> None:  # noqa: F811
    _, child = failed
    reached: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - as the library calls it

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        where = f"http://127.0.0.1:{elsewhere.server_port}"
        Path("away.html").write_text(LEADING_AWAY.replace("WHERE", where))
        child.upload_file("outputs/away.html", "away.html")
        page = signed_in(chromium, server)
        page.goto(child.get_portal_url())
        page.get_by_role("link", name="outputs/away.html").click()
        page.locator("iframe").wait_for()
        page.wait_for_timeout(2_000)  # longer than its refresh takes
        assert page.url.startswith(server.studio_url), "the window itself stays"
        assert len(page.context.pages) == 1, "no other window opens"
        assert all("Queue a run" not in frame.content() for frame in page.frames[1:])
        elsewhere.shutdown()
    page.context.close()
    assert reached == []


def test_nothing_is_shown_to_a_browser_that_has_not_signed_in(chromium: Any, server: ServerInfo, failed: Any) -> None:  # noqa: F811
    run, _ = failed
    context = chromium.new_context()
    page = context.new_page()
    page.goto(run.get_portal_url())
    assert "Sign in to the studio" in page.content() and "the outer run" not in page.content()
    context.close()
