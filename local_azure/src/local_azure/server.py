"""The server process with everything it serves: the planes of Azure ML for programs, the studio for browsers.

python -m local_azure.server --state DIR [--http-port N] [--tls-port N] [--preload WHEN] [--ready-fd N]
"""

from __future__ import annotations

import sys

from local_azure.machine_learning.server import main
from local_azure.studio.application import make_studio

if __name__ == "__main__":
    sys.exit(main(make_studio=make_studio))
