"""The command line: start, stop, exec, workspaces; through real processes."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

Run = subprocess.CompletedProcess[str]
SHOW = (
    "from azureml.core import Workspace; w = Workspace.from_config(); print('IS', w.name, w.resource_group, w.tags)"
)


class CommandLine:
    """`python -m local_azure` on a state folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        (self.folder / ".git").mkdir(parents=True)
        self.state = folder / "state"

    def __call__(self, *words: str, **variables: str) -> Run:
        command = [sys.executable, "-m", "local_azure", "--state", str(self.state), *words]
        environment = {**os.environ, "HOME": str(self.folder.parent), **variables}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture
def local_azure(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line whose server is stopped afterwards."""
    command_line = CommandLine(tmp_path)
    yield command_line
    command_line("down")


def test_data_of_a_project_lies_outside_of_it(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "below").mkdir()
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "states")}
    environment.pop("LOCAL_AZURE_STATE", None)
    command = [sys.executable, "-m", "local_azure", "status", "--json"]

    def state_of(folder: Path) -> str:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return str(json.loads(done.stdout)["state"])

    assert state_of(project).startswith(str(tmp_path / "states" / "local_azure" / "project-"))
    assert state_of(project / "below") == state_of(project)
    (project / ".local_azure").mkdir()
    assert state_of(project / "below") == str(project / ".local_azure")


def test_up_status_down(local_azure: CommandLine) -> None:
    assert local_azure("status").returncode == 1
    assert local_azure("up").returncode == 0
    shown = json.loads(local_azure("status", "--json").stdout)
    assert shown["running"]
    assert _children(shown["pid"]) == "", "nothing is imported before a client comes"
    again = local_azure("up")
    assert shown["address"] in again.stdout
    assert local_azure("down").stdout == "Stopped.\n"
    assert local_azure("status").returncode == 1
    assert "No server runs" in local_azure("down").stdout


def _children(pid: int) -> str:
    return Path("/proc", str(pid), "task", str(pid), "children").read_text()


def test_a_server_that_a_person_starts_preloads_before_a_client_comes(
    local_azure: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_AZURE_PRELOAD")
    assert local_azure("up").returncode == 0
    pid = json.loads(local_azure("status", "--json").stdout)["pid"]
    deadline = time.monotonic() + 30
    while not (children := _children(pid).split()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ["fork_server" in Path("/proc", child, "cmdline").read_text() for child in children] == [True]


def test_an_unknown_time_of_preloading_is_named(local_azure: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_AZURE_PRELOAD", "soon")
    done = local_azure("up")
    assert done.returncode == 2
    assert "soon is neither at-start nor when-needed" in done.stderr


def test_addresses_stay_the_same_over_a_restart(local_azure: CommandLine) -> None:
    local_azure("up")
    first = json.loads(local_azure("status", "--json").stdout)["address"]
    local_azure("down")
    local_azure("up")
    assert json.loads(local_azure("status", "--json").stdout)["address"] == first


def test_a_second_server_on_one_folder_is_refused_and_names_the_first(local_azure: CommandLine) -> None:
    local_azure("up")
    pid = json.loads(local_azure("status", "--json").stdout)["pid"]
    command = [sys.executable, "-m", "local_azure.machine_learning.server", "--state", str(local_azure.state)]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 4
    assert f"process id {pid}" in second.stderr


def test_what_others_could_read_holds_no_secret(local_azure: CommandLine) -> None:
    local_azure("up")
    server = json.loads((local_azure.state / "server.json").read_text())
    assert stat.S_IMODE(local_azure.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((local_azure.state / "server.json").stat().st_mode) == 0o600
    assert server["token"] not in (local_azure.state / "server.log").read_text()
    arguments = Path("/proc", str(server["pid"]), "cmdline").read_text()
    assert server["token"] not in arguments


def test_exec_ends_with_the_code_of_the_program(local_azure: CommandLine) -> None:
    assert local_azure("exec", "--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    missing = local_azure("exec", "--", "no-such-program")
    assert missing.returncode == 127
    assert "no-such-program" in missing.stderr


def test_exec_writes_a_config_file_where_there_is_none(local_azure: CommandLine) -> None:
    done = local_azure("exec", "--", sys.executable, "-c", SHOW)
    assert "IS local-development local-rehearsal {'evidence': 'local rehearsal'}" in done.stdout, done.stderr
    assert (local_azure.folder / ".azureml" / "config.json").is_file()


def test_exec_serves_the_workspace_that_a_config_file_names(local_azure: CommandLine) -> None:
    names = {"subscription_id": "abc", "resource_group": "theirs", "workspace_name": "their-workspace"}
    (local_azure.folder / "config.json").write_text(json.dumps(names))
    done = local_azure("exec", "--", sys.executable, "-c", SHOW)
    assert "IS their-workspace theirs {'evidence': 'local rehearsal'}" in done.stdout, done.stderr
    assert not (local_azure.folder / ".azureml").exists()


def test_exec_hands_on_no_other_way_to_sign_in(local_azure: CommandLine) -> None:
    program = "import os; print([n for n in os.environ if n.startswith(('AZURE_CLIENT', 'SYSTEM_'))])"
    foreign = {"AZURE_CLIENT_SECRET": "x", "SYSTEM_ACCESSTOKEN": "y", "SYSTEM_OIDCREQUESTURI": "z"}
    assert local_azure("exec", "--", sys.executable, "-c", program, **foreign).stdout.strip() == "[]"


def test_web_data_is_in_use_until_the_server_stops(local_azure: CommandLine) -> None:
    file = local_azure.folder / "web" / "example.org" / "x.csv"
    file.parent.mkdir(parents=True)
    file.write_text("found")
    program = "import urllib.request; print(urllib.request.urlopen('https://example.org/x.csv').read())"
    first = local_azure("exec", "--web-data", "web", "--", sys.executable, "-c", program)
    assert "found" in first.stdout, first.stderr
    assert str(file.parent.parent) in local_azure("status").stdout
    assert "found" in local_azure("exec", "--", sys.executable, "-c", program).stdout
    local_azure("down")
    local_azure("up")
    assert "--web-data" not in local_azure("status").stdout
    missing = local_azure("up", "--web-data", "none")
    assert (missing.returncode, "'none' does not exist" in missing.stderr) == (2, True)


def test_workspaces_are_created_and_listed(local_azure: CommandLine) -> None:
    assert local_azure("workspace", "create", "staging").returncode == 0
    assert local_azure("workspace", "list").stdout.split() == ["local-development", "local-production", "staging"]
    refused = local_azure("workspace", "create", "no spaces")
    assert refused.returncode == 2
    assert "no spaces" in refused.stderr


def test_env_prints_what_a_shell_can_evaluate(local_azure: CommandLine) -> None:
    lines = local_azure("env").stdout.splitlines()
    assert any(line.startswith("export ARM_CLOUD_METADATA_URL='http://127.0.0.1:") for line in lines)


@pytest.mark.campaign
def test_data_survives_a_killed_server(local_azure: CommandLine) -> None:
    make = "from azureml.core import *; Experiment(Workspace.from_config(), 'kept').tag('a', 'b')"
    read = "from azureml.core import *; print('TAGS', Experiment(Workspace.from_config(), 'kept').tags)"
    assert local_azure("exec", "--", sys.executable, "-c", make).returncode == 0
    os.kill(json.loads(local_azure("status", "--json").stdout)["pid"], 9)
    assert "TAGS {'a': 'b'}" in local_azure("exec", "--", sys.executable, "-c", read).stdout


def test_an_unwritable_state_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "local_azure", "--state", str(tmp_path / "file" / "state"), "up"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert str(tmp_path / "file" / "state") in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_log_holds_cannot_act_on_the_terminal(local_azure: CommandLine) -> None:
    local_azure.state.mkdir(mode=0o700)
    log = local_azure.state / "server.log"
    log.write_bytes(b"first\nGET /\x1b[2J\x1b]0;title\x07\xff \xe2\x80\xae\n")
    shown = local_azure("logs", "--lines", "1")
    assert shown.returncode == 0
    assert shown.stdout == "GET /\\x1b[2J\\x1b]0;title\\x07\ufffd \\u202e\n"


def test_commands_do_not_import_what_only_the_server_needs() -> None:
    """These take longer to import than everything else; every `exec` would pay for them."""
    slow = "{'ssl', 'asyncio', 'cryptography', 'OpenSSL', 'urllib.request', 'sqlite3', 'local_azure.pipelines'}"
    program = f"import sys, local_azure.cli.main; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"


def test_the_studio_signs_a_browser_in_once_and_its_address_stays(local_azure: CommandLine) -> None:
    said = local_azure("studio", "--no-open").stdout
    found = re.search(r"http://127\.0\.0\.1:(\d+)/studio/sign-in\?code=\S+", said)
    assert found
    browser = requests.Session()
    assert browser.get(found[0], timeout=10).status_code == 200
    assert "Overview" in browser.get(f"http://127.0.0.1:{found[1]}/studio/", timeout=10).text
    assert requests.get(found[0], timeout=10).status_code == 401
    again = json.loads(local_azure("status", "--json").stdout)["studio"]
    assert again == f"http://127.0.0.1:{found[1]}/studio"
    local_azure("down")
    local_azure("up")
    assert json.loads(local_azure("status", "--json").stdout)["studio"] == again
    assert browser.get(f"{again}/", timeout=10).status_code == 401, "a session ends with its server"
