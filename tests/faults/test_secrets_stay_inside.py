"""What a step or a service prints of a secret is masked, whoever reads it and when; nothing secret lies about."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest

from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.storage.store import Store
from tests.faults.fault_server import Machine, await_true, children, command_line, number_in, scope

CANARY = "canary/4711+Käse=ü:p4ss"
SHORT = "12345"

PRINTS = """
import base64, os, pathlib, sys, time, urllib.parse
from azureml.core import Run
run = Run.get_context()
secret = run.get_secret("canary")
folder = pathlib.Path(sys.argv[2])
forms = [secret, urllib.parse.quote(secret, safe=""), base64.b64encode(b"user:" + secret.encode()).decode()]
print("as it is", secret, "in a url", forms[1], "in base64", forms[2])
for letter in secret:  # written piece by piece
    sys.stdout.write(letter)
    sys.stdout.flush()
print()
print("token", os.environ["AZUREML_RUN_TOKEN"])
print("short", run.get_secret("short"))
print("signature https://x/y?sv=1&sig=abcdefghijklmnopqrstuvwxyz%2B123456%3D&se=2")
pathlib.Path("logs").mkdir(exist_ok=True)
pathlib.Path("logs/own.txt").write_text("mine " + secret)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/data.txt").write_text(secret)
(folder / "token").write_text(os.environ["AZUREML_RUN_TOKEN"])
(folder / "partial").write_text(str(os.getpid()))
(folder / "partial").replace(folder / "step")
while not (folder / "go").exists():
    time.sleep(0.05)
