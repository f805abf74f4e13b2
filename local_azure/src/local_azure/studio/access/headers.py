"""Headers that keep other people's content harmless in a browser."""

from __future__ import annotations

# Scripts, styles, images and connections of the studio's own origin; nothing inline, nothing from elsewhere.
PAGE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
}
# Files that others have written. The sandbox gives them an origin of their own, which no cookie belongs to. Scripts
# may run in it, because reports with charts are made of them, but reach nothing: no address, no form, no window.
FOREIGN = {
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src data:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer", browsers would send forms of our own pages with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Local-Azure": "local rehearsal",
}
