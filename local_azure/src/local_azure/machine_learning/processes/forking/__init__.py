"""Processes forked from a parent that has the slow imports done. Imports nothing of the server."""

from __future__ import annotations

MESSAGE_BYTES = 200_000  # of one packet between the server and a parent
STOP_SECONDS = 3.0  # from SIGTERM to SIGKILL
START_METHOD_VARIABLE = "LOCAL_AZURE_START_METHOD"  # "fork" (default on Linux) or "spawn"
EOF_CODE = 256  # the code of a child whose parent was lost; no process can end with it