print("the end")
raise SystemExit("failed with " + secret)
"""


def forms(secret: str) -> list[str]:
    """The forms that must not be seen."""
    inside = base64.b64encode(b"user:" + secret.encode()).decode()
    return [secret, quote(secret, safe=""), inside[8:-4], json.dumps(secret)[1:-1]]


def test_a_log_is_masked_while_it_grows_and_clean_on_disk_afterwards(shared: Machine, tmp_path: Path) -> None:
    for name, value in (("canary", CANARY), ("short", SHORT)):
        shared.post(f"/credential/v2.0{scope()}/secrets", {"name": name, "value": value}, "PUT")
    (tmp_path / "program.py").write_text(PRINTS)
    run_id = shared.submit("plain", first="secrets", folder=str(tmp_path))
    number_in(tmp_path / "step")
    token = (tmp_path / "token").read_text()
    growing = await_true(lambda: (log := shared.step_log(run_id)).count("&se=2") and log, "the log")
    (tmp_path / "go").touch()
    assert shared.ended(run_id) == "failed"
    finished = shared.step_log(run_id)
    for log in (growing, finished, shared.step_error(run_id)):
        assert "as it is" in log
        assert f"short {SHORT}" in log, "too short to be masked without spoiling logs"
        assert not [form for form in [*forms(CANARY), token, "abcdefghijklmnopqrstuvwxyz"] if form in log]
    assert finished.startswith(growing.rstrip("*"))
    step = shared.steps(run_id)[0]["runId"]
    files = {path.name: path for path in shared.state.blobs.rglob(f"*dcid.{step}/**/*") if path.is_file()}
    assert CANARY.encode() not in files["70_driver_log.txt"].read_bytes()
    assert files["own.txt"].read_text() == "mine " + "*" * len(CANARY.encode())
    assert files["data.txt"].read_text() == CANARY, "outputs are data: they are the user's own"


def test_a_log_that_a_killed_server_left_is_cleaned_at_the_next_start(machine: Machine, tmp_path: Path) -> None:
    for name, value in (("canary", CANARY), ("short", SHORT)):
        machine.post(f"/credential/v2.0{scope()}/secrets", {"name": name, "value": value}, "PUT")
    (tmp_path / "program.py").write_text(PRINTS)
    machine.submit("plain", first="secrets", folder=str(tmp_path))
    number_in(tmp_path / "step")
    log = next(machine.state.blobs.rglob("70_driver_log.txt"))
    assert CANARY in log.read_text()
    machine.kill()
    machine.start()
    assert "as it is *****" in log.read_text()
    assert not [form for form in [*forms(CANARY), (tmp_path / "token").read_text()] if form in log.read_text()]


def test_nothing_secret_in_command_lines_logs_and_files_for_others(shared: Machine) -> None:
    shared.post(f"/credential/v2.0{scope()}/secrets", {"name": "argv", "value": CANARY}, "PUT")
    shared.send("POST", f"/msi/{shared.info.token}/tokens")  # an address that is none, but holds the token
    shared.send("GET", f"/msi/{shared.info.token}/token")
    shared.get(scope())
    await_true(lambda: children(shared.info.pid), "the fork server of steps")
    secret = [shared.info.token, str(shared._session.headers["Authorization"]).split()[1], CANARY]
    seen = [command_line(pid) for pid in (shared.info.pid, *children(shared.info.pid))]
    seen.append(shared.state.server_log.read_text())
    assert "/msi/<token>/tokens" in seen[-1]
    assert not [one for one in secret for text in seen if one in text]
    readable = [
        path
        for path in (shared.state.root, *shared.state.root.rglob("*"))
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink()
    ]
    assert readable == []


def test_a_log_cannot_be_forged_by_an_address(shared: Machine) -> None:
    shared.send("GET", "/nothing%0A2026-01-01%20INFO%20forged")
    assert not any(
        line.startswith("2026-01-01 INFO forged") for line in shared.state.server_log.read_text().splitlines()
    )


# --- the masking itself


@pytest.fixture
def redactor(tmp_path: Path) -> Redactor:
    """One that knows CANARY."""
    store = Store(tmp_path / "store.sqlite")
    store.put("w", "secret", "canary", {"value": CANARY})
    store.put("w", "service", "s", {"keys": {"primaryKey": "service-key-1"}})
    section = {"azureStorageSection": {"credential": "account-key-1", "accountKey": "account-key-1"}}
    store.put("w", "datastore", "d", {"name": "d", **section})
    workspaces = SimpleNamespace(all=lambda: [SimpleNamespace(id="w")])
    return Redactor(store, cast(Any, workspaces), "start-token-1")


@pytest.mark.parametrize("size", [*range(1, 40), 4096])
def test_ranges_of_any_size_never_show_a_piece_of_a_secret(redactor: Redactor, tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    content = f"before {CANARY} between {CANARY}{CANARY} after".encode()
    path.write_bytes(content)
    shown = b"".join(
        b"".join(redactor.read(path, first, min(size, len(content) - first)))
        for first in range(0, len(content), size)
    )
    mask = b"*" * len(CANARY.encode())
    assert shown == b"before " + mask + b" between " + mask + mask + b" after"


def test_the_beginning_of_a_secret_at_the_end_of_a_growing_log_is_masked(redactor: Redactor, tmp_path: Path) -> None:
    raw = CANARY.encode()
    for written in range(4, len(raw)):
        path = tmp_path / "log"
        path.write_bytes(b"so far " + raw[:written])
        assert b"".join(redactor.read(path, 0, 7 + written)) == b"so far " + b"*" * written


def test_a_secret_across_windows_is_overwritten_whole(redactor: Redactor, tmp_path: Path) -> None:
    path, raw = tmp_path / "log", CANARY.encode()
    window = 1024 * 1024
    for before in (window - len(raw) - 1, window - len(raw), window - 5, window - 1, window):
        path.write_bytes(b"x" * before + raw + b"y" * 10)
        path.chmod(0o600)
        redactor.scrub(path)
        assert path.read_bytes() == b"x" * before + b"*" * len(raw) + b"y" * 10


def test_every_kind_of_secret_is_known(redactor: Redactor) -> None:
    for secret in (CANARY, "service-key-1", "account-key-1", "start-token-1"):
        for offset in range(3):
            encoded = base64.b64encode(b"u" * offset + secret.encode() + b"!" * offset).decode()
            shown = redactor.text(f"{secret} {encoded}")
            assert secret not in shown
            left = [part for part in shown.split("*") if part]
            assert max(len(part) for part in left) < 10, shown


def test_a_secret_is_known_in_hex_and_in_the_base64_of_utf_16(redactor: Redactor) -> None:
    for before in ("", "u", "us"):
        raw = (before + CANARY).encode()
        wide = base64.b64encode((before + CANARY + "!").encode("utf-16-le")).decode()
        left = [part for part in redactor.text(f"{raw.hex()} {raw.hex().upper()} {wide}").split("*") if part]
        assert max(len(part) for part in left) < 10, left


def test_a_text_without_secrets_is_left_as_it_is(redactor: Redactor) -> None:
    text = "a line, sig=short, eyJ no token, 12345 and canary"
    assert redactor.text(text) == text


def test_a_link_in_place_of_a_log_is_not_followed(redactor: Redactor, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(CANARY)
    (tmp_path / "log").symlink_to(tmp_path / "mine")
    redactor.scrub(tmp_path / "log")
    assert (tmp_path / "mine").read_text() == CANARY


@pytest.mark.parametrize(
    "before", ["", "Bearer ", "token=", "x", "-", "eyJ", "eyJ" * 5 + ".", '"', "eyJaaaaaaaaaaaa."]
)
@pytest.mark.parametrize("length", [10, 6000])
def test_a_bearer_token_is_masked_wherever_it_stands(redactor: Redactor, before: str, length: int) -> None:
    token = f"eyJ{'h' * 10}.eyJ{'p' * length}.{'s' * 10}"
    shown = redactor.text(f"{before}{token} behind, {before}{token}")
    assert not [part for part in ("h" * 10, "p" * 10, "s" * 10) if part in shown]
    assert "* behind, " in shown
