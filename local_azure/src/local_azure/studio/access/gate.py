"""The gate in front of the studio: checks host, origin, session and form before any page is looked at.

A request is answered here unless it has a session, apart from style sheet and script, which hold no data. The tokens
of the planes count for nothing here, nor does the start token, which scripts of pipelines have in their environment.
The command line asks for a one-time address with the studio's own token, which only server.json holds.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, quote

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_azure.machine_learning.server import Parts
from local_azure.studio.access import headers, notices
from local_azure.studio.access.projects import Projects
from local_azure.studio.access.sessions import Session, Sessions

LOG = logging.getLogger("local_azure")
ROOT = "/studio"
STATIC = frozenset(f"{ROOT}/static/{name}" for name in ("studio.css", "studio.js", "icon.svg"))
SIGN_IN = f"{ROOT}/sign-in"
SIGN_OUT = f"{ROOT}/sign-out"
ONE_TIME_ADDRESS = f"{ROOT}/one-time-address"
MAX_FORM_BYTES = 1024 * 1024
MAX_FORM_FIELDS = 1_000
_READING = ("GET", "HEAD")


class _RefusedError(Exception):
    """A request that gets no further: status and what the page says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gate:
    """The whole studio as one ASGI application. load: makes the pages when somebody first asks for one."""

    def __init__(self, parts: Parts, projects: Projects, load: Callable[[], ASGIApp]) -> None:
        self._host = f"127.0.0.1:{parts.info.studio_port}"
        self._headers = headers.page(self._host)
        self._cookie = f"local_azure_studio_{parts.info.studio_port}"
        self._studio_token = parts.info.studio_token
        self._command = f"python -m local_azure --state {parts.state.root} studio"
        self._sessions = Sessions()
        self._projects = projects
        self._load = load
        self._pages: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        guarded = _with_headers(send, self._headers)
        try:
            response = await self._answer(request)
        except _RefusedError as refusal:
            message = str(refusal)
            response = HTMLResponse(notices.refusal(message, self._command), refusal.status)
        except ClientDisconnect:
            return
        if response is not None:
            await response(scope, receive, guarded)
            return
        if self._pages is None:
            self._pages = self._load()
        await self._pages(scope, receive, guarded)

    async def _answer(self, request: Request) -> Response | None:
        """Answer what is not a page; None: the request may see the pages."""
        self._check_host(request)
        path = request.scope["path"]  # as the pages find it; that of `request.url` has no tabs and line breaks
        if request.method == "POST" and path == ONE_TIME_ADDRESS:
            return await self._one_time_address(request)
        if request.method not in (*_READING, "POST"):
            raise _RefusedError(405, "Pages of the studio are read with GET and changed with POST.")
        if path in STATIC and request.method in _READING:
            return None
        if path == SIGN_IN:
            return self._sign_in(request)
        cookie, session = self._session_of(request)
        if session is None:
            return self._without_session(request)
        _check_reader(request)
        request.scope["studio.session"] = session
        if request.method == "POST":
            request.scope["studio.form"] = await self._checked_form(request, session)
            if path == SIGN_OUT:
                self._sessions.close(cookie)
                return HTMLResponse(notices.signed_out(self._command))
        return None

    def _check_host(self, request: Request) -> None:
        """A name that leads to this machine is not ours: a page of its owner would read what we answer."""
        hosts = request.headers.getlist("host")
        if hosts != [self._host]:
            raise _RefusedError(421, f"The studio answers at http://{self._host}{ROOT}/ only.")

    def _check_origin(self, request: Request) -> None:
        origins = request.headers.getlist("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        if origins != [f"http://{self._host}"] or site != "same-origin":
            raise _RefusedError(403, "This form was not sent by a page of the studio. Nothing was changed.")

    async def _one_time_address(self, request: Request) -> Response:
        """What `python -m local_azure studio` asks for, in the folder of a project."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._studio_token.encode())
        if "origin" in request.headers or not known or not self._studio_token:
            return PlainTextResponse("The token of this server's studio is required.", 401)
        form = await _form_of(request, errors="surrogateescape")
        self._projects.add(form.get("project", [""])[0])
        return PlainTextResponse(f"http://{self._host}{SIGN_IN}?code={self._sessions.new_code()}")

    def _sign_in(self, request: Request) -> Response:
        if request.method != "GET":
            raise _RefusedError(405, "The one-time address is opened, not posted to.")
        cookie = self._sessions.open(request.query_params.get("code", ""))
        if cookie is None:
            raise _RefusedError(401, "This one-time address has been used already, or is older than ten minutes.")
        # The browser follows a page, not a redirect: after a link from another site, a redirect would not carry the
        # cookie, because it is SameSite=Strict.
        response = HTMLResponse(notices.go_on(f"{ROOT}/"))
        response.set_cookie(self._cookie, cookie, path=ROOT, httponly=True, samesite="strict")
        return response

    def _session_of(self, request: Request) -> tuple[str, Session | None]:
        """Find the cookie that opens a session.

        Cookies belong to all ports of a host: that of another program may have the same name, or be no valid cookie.
        """
        pairs = (pair.partition("=") for text in request.headers.getlist("cookie") for pair in text.split(";"))
        for name, _, value in pairs:
            session = self._sessions.find(value.strip()) if name.strip() == self._cookie else None
            if session is not None:
                return value.strip(), session
        return "", None

    def _without_session(self, request: Request) -> Response:
        """Say how to sign in.

        A link that somebody follows from another site, such as a notebook's, comes without the cookie at first; the
        browser sends it when a page of ours leads to the same address.
        """
        if request.method not in _READING:
            raise _RefusedError(401, "You are not signed in. Nothing was changed.")
        path = request.scope["path"]
        is_ours = path.startswith(f"{ROOT}/")  # a path that begins with two slashes would lead to another host
        if is_ours and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            address = quote(path) + (f"?{request.url.query}" if request.url.query else "")
            return HTMLResponse(notices.go_on(address))
        raise _RefusedError(401, "You are not signed in, or the server was started again since.")

    async def _checked_form(self, request: Request, session: Session) -> Mapping[str, list[str]]:
        self._check_origin(request)
        form = await _form_of(request)
        if not session.allows(form.get("csrf", [""])[0]):
            raise _RefusedError(403, "This form is of an earlier session. Load the page again; nothing was changed.")
        return form


def _check_reader(request: Request) -> None:
    """Refuse what a page of another origin loads: a program on another port of this host is the same site, so its
    pages send our cookie. Links that somebody follows are no such load.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    is_followed = request.headers.get("sec-fetch-mode") == "navigate" and request.method in _READING
    is_whole_window = request.headers.get("sec-fetch-dest") == "document"
    if site not in ("same-origin", "none") and not (is_followed and is_whole_window):
        raise _RefusedError(403, "Pages of the studio are not for other sites. Nothing was changed.")


async def _form_of(request: Request, errors: str = "replace") -> Mapping[str, list[str]]:
    """Read the fields of a form. errors: what becomes of bytes that are not UTF-8, as `bytes.decode` has it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise _RefusedError(413, f"A form has at most {MAX_FORM_BYTES} bytes. Nothing was changed.")
    try:
        text = body.decode("utf-8")
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors=errors)
    except ValueError:
        raise _RefusedError(400, "This form cannot be read. Nothing was changed.") from None


def _with_headers(send: Send, of_pages: Mapping[str, str]) -> Send:
    """Send answers with the headers that every one has; a page that sets its own policy keeps it."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            found = MutableHeaders(scope=message)
            own_policy = "content-security-policy" in found
            for name, value in {**headers.ALWAYS, **({} if own_policy else of_pages)}.items():
                found.setdefault(name, value)
        await send(message)

    return guarded
