"""Nobody sees or changes anything without a session: no form of another site, no other host, no other token helps."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from http.cookies import SimpleCookie

import pytest
from studio_fixtures import ADDRESS, COOKIE, PORT, START_TOKEN, STUDIO_TOKEN, Studio  # type: ignore[import-not-found]

from local_azure.cli.client_environment import client_environment
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.tokens import Principal, Tokens
from local_azure.machine_learning.engines.steps.launcher import base_variables
from local_azure.studio.access import gate, sessions
from local_azure.studio.access.gate import MAX_FORM_BYTES
from local_azure.studio.application import make_studio
from local_azure.studio.site import all_routes

FORM = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}


def addresses(method: str) -> list[str]:
    """One address for each page or change."""
    found = [re.sub(r"{\w+}", "x", route.path) for route in all_routes() if method in (route.methods or ())]
    assert len(found) > 5
    return found


@pytest.mark.parametrize("cookies", [{}, {COOKIE: "x" * 43}, {"local_azure_studio_1": "x"}])
def test_no_page_is_shown_without_a_session(visitor: Studio, cookies: dict[str, str]) -> None:
    client = visitor.new_client()
    client.cookies.update(cookies)
    for path in addresses("GET"):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert f"python -m local_azure --state {visitor.state.root} studio" in answer.text
        assert "local-development" not in answer.text


def test_nothing_is_changed_without_a_session(visitor: Studio) -> None:
    for path in addresses("POST"):
        assert visitor.client.post(path, data={"csrf": "x"}, headers=FORM).status_code == 401, path


FOREIGN: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9"},
    {"Origin": f"http://localhost:{PORT}"},
    {"Origin": ADDRESS, "Sec-Fetch-Site": "same-site"},
    {"Origin": ADDRESS, "Sec-Fetch-Site": "cross-site"},
)


def test_nothing_is_changed_by_the_form_of_another_page(studio: Studio) -> None:
    csrf = studio.csrf()
    for path in addresses("POST"):
        for headers in FOREIGN:
            answer = studio.client.post(path, data={"csrf": csrf}, headers=headers)
            assert answer.status_code == 403, (path, headers)
        for token in ("", "x", csrf[:-1], "é"):
            assert studio.client.post(path, data={"csrf": token}, headers=FORM).status_code == 403, (path, token)


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_a_page_of_another_origin_loads_nothing(studio: Studio, site: str) -> None:
    """A program on another port of this host is the same site: browsers send our cookie with what its pages load."""
    for path in addresses("GET"):
        for mode, destination in (("no-cors", "script"), ("navigate", "iframe"), ("cors", "empty"), ("navigate", "")):
            loaded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
            answer = studio.client.get(path, headers=loaded)
            assert answer.status_code == 403 and "local-development" not in answer.text, (path, loaded)
    followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert "Overview" in studio.client.get("/studio/", headers=followed).text, "a link of a notebook"


def test_the_one_time_address_works_once(visitor: Studio) -> None:
    address = visitor.one_time_address()
    assert visitor.new_client().get(address).status_code == 200
    second = visitor.new_client()
    assert second.get(address).status_code == 401
    assert second.get("/studio/").status_code == 401


def test_a_one_time_address_is_too_old_after_ten_minutes(visitor: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    address = visitor.one_time_address()
    later = time.monotonic() + sessions.CODE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert visitor.client.get(address).status_code == 401


def test_the_cookie_is_of_this_port_and_of_no_use_to_scripts_or_other_sites(visitor: Studio) -> None:
    answer = visitor.client.get(visitor.one_time_address())
    found = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (found["httponly"], found["samesite"].lower(), found["path"]) == (True, "strict", "/studio")
    assert found["domain"] == found["expires"] == found["max-age"] == "", "of this host, and of this browser session"
    assert "url=/studio/" in answer.text


def test_the_last_one_time_addresses_count_and_sessions_end(visitor: Studio) -> None:
    first, *others = [visitor.one_time_address() for _ in range(sessions.MOST_CODES + 1)]
    assert visitor.new_client().get(first).status_code == 401
    assert visitor.client.get(others[-1]).status_code == 200
    csrf = visitor.csrf()
    assert visitor.client.post("/studio/sign-out", data={"csrf": csrf}, headers=FORM).status_code == 200
    assert visitor.client.get("/studio/").status_code == 401


def test_only_the_token_of_the_studio_gets_a_one_time_address(visitor: Studio) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {STUDIO_TOKEN}"}):
        assert visitor.client.post("/studio/one-time-address", headers=headers).status_code == 401
    token = {"Authorization": f"Bearer {STUDIO_TOKEN}", "Origin": ADDRESS}
    assert visitor.client.post("/studio/one-time-address", headers=token).status_code == 401, "no page asks for one"
    assert visitor.client.get("/studio/one-time-address", headers=token).status_code == 401


def test_what_a_step_has_in_its_environment_opens_nothing(visitor: Studio) -> None:
    """Else a step could approve its own release."""
    info, state = visitor.parts.info, visitor.state
    given = client_environment({}, state, info)
    given |= base_variables(state, Addresses(info.http_port, info.tls_port, info.studio_port))
    assert any(START_TOKEN in value for value in given.values())
    for word in re.findall(r"[\w-]+", " ".join(given.values())):
        assert STUDIO_TOKEN not in word
        headers = {"Authorization": f"Bearer {word}"}
        assert visitor.client.post("/studio/one-time-address", headers=headers).status_code == 401


def test_a_server_without_a_token_of_its_studio_gives_no_address(visitor: Studio) -> None:
    parts = replace(visitor.parts, info=replace(visitor.parts.info, studio_token=""))
    client = visitor.client_of(make_studio(parts))
    for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        assert client.post("/studio/one-time-address", headers=headers).status_code == 401


def test_no_token_of_the_planes_opens_a_page(visitor: Studio) -> None:
    for principal in (Principal("user"), Principal("run", visitor.workspace.id, "a-run")):
        bearer, _ = Tokens().bearer(principal)
        for token in (bearer, START_TOKEN, STUDIO_TOKEN):
            assert visitor.client.get("/studio/", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_another_name_of_this_machine_is_refused(studio: Studio) -> None:
    for host in ("localhost:18080", "127.0.0.1", "127.0.0.1:1", "evil.example", "127.0.0.1:18080.x"):
        answer = studio.client.get("/studio/", headers={"Host": host})
        assert answer.status_code == 421
        assert "Overview" not in answer.text


def test_every_answer_has_the_headers_that_keep_others_out(studio: Studio) -> None:
    for path, status in (("/studio/", 200), ("/studio/nowhere", 404), ("/studio/static/studio.js", 200)):
        answer = studio.client.get(path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        for kind in ("script", "style"):
            assert f"{kind}-src {ADDRESS}/studio/static/;" in policy, "a file of a run is none of the studio's"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
    assert studio.new_client().get("/studio/").headers["x-frame-options"] == "DENY"


def test_other_methods_are_refused(studio: Studio) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = studio.client.request(method, "/studio/")
        assert answer.status_code == 405
        assert "access-control-allow-origin" not in answer.headers


def test_a_link_from_another_site_is_followed_by_a_page_of_ours(visitor: Studio) -> None:
    """The cookie is SameSite=Strict: a browser does not send it with the click itself."""
    link = "/studio/runs/abc?wsid=/subscriptions/s&tid=%22%3E%3Cscript%3E"
    answer = visitor.client.get(link, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0;url=/studio/runs/abc?wsid=' in answer.text
    assert "<script" not in answer.text
    assert visitor.client.get(link, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 401


def test_a_link_to_another_host_is_not_followed(visitor: Studio) -> None:
    for path in (f"{ADDRESS}//evil.example/x", f"{ADDRESS}//evil.example/studio/", f"{ADDRESS}/elsewhere"):
        answer = visitor.client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 401 and "refresh" not in answer.text, path


def test_a_path_with_a_tab_is_no_static_file(visitor: Studio) -> None:
    """The address that starlette shows has none, so the gate once let it pass, to a page that failed."""
    for path in ("/studio/static/studio.js%09", "/studio/static/studio.js%0A", "/studio/sign-in%09"):
        assert visitor.client.get(path).status_code == 401, path


def test_a_static_file_that_is_gone_is_not_found(visitor: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "/studio/static/gone.js"
    monkeypatch.setattr(gate, "STATIC", frozenset((gone,)))
    assert visitor.client.get(gone).status_code == 404


def test_cookies_of_other_programs_hide_no_session(studio: Studio) -> None:
    own = studio.client.cookies[COOKIE]
    for text in (f"{COOKIE}={own}; {COOKIE}=other", f"{COOKIE}=other;{COOKIE}={own}", f'x={{"a":1}}; {COOKIE}={own}'):
        assert studio.new_client().get("/studio/", headers={"Cookie": text}).status_code == 200, text
    for text in (f"{COOKIE}=other", f"x{COOKIE}={own}", COOKIE, f"x={own}; {COOKIE}=", "=;;="):
        assert studio.new_client().get("/studio/", headers={"Cookie": text}).status_code == 401, text


def test_a_form_has_a_limit(studio: Studio) -> None:
    body = b"csrf=x&a=" + b"a" * MAX_FORM_BYTES
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert studio.client.post("/studio/queue", content=body, headers={**FORM, **kind}).status_code == 413
    fields = "&".join(f"a{n}=1" for n in range(1_100))
    assert studio.client.post("/studio/queue", content=fields, headers={**FORM, **kind}).status_code == 400
    assert studio.client.post("/studio/queue", content=b"\xff", headers={**FORM, **kind}).status_code == 400


def test_static_files_are_those_of_the_studio(visitor: Studio) -> None:
    """Files that are not there were once answered by a page that needs a session, and so by an error."""
    for path in ("studio.js.map", "%2e%2e/site.py", "..%2fsite.py", "/etc/passwd", ""):
        assert visitor.client.get(f"/studio/static/{path}").status_code == 401
