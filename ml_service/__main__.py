"""Entry of `python -m ml_service`."""

import os
import sys
import traceback

try:
    from ml_service.cli.main import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] in ("ml_service", "azure_ml", "forecasting"):
        raise
    sys.stderr.write(
        f"error: {sys.executable} is not the environment of this repository: it has no package {missing.name}.\n"
        "  to do:    build it with `make setup`, then activate it: . .venv/bin/activate\n"
    )
    sys.exit(2)


def _run() -> int:
    """Run the command line; the traceback of a bug may quote foreign text, which must command no build agent."""
    try:
        return main()
    except Exception:
        from ml_service.output.console import sanitize

        sys.stderr.write(sanitize(traceback.format_exc()))
        return 1


if __name__ == "__main__":
    # The SDK asks git for the state of the repository; killed meanwhile, git would leave .git/index.lock behind.
    os.environ.setdefault("GIT_OPTIONAL_LOCKS", "0")  # noqa: TID251 - no setting of ours is read
    sys.exit(_run())
