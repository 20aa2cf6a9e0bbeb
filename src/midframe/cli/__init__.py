"""The command line: one file per command."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from midframe.core.errors import MidframeError, UsageError

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143


def main() -> None:
    """Run the command line. A mistake of the user becomes one sentence on standard error and an exit code."""
    # Before PyTorch is loaded: threads that wait for each other by spinning take fifty times as long on two cores of
    # which another process has one, and are no faster on free ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from midframe.cli.app import app

    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="midframe")
    except MidframeError as error:
        print(f"midframe: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(MISUSED if isinstance(error, UsageError) else FAILED)
    except KeyboardInterrupt:
        print("midframe: interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _terminate(number: int, frame: FrameType | None) -> None:
    """Leave as an error does: what was begun is cleaned up on the way out."""
    print("midframe: terminated.", file=sys.stderr)
    sys.exit(TERMINATED)
