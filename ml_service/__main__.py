"""Entry of `python -m ml_service`."""

import sys

from ml_service.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
