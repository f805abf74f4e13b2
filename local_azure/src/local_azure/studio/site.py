"""All pages as one starlette application, its templates, and the answers to what goes wrong."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.server import Parts
from local_azure.studio.access.projects import Projects
from local_azure.studio.pages import builds, overview, published, queueing, registry, run, run_files, runs, services
from local_azure.studio.pages.visit import ROOT, Site, Visit, address
from local_azure.studio.reading.run_facts import name_of
from local_azure.studio.views import formats
from local_azure.studio.views.metrics import shared_ends
from local_azure.studio.views.statuses import first_tags, is_notable, notable_tags, status

LOG = logging.getLogger("local_azure")
_HERE = Path(__file__).parent
_SECTIONS = (overview, runs, run, run_files, published, registry, services, builds, queueing)


def all_routes() -> list[Route]:
    """Return the routes of all pages."""
    return [route for section in _SECTIONS for route in section.PAGES.routes]


def make_pages(parts: Parts, projects: Projects, stopping: threading.Event) -> ASGIApp:
    """Make the application behind the gate. stopping: set when the server begins to stop."""
    app = Starlette(
        routes=[*all_routes(), Mount(f"{ROOT}/static", StaticFiles(directory=_HERE / "static"))],
        exception_handlers={ApiError: _refused, HTTPException: _unknown, Exception: _broken},
    )
    app.state.site = Site(parts, _templates(), stopping, projects)
    return app


def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "moment": formats.moment,
        "duration": formats.duration,
        "size": formats.size,
        "number": formats.number,
        "short": formats.short,
        "parted": formats.parted,
        "unpacked": formats.unpacked,
        "dated": formats.dated,
        "hashed": formats.hashed,
        "status": status,
        "run_name": name_of,
    }
    made.globals |= {"address": address, "root": ROOT, "is_notable": is_notable}
    made.globals |= {"shared_ends": shared_ends}
    made.globals |= {"notable_tags": notable_tags, "first_tags": first_tags}
    return made


def _error_page(request: Request, code: int, message: str) -> Response:
    return Visit(request, request.app.state.site).page("error.html.j2", code, code=code, message=message)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for it
    return _error_page(request, error.status, error.message)


def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    message = "The studio has no such page." if error.status_code == 404 else error.detail
    return _error_page(request, error.status_code, message)


def _broken(request: Request, error: Exception) -> Response:
    LOG.error("the studio failed in %s %r", request.method, request.url.path, exc_info=error)
    return _error_page(request, 500, "The studio failed on this page; see `python -m local_azure logs`.")
