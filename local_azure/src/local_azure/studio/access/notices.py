"""The few pages that the gate writes itself; they show no data. Everything in them is escaped."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · local_azure studio</title>
<meta name="viewport" content="width=device-width,initial-scale=1">{head}
<link rel="stylesheet" href="/studio/static/studio.css">
<link rel="icon" href="/studio/static/icon.svg" type="image/svg+xml"></head>
<body class="notice"><main><p class="rehearsal">local rehearsal</p><h1>{title}</h1>{body}</main></body></html>
"""


def refusal(message: str, command: str) -> str:
    """Say why a request was refused, and how to sign in."""
    return _PAGE.format(
        title="Sign in to the studio",
        head="",
        body=(
            f"<p>{escape(message)}</p><p>Open a terminal and type:</p><pre><code>{escape(command)}</code></pre>"
            "<p>It opens an address that signs this browser in. Then load this page again.</p>"
        ),
    )


def signed_out(command: str) -> str:
    """Say that the session has ended."""
    return _PAGE.format(
        title="Signed out",
        head="",
        body=f"<p>To sign in again:</p><pre><code>{escape(command)}</code></pre>",
    )


def go_on(address: str) -> str:
    """Lead the browser to an address of the studio."""
    shown = escape(address)
    return _PAGE.format(
        title="One moment",
        head=f'<meta http-equiv="refresh" content="0;url={shown}">',
        body=f'<p><a href="{shown}">Continue</a></p>',
    )
