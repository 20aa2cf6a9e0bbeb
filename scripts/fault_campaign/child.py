"""Work in a forked child, bounded in time, memory and the size of its files, and stopped by a signal when asked."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.001
KEPT_TEXT = 4000
CRASHED = 70
"""Exit code of a child whose work raised what nobody expects."""


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: Its exit code; the negative number of a signal that ended it.
        hung: It was killed for taking too long.
        sent: The signal that was sent while it lived; None for none.
        value: What its work gave, through JSON; None where it did not end well.
        said: The end of what it printed.
        seconds: It lived.
        peak_bytes: Its largest resident size.
    """

    code: int
    hung: bool
    sent: int | None
    value: Any
    said: str
    seconds: float
    peak_bytes: int


def in_child(
    work: Callable[[], Any],
    *,
    patience_seconds: float,
    more_memory_bytes: int | None = None,
    file_bytes: int | None = None,
    signal_now: Callable[[float], int | None] = lambda elapsed: None,
) -> Ended:
    """Run `work` in a child.

    Args:
        work: What to do; its value must survive JSON, and fit into a pipe.
        patience_seconds: After this the child is killed.
        more_memory_bytes: Address space that it may take beyond what it starts with.
        file_bytes: Largest file that it may write.
        signal_now: Asked about once a millisecond, with the seconds since the start, for a signal to send; the
            first one is sent, and it is not asked again.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _be_child(work, writing, said.fileno(), more_memory_bytes, file_bytes)
        os.close(writing)
        sent, hung = None, False
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                break
            elapsed = time.monotonic() - started
            if sent is None and (sent := signal_now(elapsed)) is not None:
                os.kill(pid, sent)
            if elapsed > patience_seconds and not hung:
                hung = True
                os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
        with os.fdopen(reading, "rb") as pipe:
            value = pipe.read()
        said.seek(0)
        text = said.read().decode(errors="replace")[-KEPT_TEXT:]
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, hung, sent, json.loads(value) if value else None, text, seconds, usage.ru_maxrss * 1024)


def _be_child(
    work: Callable[[], Any], writing: int, said: int, more_memory_bytes: int | None, file_bytes: int | None
) -> None:
    """Work, and end this process as the interpreter would: after all threads that it has to wait for."""
    code = CRASHED
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        if more_memory_bytes is not None:
            own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (own + more_memory_bytes, own + more_memory_bytes))
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        value = work()
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon:
                thread.join()
        os.write(writing, json.dumps(value).encode())
        code = 0
    except SystemExit as leaving:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        # What the work has come to stands: a signal that comes now is late.
        for late in (signal.SIGTERM, signal.SIGINT):
            signal.signal(late, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
