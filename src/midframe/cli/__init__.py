"""The command line: one file per command."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import parent_process
from types import FrameType

from midframe.core.errors import MidframeError, UsageError

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143


def main() -> None:
    """Run the command line. A mistake of the user becomes one sentence on standard error and an exit code."""
    if "OMP_WAIT_POLICY" not in os.environ:
        # Read when PyTorch is loaded. Its threads spin while they wait for each other, which is long where another
        # process has the core of one (docs/guides/interpolate.md). Asleep at once, they are slower on free cores.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from midframe.cli.app import app

    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a shell
        signal.signal(signal.SIGINT, _stop)
    try:
        app(prog_name="midframe")
    except MidframeError as error:
        print(f"midframe: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(MISUSED if isinstance(error, UsageError) else FAILED)


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave as an error does: what was begun is cleaned up on the way out."""
    if number == signal.SIGINT and parent_process() is not None:
        raise KeyboardInterrupt  # Ctrl-C reaches forked helpers too, which know it by this name alone.
    word, code = ("terminated", TERMINATED) if number == signal.SIGTERM else ("interrupted", INTERRUPTED)
    print(f"midframe: {word}.", file=sys.stderr)
    sys.exit(code)
