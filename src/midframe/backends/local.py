"""Several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection

import torch

from midframe.core.errors import UsageError, WorkerError
from midframe.core.executor import Item, Result


class LocalExecutor:
    """An `Executor` of fresh processes, which share the cores of this machine.

    Each of them reads the script that was started anew: use it under `if __name__ == "__main__":`.

    Args:
        workers: Number of processes.

    Raises:
        UsageError: Fewer than one.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise UsageError(f"At least one job is needed; got {workers}.")
        self.workers = workers

    def map(self, job: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """As `core.executor.Executor.map`; a worker does not outlive this process, however it ends."""
        # Not forked: a copy of this process may hold locks of threads that it does not have.
        context = multiprocessing.get_context("spawn")
        alive, leash = context.Pipe(duplex=False)
        threads = max(1, torch.get_num_threads() // self.workers)
        with ProcessPoolExecutor(self.workers, context, _begin, (alive, threads)) as pool:
            try:
                futures = [pool.submit(job, item) for item in items]
                for future in as_completed(futures):
                    future.result()
                yield from (future.result() for future in futures)
            except BrokenProcessPool:
                raise WorkerError(
                    "One of the worker processes ended without a word, as when memory runs out. Use fewer jobs. A "
                    "script that starts workers does so under `if __name__ == '__main__':`, since each reads it anew."
                ) from None
            except BaseException:
                leash.close()  # what the others do is of no use any more
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        leash.close()


def _begin(alive: Connection, threads: int) -> None:
    """The first thing that a worker does."""
    torch.set_num_threads(threads)
    # Ctrl-C reaches every process of a terminal; the first one decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()


def _end_with(alive: Connection) -> None:
    """End this process when the other end of the connection is closed, or dies with its process."""
    try:
        alive.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
