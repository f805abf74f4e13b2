"""A server, a pipeline and a deployment in a network that has a loopback only: `isolated_faults.py FOLDER`.

Run inside `unshare --net`. Prints the RESULT line of deploy_faults.py, and how many packets found no way out.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_environment, ensure_config_file
from local_azure.machine_learning.storage.state import StateFolder

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def bring_up_loopback() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def without_route() -> int:
    """Packets that this network namespace could not send anywhere. Source: RFC 2011, ipOutNoRoutes."""
    names, values = [
        line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")
    ]
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"])


folder = Path(sys.argv[1])
bring_up_loopback()
state = StateFolder(folder / "state")
info = lifecycle.start(state)
try:
    ensure_config_file(folder)
    program = [sys.executable, str(Path(__file__).with_name("deploy_faults.py"))]
    environment = {**client_environment(os.environ, state, info), "HOME": str(folder)}
    done = subprocess.run(program, cwd=folder, env=environment, check=False)
finally:
    lifecycle.stop(state)
sys.stdout.write(f"WITHOUT ROUTE {without_route()}\n")
with suppress(OSError):
    socket.getaddrinfo("example.org", 80)
with suppress(OSError):
    socket.create_connection(("192.0.2.1", 80), 1)
sys.stdout.write(f"AFTER TRYING {without_route()}\n")
sys.exit(done.returncode)
