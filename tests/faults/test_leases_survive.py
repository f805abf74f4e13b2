"""Leases and versions of blobs over kill -9 of the server."""

from __future__ import annotations

from tests.faults.fault_server import Machine

ACQUIRE = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "60"}


def test_a_lease_and_the_version_survive_a_killed_server(machine: Machine) -> None:
    version = machine.blob("PUT", "ledger", data=b"1").headers["ETag"]
    lease = machine.blob("PUT", "ledger", "comp=lease", headers=ACQUIRE).headers["x-ms-lease-id"]
    machine.kill()
    machine.start()
    assert machine.blob("PUT", "ledger", data=b"2").headers["x-ms-error-code"] == "LeaseIdMissing"
    taken = machine.blob("PUT", "ledger", "comp=lease", headers=ACQUIRE)
    assert taken.headers["x-ms-error-code"] == "LeaseAlreadyPresent"
    mine = {"x-ms-lease-id": lease, "If-Match": version}
    assert machine.blob("PUT", "ledger", data=b"2", headers=mine).status_code == 201
    assert machine.blob("PUT", "ledger", data=b"3", headers=mine).headers["x-ms-error-code"] == "ConditionNotMet"
    assert machine.blob("GET", "ledger").content == b"2"
