"""Processes forked from a server that has the slow imports done. Imports nothing of the emulator."""

from __future__ import annotations

MESSAGE_BYTES = 200_000  # of one packet between the emulator and a fork server
STOP_SECONDS = 3.0  # from SIGTERM to SIGKILL
START_METHOD_VARIABLE = "LOCAL_AZURE_START_METHOD"  # "fork" (default on Linux) or "spawn"
EOF_CODE = 256  # the code of a child whose fork server was lost; no process can end with it
QUIET_SECONDS = 60.0  # who works on this machine asks for children more often than that, and needs the processor
