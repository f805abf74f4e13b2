"""Headers that keep other people's content harmless in a browser."""

from __future__ import annotations

_FOREIGN_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer", browsers would send forms of our own pages with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Local-Azure": "local rehearsal",
}


def page(host: str) -> dict[str, str]:
    """Return the headers of a page of the studio at `host`.

    Its own scripts and styles, its images, connections and frames; nothing inline, nothing from elsewhere. A file of
    a run has an address of the studio too, and is no script or style of its pages.
    """
    own = f"http://{host}/studio/static/"
    policy = (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src 'self'; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}


def foreign(destination: str) -> dict[str, str]:
    """Return the headers of a file that others have written. destination: of the request's `Sec-Fetch-Dest`.

    The sandbox gives the file an origin of its own, which no cookie belongs to. Inside a frame of ours its scripts
    run, because reports with charts are made of them, but reach nothing: no address, no form, no window. In a window
    of its own, a script could lead the window to another site and take along what the file holds.
    """
    sandbox = "sandbox allow-scripts" if destination == "iframe" else "sandbox"
    return {"Content-Security-Policy": f"{sandbox}; {_FOREIGN_POLICY}", "X-Frame-Options": "SAMEORIGIN"}
