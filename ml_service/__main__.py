"""Entry of `python -m ml_service`."""

import sys

from ml_service.cli import main

if __name__ == "__main__":
    sys.exit(main())
