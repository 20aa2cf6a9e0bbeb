"""The command line: one file per command."""

from __future__ import annotations

import sys

from midframe.core.errors import MidframeError, UsageError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main() -> None:
    """Run the command line. A mistake of the user becomes one sentence on standard error and an exit code."""
    from midframe.cli.app import app

    try:
        app(prog_name="midframe")
    except MidframeError as error:
        print(f"midframe: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(MISUSED if isinstance(error, UsageError) else FAILED)
    except KeyboardInterrupt:
        print("midframe: interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
