"""Notifications: each is sent once, a dead receiver costs seconds, foreign text is inert, the address is a secret."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

import pytest
import typer
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from ml_service.cli.session import session
from ml_service.errors import CheckFailedError, LiveCheckError
from ml_service.output.closing import Closing
from ml_service.output.webhook import (
    LIVE_CHECK_FAILED,
    MOST_CHARACTERS,
    WAITING,
    Event,
    Notice,
    document,
    event_of_failure,
    send,
)
from ml_service.settings.variables import ROOT
from tests.unit.ml_service.conftest import MakeSettings

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs/notification.schema.json").read_text()))
ITS_QUERY = "only-for-its-owner"
HOSTILE = "[click](https://evil.example) <at>all</at> \x1b[31m **bold** " + "x" * 5000


def notice(event: Event = WAITING, text: str = "paid:3 serves") -> Notice:
    return Notice(event, "paid_amount", Closing(text, text, text, ("log",)), "17", "abc", "2026-11-30T12:00:00+00:00")


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it gets and answers with the status of its server."""

    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "/again")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def receiver() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.status = [], 202
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server: Any) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/hook?{ITS_QUERY}"


def test_each_notification_arrives_once_and_keeps_its_schema(receiver: Any) -> None:
    events: tuple[Event, ...] = get_args(Event)
    said = send(address(receiver), [notice(event) for event in events])

    assert said == [f"notification {event}: sent" for event in events]
    assert sorted(got["event"] for got in receiver.got) == sorted(events)
    for got in receiver.got:
        SCHEMA.validate(got)
    assert len({got["id"] for got in receiver.got}) == len(events)


@pytest.mark.parametrize("status", [302, 500])
def test_a_receiver_that_refuses_or_redirects_is_asked_once(receiver: Any, status: int) -> None:
    receiver.status = status

    assert send(address(receiver), [notice()]) == [
        f"notification approval.waiting: not accepted, the receiver answered HTTP {status}"
    ]
    assert len(receiver.got) == 1


def test_a_receiver_that_never_answers_costs_no_more_than_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        said = send(f"http://127.0.0.1:{silent.getsockname()[1]}/{ITS_QUERY}", [notice(), notice()], seconds=0.3)

        assert time.monotonic() - begun < 2
    assert all("did not respond in time" in line for line in said)
    assert ITS_QUERY not in "".join(said)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x", "ftp://127.0.0.1/x", f"https://user:{ITS_QUERY}@hooks.example/x", "no address", "https://[",
        "http://127.0.0.1.evil.example/x", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_an_address_that_is_not_allowed_gets_nothing(url: str) -> None:
    (said,) = send(url, [notice()])

    assert ": not sent, NOTIFICATION_WEBHOOK " in said
    assert url not in said


def test_a_name_that_does_not_exist_is_a_line_and_no_failure() -> None:
    (said,) = send(f"https://127.0.0.1:1/{ITS_QUERY}", [notice()])

    assert said.startswith("notification approval.waiting: not sent (")
    assert ITS_QUERY not in said


def test_foreign_text_is_short_and_acts_on_nobody() -> None:
    sent = document(notice(text=HOSTILE))

    SCHEMA.validate(sent)
    assert len(sent["happened"]) == MOST_CHARACTERS
    assert "\x1b" not in json.dumps(sent, ensure_ascii=False)
    card = sent["attachments"][0]["content"]
    assert card["body"][1]["facts"][1]["value"].startswith(r"\[click\](https://evil.example) \<at\>all\</at\>")
    assert "log" not in str(card)
    four_bytes = document(notice(text="\U0001f600" * 5000))
    assert len(json.dumps(four_bytes, ensure_ascii=False).encode()) < 28_000


def test_only_what_went_wrong_by_itself_is_told() -> None:
    assert [event_of_failure("run", code) for code in (0, 1, 2, 3, 4, 124, 130)] == [
        None, "training.failed", None, "training.failed", None, "training.failed", None,
    ]  # fmt: skip
    assert event_of_failure("verify", 3) == "live_check.failed"
    assert event_of_failure("status", 1) is None


def test_a_verb_that_fails_notifies_with_its_closing_and_keeps_its_exit_code(
    receiver: Any, make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, session(False, verb="verify") as call:
        call.settings = make_settings({"NOTIFICATION_WEBHOOK": address(receiver)})
        call.events.append(LIVE_CHECK_FAILED)  # and the failure is the same event: it is sent once
        raise CheckFailedError("production is not what the ledger says", todo="go back")

    assert ended.value.exit_code == 3
    (got,) = receiver.got
    assert (got["event"], got["to_do"]) == ("live_check.failed", "go back")
    assert got["happened"] == "error: production is not what the ledger says"
    captured = capsys.readouterr()
    assert captured.err.endswith("\nnotification live_check.failed: sent\n")
    assert ITS_QUERY not in captured.out + captured.err + repr(call.settings)


def test_a_release_whose_service_answers_wrongly_tells_of_both(receiver: Any, make_settings: MakeSettings) -> None:
    with pytest.raises(typer.Exit) as ended, session(False, verb="release") as call:
        call.settings = make_settings({"NOTIFICATION_WEBHOOK": address(receiver)})
        raise LiveCheckError("service paid-amount does not answer as its registered model")

    assert ended.value.exit_code == 3
    assert sorted(got["event"] for got in receiver.got) == ["live_check.failed", "release.failed"]
