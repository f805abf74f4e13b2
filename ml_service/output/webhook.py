"""Notifications to a webhook: Teams, or any address that takes a POST. They inform; they never decide or fail a verb.

The address is a secret. It is never printed, and neither is what the receiver answers. docs/notifications.md and
docs/notification.schema.json describe the document that is sent.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from azure_ml.errors import ExplainedError
from forecasting.errors import printable
from ml_service.errors import LiveCheckError
from ml_service.output.closing import Closing
from ml_service.output.markdown import neutral

Event = Literal[
    "approval.waiting", "training.failed", "data.drift", "data.quarantined", "live_check.failed", "release.failed"
]
WAITING, TRAINING_FAILED, DRIFT, QUARANTINED, LIVE_CHECK_FAILED, RELEASE_FAILED = get_args(Event)
TITLES: dict[Event, str] = {
    WAITING: "a model is waiting for approval",
    TRAINING_FAILED: "a training run has failed",
    DRIFT: "the data has drifted",
    QUARANTINED: "delivered data is in quarantine",
    LIVE_CHECK_FAILED: "the check of production failed",
    RELEASE_FAILED: "a deployment to production failed",
}
_OF_FAILURES: dict[str, Event] = {
    "run": TRAINING_FAILED,
    "verify": LIVE_CHECK_FAILED,
    "release": RELEASE_FAILED,
    "rollback": RELEASE_FAILED,
}
_RED = frozenset((1, 3, 124))
"""Exit codes that cause a notification: not those of a usage error, a conflict or Ctrl-C."""
SECONDS = 4.5
"""For all notifications of a command together, whatever the receivers do."""
MOST_CHARACTERS = 500
"""Of each text: twelve of them, four bytes a character, stay below the 28 KB that Teams takes."""
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


@dataclass(frozen=True)
class Notice:
    """What people are told. build: id of the build; link: page of the build, empty where there is none."""

    event: Event
    subject: str
    """The problem that it is about, or the verb where the problem is not known."""
    closing: Closing
    build: str
    commit: str
    when: str
    link: str = ""
    workspace: str = ""
    """Name and tags of the training workspace; the tags say whether this was a rehearsal."""


def event_of_failure(verb: str, exit_code: int) -> Event | None:
    """What people are told when a verb ends with a code; None: nothing."""
    return _OF_FAILURES.get(verb) if exit_code in _RED else None


def events_of_error(error: ExplainedError) -> list[Event]:
    """Return the events of an error in addition to the failure of the verb."""
    return [LIVE_CHECK_FAILED] if isinstance(error, LiveCheckError) else []


def document(notice: Notice) -> dict[str, Any]:
    """The JSON document: fields for programs, and the same as a card for Teams."""
    title = f"{notice.subject}: {TITLES[notice.event]}"
    live, happened, todo = (_capped(text) for _, text in notice.closing.answers)
    identity = f"{notice.event} {notice.subject} {notice.build}"
    return {
        "schema_version": 1,
        "id": hashlib.sha256(identity.encode()).hexdigest(),
        "event": notice.event,
        "problem": _capped(notice.subject),
        "title": _capped(title),
        "live_now": live,
        "happened": happened,
        "to_do": todo,
        "build": _capped(notice.build),
        "commit": _capped(notice.commit),
        "workspace": _capped(notice.workspace),
        "when": notice.when,
        "link": notice.link,
        "type": "message",
        "attachments": [_card(_capped(title), notice)],
    }


def send(url: str, notices: Sequence[Notice], seconds: float = SECONDS) -> list[str]:
    """Send each notice once and return how that went, a line each; never raises and never takes longer.

    A receiver that does not answer in time is left alone: its thread ends with this process.
    """
    if wrong := fault_of(url):
        return [f"notification {notice.event}: not sent, {wrong}" for notice in notices]
    deadline = time.monotonic() + seconds
    calls = [(notice, _Call(url, notice)) for notice in notices]
    for _, call in calls:
        call.start()
    said = []
    for notice, call in calls:
        call.join(max(deadline - time.monotonic(), 0.0))
        said.append(f"notification {notice.event}: {call.outcome}")
    return said


class _Call(threading.Thread):
    """One POST, without a repetition or a redirect."""

    def __init__(self, url: str, notice: Notice) -> None:
        super().__init__(daemon=True)
        self._url, self._notice = url, notice
        self.outcome = "not sent, because the receiver did not respond in time"

    def run(self) -> None:
        import requests

        content = json.dumps(document(self._notice), ensure_ascii=False).encode()
        kind = {"Content-Type": "application/json"}
        try:
            with requests.post(
                self._url, content, headers=kind, timeout=SECONDS, allow_redirects=False, stream=True
            ) as answer:
                ok = answer.ok and not answer.is_redirect
                self.outcome = "sent" if ok else f"not accepted, the receiver answered HTTP {answer.status_code}"
        except Exception as error:  # whatever it is: a release does not fail because of it
            self.outcome = f"not sent ({type(error).__name__})"


def fault_of(url: str) -> str:
    """Why nothing is sent to an address; empty where it may be. The address is a secret and is not repeated."""
    try:
        parts = urlsplit(url)
        host, named = parts.hostname or "", bool(parts.username or parts.password)
    except ValueError:
        return "NOTIFICATION_WEBHOOK is not an address"
    if named:
        return "NOTIFICATION_WEBHOOK contains a user or password"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return "NOTIFICATION_WEBHOOK does not begin with https://"
    return "" if host else "NOTIFICATION_WEBHOOK names no server"


def _capped(text: str) -> str:
    """One text, harmless and short."""
    text = "\n".join(printable(line) for line in text.splitlines())
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _card(title: str, notice: Notice) -> dict[str, Any]:
    """An adaptive card, whose texts are Markdown: foreign text is neutralised."""
    closing = replace(notice.closing, log=())
    facts = [{"title": label, "value": str(neutral(_capped(text)))} for label, text in closing.answers]
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": True, "text": str(neutral(title))},
        {"type": "FactSet", "facts": facts},
    ]
    actions = [{"type": "Action.OpenUrl", "title": "Open the build", "url": notice.link}] if notice.link else []
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": actions,
    }
    return {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
