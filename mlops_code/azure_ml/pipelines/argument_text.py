"""Free text as an argument of a step.

The service passes the arguments of a PythonScriptStep on with escapes (MachineLearningNotebooks#1536: `;` arrives as
`\\;`), so a text travels as URL-safe base64, which holds nothing to escape.
"""

from __future__ import annotations

import argparse
import base64
import binascii

PREFIX = "base64_"


def packed(text: str) -> str:
    """Return a text in the form in which it travels."""
    return PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpacked(argument: str) -> str:
    """Return the text of an argument. Without the prefix it is plain: an earlier version or a REST caller sent it.

    Raises: argparse.ArgumentTypeError (not what `packed` returns).
    """
    if not argument.startswith(PREFIX):
        return argument
    held = argument.removeprefix(PREFIX)
    try:
        text = base64.urlsafe_b64decode(held + "=" * (-len(held) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = None
    if text is None or packed(text) != argument:
        raise argparse.ArgumentTypeError(
            f"{argument[:80]!r} cannot be unpacked: expected {PREFIX} and URL-safe base64"
        )
    return text
