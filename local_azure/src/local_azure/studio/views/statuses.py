"""Statuses in one vocabulary: a word, a tone and a sign, so that no page tells anything by color alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "bad", "warn", "live", "soft"]


@dataclass(frozen=True)
class Status:
    """What a badge shows."""

    word: str
    tone: Tone
    sign: str


_Look = tuple[Tone, str]
_GOOD: _Look = ("good", "✓")
_BAD: _Look = ("bad", "✕")
_STOPPED: _Look = ("warn", "■")
_LIVE: _Look = ("live", "▶")
_WAITING: _Look = ("soft", "○")
_LOOKS: dict[str, _Look] = {
    **dict.fromkeys(("completed", "finished", "succeeded", "healthy", "approved", "active", "agrees"), _GOOD),
    **dict.fromkeys(("failed", "differs"), _BAD),
    **dict.fromkeys(("canceled", "cancelrequested", "abandoned"), _STOPPED),
    **dict.fromkeys(("running", "preparing", "starting", "finalizing", "transitioning", "inprogress"), _LIVE),
    **dict.fromkeys(("notstarted", "queued", "waiting", "pending", "not started"), _WAITING),
    "skipped": ("soft", "↷"),
    "rejected": ("warn", "✕"),
    "disabled": ("soft", "○"),
    "reused": ("good", "↻"),
    **dict.fromkeys(("succeededwithissues", "partiallysucceeded", "warning", "late"), ("warn", "!")),
    **dict.fromkeys(("pending approval", "waiting for approval"), ("warn", "◷")),
}
_NOTABLE, _NOTHING = "override", "none"
_MOST_TAGS = 6
_WORDS = {
    "NotStarted": "Not started",
    "CancelRequested": "Canceling",
    "succeededWithIssues": "Succeeded with issues",
    "partiallySucceeded": "Succeeded with issues",
    "inProgress": "Running",
    "notStarted": "Not started",
    "pending": "Waiting",
}


def is_notable(name: object, value: object = "") -> bool:
    """Tell whether a tag is shown in amber: its name or its value begins with `override`, and it is not `none`."""
    texts = [str(text or "").lower() for text in (name, value)]
    return texts[1] != _NOTHING and any(text.startswith(_NOTABLE) for text in texts)


def notable_tags(tags: Mapping[str, object] | None) -> list[tuple[str, object]]:
    """Return the tags of a run or model that are shown in amber wherever it appears."""
    return [(name, value) for name, value in (tags or {}).items() if is_notable(name, value)]


def first_tags(tags: Mapping[str, object] | None) -> list[tuple[str, object]]:
    """Return the tags that a table has room for: those shown in amber, then the others as they were set."""
    ordered = sorted((tags or {}).items(), key=lambda tag: not is_notable(*tag))
    return ordered[:_MOST_TAGS]


def status(word: object) -> Status:
    """Return how a status looks; an unknown one is shown as it is."""
    text = str(word or "unknown")
    tone, sign = _LOOKS.get(text.lower(), ("soft", "•"))
    shown = _WORDS.get(text, text[:1].upper() + text[1:])
    return Status(shown, tone, sign)
