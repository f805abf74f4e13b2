"""One of several processes that do the same at the same moment: `client_of_races.py ADDRESS TOKEN WHAT COUNT`."""

import json
import sys
from typing import Any

import requests

from tests.faults.fault_server import scope

address, token, what, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = f"Bearer {token}"


def post(path: str, body: object) -> tuple[int, Any]:
    """Status and document."""
    answer = session.post(address + path, json=body, timeout=60)
    return answer.status_code, json.loads(answer.content or b"null")


def register_model(_: int) -> object:
    """The next version of one name."""
    _, asset = post(f"/modelmanagement/v1.0{scope()}/assets", {"artifacts": [{"prefix": "x/y"}]})
    model = {"name": "raced", "url": f"aml://asset/{asset['id']}"}
    return post(f"/modelmanagement/v1.0{scope()}/models", model)[1]["version"]


def register_dataset(number: int) -> object:
    """A version of one name, each with a definition of its own."""
    path = f"races/{token[-8:]}/{sys.argv[5]}/{number}"
    body = {"datastoreName": "workspaceblobstore", "relativePath": path}
    _, saved = post(f"/dataset/v1.0{scope()}/saveddatasets/from-data-path", body)
    posted = {"name": "raced", "datasetType": "file", "latest": {"dataflow": saved["dataflowJson"]}}
    status, found = post(f"/dataset/v1.0{scope()}/datasets?updateDefinitionIfExists=true", posted)
    return found["latest"]["versionId"] if status == 200 else found


def take_one_name(number: int) -> object:
    """Names that only one can have."""
    document = {"name": f"raced{number}", "dataStoreType": "AzureBlob", "azureStorageSection": {"accountName": "a"}}
    return post(f"/datastore/v1.0{scope()}/datastores", document)[0]


def tag(number: int) -> object:
    """A tag of this process's own on one run."""
    path = f"{address}/history/v1.0{scope()}/experiments/faults/runs/raced"
    return session.patch(
        path, json={"runId": "raced", "tags": {f"{sys.argv[5]}-{number}": "x"}}, timeout=60
    ).status_code


acts = {"model": register_model, "dataset": register_dataset, "datastore": take_one_name, "tag": tag}
sys.stdin.readline()
sys.stdout.write(json.dumps([acts[what](number) for number in range(count)]))
