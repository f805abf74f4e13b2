"""Data at web addresses, from the real SDK: in a program and in steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure.cli.client_environment import client_environment
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

QUICK = 5.0  # seconds; a tenth of one on a quiet machine, half a minute where the engine tries again
TABLE = "https://example.org/data/table.csv"
BLOBS = "https://account.blob.core.windows.net/container/t/*.csv"
PROGRAM = f"""
import json, os, sys, time
import pandas as pd
from azureml.core import Dataset

def told(call):
    begun = time.monotonic()
    try:
        return call()
    except Exception as error:
        return [str(error), time.monotonic() - begun]

table = lambda: Dataset.Tabular.from_delimited_files("{TABLE}").to_pandas_dataframe().shape
found = {{"tabular": told(table)}}
if sys.argv[1:] == ["all"]:
    found["plain"] = Dataset.File.from_files("{TABLE.replace("https", "http")}").download("copy")
    found["blobs"] = Dataset.File.from_files("{BLOBS}").to_path()
    found["rows"] = len(Dataset.Tabular.from_delimited_files("{BLOBS}").to_pandas_dataframe())
    found["pandas"] = len(pd.read_csv("{TABLE}"))
    found["absent"] = told(lambda: Dataset.Tabular.from_delimited_files("https://example.org/absent.csv"))
else:
    found["blobs"] = told(lambda: Dataset.Tabular.from_delimited_files("{BLOBS}".replace("*", "1")))
print(json.dumps(found))
"""
STEP = """
import argparse, os, pathlib
from azureml.core import Run
p = argparse.ArgumentParser(); p.add_argument("--mounted"); p.add_argument("--copied"); a = p.parse_args()
run = Run.get_context()
print("proxy", os.environ["https_proxy"])
run.parent.tag("rows", str(len(run.input_datasets["table"].to_pandas_dataframe())))
run.parent.tag("mounted", pathlib.Path(a.mounted).read_text())
run.parent.tag("copied", " ".join(sorted(os.listdir(a.copied))))
"""


@pytest.fixture(scope="module")
def web_data(state: StateFolder, server: ServerInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in use by the server for this module, with one file at TABLE and two at BLOBS."""
    folder = tmp_path_factory.mktemp("web")
    files = {"example.org/data/table.csv": "a,b\n1,2\n"}
    files |= {f"account.blob.core.windows.net/container/t/{number}.csv": "a\n1\n" for number in (1, 2)}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    state.choose_web_data(folder)
    yield folder
    state.choose_web_data(None)


def _run(state: StateFolder, server: ServerInfo, folder: Path, *arguments: str) -> Any:
    """What PROGRAM prints, under the variables of `exec` and with no proxy of the user's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=client_environment(inherited, state, server),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_program_reads_web_addresses_from_local_files(
    state: StateFolder, server: ServerInfo, web_data: Path, tmp_path: Path
) -> None:
    found = _run(state, server, tmp_path, "all")
    assert found["tabular"] == [1, 2]
    assert [Path(path).read_text() for path in found["plain"]] == ["a,b\n1,2\n"]
    assert (found["blobs"], found["rows"], found["pandas"]) == (["/1.csv", "/2.csv"], 2, 1)
    message, seconds = found["absent"]
    assert f"save the data of this web address as {web_data}/example.org/absent.csv" in message
    assert seconds < QUICK


def test_steps_read_web_addresses_from_local_files(project: Any, experiment: Any, web_data: Path) -> None:
    from azureml.core import Dataset

    table = Dataset.Tabular.from_delimited_files(TABLE, validate=False, infer_column_types=False)
    mounted = Dataset.File.from_files(TABLE, validate=False)
    copied = Dataset.File.from_files(BLOBS, validate=False)
    step = project.step(
        "web",
        STEP,
        ["--mounted", mounted.as_mount(), "--copied", copied.as_download()],
        inputs=[table.as_named_input("table")],
    )
    run = project.finished(experiment.submit(project.pipeline(step)))
    found = run.get_tags()
    log = project.steps_of(run)["web"].get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    assert "proxy http://local_azure:********************************@127.0.0.1:" in log
    assert (found["rows"], found["mounted"], found["copied"]) == ("1", "a,b\n1,2\n", "1.csv 2.csv")


def test_without_a_folder_the_refusal_names_it(state: StateFolder, server: ServerInfo, tmp_path: Path) -> None:
    chosen = state.web_data()
    state.choose_web_data(None)
    try:
        found = _run(state, server, tmp_path)
    finally:
        state.choose_web_data(chosen)
    places = {"tabular": "example.org/data/table.csv", "blobs": "account.blob.core.windows.net/container/t/1.csv"}
    for name, place in places.items():
        message, seconds = found[name]
        assert "start local_azure with --web-data FOLDER and save the data" in message
        assert f"as FOLDER/{place}" in message
        assert seconds < QUICK
