"""Times, durations, sizes and numbers as people read them: one form of each on all pages."""

from __future__ import annotations

import base64
import datetime as dt
import math
import re

from markupsafe import Markup

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_MOST_CHARACTERS = 200
_BETWEEN_WORDS = re.compile(r"(?<=[_./])(?=[^_./])|(?<=[a-z])(?=[A-Z])")
_PACKED, _MOST_PACKED = "base64_", 100_000
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_HASH = re.compile(r"\b([0-9a-f]{32,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_NOTHING = Markup('<span class="soft">-</span>')


def parsed(text: object) -> dt.datetime | None:
    """Return the moment of a timestamp; None for what is none."""
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def moment(text: object) -> Markup:
    """Show a timestamp in UTC; the time of this machine's clock is shown on hover."""
    found = parsed(text)
    if found is None:
        return _NOTHING
    try:
        utc, here = found.astimezone(dt.UTC), found.astimezone()
    except (OverflowError, ValueError, OSError):  # within a day of the first or the last date that there is
        return _NOTHING
    return Markup('<time datetime="{}" title="{} here">{} UTC</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{here:%Y-%m-%d %H:%M:%S %Z}", f"{utc:%Y-%m-%d %H:%M:%S}"
    )


def seconds_between(start: object, end: object) -> float | None:
    """Return the seconds between two timestamps, until now where there is no end yet; None without a start."""
    begun = parsed(start)
    if begun is None:
        return None
    ended = parsed(end) or dt.datetime.now(dt.UTC)
    return max((ended - begun).total_seconds(), 0.0)


def duration(seconds: float | None) -> str:
    """Show how long something took."""
    if seconds is None:
        return "-"
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(count: float) -> str:
    """Show a number of bytes."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:,.0f} {_UNITS[unit]}" if unit == 0 else f"{count:,.1f} {_UNITS[unit]}"


def number(value: object) -> str:
    """Show a value of a metric: four or more significant digits, whole numbers as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return short(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if 1000 <= abs(value) < 1e18 else f"{value:.4g}"


def unpacked(value: object) -> object:
    """Return the text that a value holds in URL-safe base64 of UTF-8 behind `base64_`, a timestamp as all others.

    Any other value stays as it is.
    """
    if _is_timestamp(value):
        return moment(value)
    if not isinstance(value, str) or not value.startswith(_PACKED) or len(value) > _MOST_PACKED:
        return value
    held = value.removeprefix(_PACKED)
    try:
        text = base64.b64decode(held + "=" * (-len(held) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return value
    return text if text.isprintable() and text else value


def dated(value: object, most: int = _MOST_CHARACTERS) -> str | Markup:
    """Show a value of a tag in a list: a timestamp as all others, else a text."""
    return moment(value) if _is_timestamp(value) else short(value, most)


def _is_timestamp(value: object) -> bool:
    return isinstance(value, str) and bool(_TIMESTAMP.fullmatch(value)) and parsed(value) is not None


def hashed(value: object) -> object:
    """Return a value whose hashes and random ids are cut to eight characters, with the whole as its title."""
    text = value if isinstance(value, str) else ""
    cut = _HASH.sub(lambda found: f"{found[0][:8]}…", text)
    if cut == text:
        return unpacked(value)
    return Markup('<span class="mono" title="{}">{}</span>').format(text, cut)


def parted(name: str) -> Markup:
    """Show a name of several words so that it breaks between them and not inside one."""
    return Markup("<wbr>").join(_BETWEEN_WORDS.split(name))


def short(value: object, most: int = _MOST_CHARACTERS) -> str:
    """Show a text of others in a cell: one line, cut where it is long."""
    text = " ".join(str("" if value is None else value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
