"""Asks the server something small, again and again, and says how long it was silent at most.

`probe_of_answers.py ADDRESS STOP` prints the longest time between two answers in seconds, once the file STOP exists.
Runs in a process of its own, so that what keeps the server busy does not keep this clock.
"""

import sys
import time
from pathlib import Path

import requests

PAUSE_SECONDS = 0.01
SILENT_SECONDS = 20  # longer is not waited for

address, stop = sys.argv[1], Path(sys.argv[2])
session = requests.Session()
session.trust_env = False
session.get(address, timeout=SILENT_SECONDS)
longest, last = 0.0, time.monotonic()
sys.stdout.write("begun\n")
sys.stdout.flush()
while not stop.exists():
    try:
        session.get(address, timeout=SILENT_SECONDS)
    except requests.RequestException:
        longest = max(longest, SILENT_SECONDS)
        break
    now = time.monotonic()
    longest, last = max(longest, now - last), now
    time.sleep(PAUSE_SECONDS)
sys.stdout.write(f"{longest}\n")
