"""What runs inside the processes of web services; imports nothing of the server, to start fast and small."""

from __future__ import annotations

MESSAGE_BYTES = 200_000  # of one packet between the server and the parent of the services
STOP_SECONDS = 3.0  # from SIGTERM to SIGKILL
