"""Entry of `python -m ml_service`."""

import sys
import traceback

from ml_service.cli.main import main


def _run() -> int:
    """Run the command line; the traceback of a bug may quote foreign text, which must command no build agent."""
    try:
        return main()
    except Exception:
        from ml_service.output.console import harmless

        sys.stderr.write(harmless(traceback.format_exc()))
        return 1


if __name__ == "__main__":
    sys.exit(_run())
