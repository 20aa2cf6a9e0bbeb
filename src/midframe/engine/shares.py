"""One run shared by several workers, each of which makes the segments that it is the first to claim.

Every worker reads the whole source, since cuts, and with them segments, are known only when one gets there; decoding
is a small part of the work. So a worker that is done early goes on to what the others have not begun.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch

from midframe.core.executor import Executor
from midframe.core.method import Interpolator
from midframe.engine.filling import Filled, Progress, SegmentTask, fill_segments
from midframe.engine.provenance import FrameLog
from midframe.engine.work_folder import MADE, segment_file

SECONDS_BETWEEN_COUNTS = 0.5
CLAIM, COUNT = ".claim", ".count"


@dataclass(frozen=True)
class SharedSegments:
    """The segments of a work folder, for one of several workers.

    Attributes:
        path: The folder.
        finished: Segments that were finished before the workers began.
    """

    path: Path
    finished: frozenset[int]

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        return segment_file(self.path, number)

    def claim(self, number: int) -> bool:
        """Whether the caller, and nobody else, is to make a segment."""
        if number in self.finished:
            return False
        try:
            self.segment(number).with_suffix(CLAIM).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


ShareJob: TypeAlias = Callable[[int], Filled]
"""Makes the share of a worker, given its number from 0; can be pickled."""


@dataclass(frozen=True)
class Team:
    """Workers for a run.

    Attributes:
        executor: Runs them.
        job: What they are to do; builds the method anew in the worker and calls `fill_share`.
    """

    executor: Executor
    job: Callable[[SegmentTask, SharedSegments], ShareJob]


def fill_share(
    task: SegmentTask,
    interpolator: Interpolator,
    store: SharedSegments,
    number: int,
    *,
    device: torch.device,
) -> Filled:
    """What a worker does. Arguments as of `fill_segments`; `number` is the worker's, from 0.

    All of them see every gap, and the first one takes down what is synthesised.
    """
    counts = store.path / f"{number}{COUNT}"
    due = 0.0

    def count(here: int, resumed: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + SECONDS_BETWEEN_COUNTS
            with contextlib.suppress(OSError):  # nobody needs it
                counts.write_text(f"{here} {resumed}")

    with FrameLog(store.path / MADE) if number == 0 else contextlib.nullcontext() as log:
        return fill_segments(task, interpolator, store, device=device, count=count, record=log)


def fill_together(
    task: SegmentTask,
    team: Team,
    store: SharedSegments,
    progress: Callable[[Progress], None] | None,
) -> Filled:
    """Make all segments by a team. `progress` is called in a thread of its own.

    Raises:
        MidframeError: What one of the workers raised.
    """
    for stale in (*store.path.glob(f"*{CLAIM}"), *store.path.glob(f"*{COUNT}")):
        stale.unlink()
    total, started = task.plan.frames_out, time.monotonic()
    with _watched(store.path, started, total, progress):
        filled = list(team.executor.map(team.job(task, store), range(team.executor.workers)))
    if progress is not None and total is not None:
        progress(Progress.after(time.monotonic() - started, total, filled[0].resumed, total))
    # All of them counted the whole video, and each has its own notes.
    notes = dict.fromkeys(note for one in filled for note in one.notes)
    return replace(filled[0], notes=tuple(notes))


@contextlib.contextmanager
def _watched(
    folder: Path, started: float, total: int | None, progress: Callable[[Progress], None] | None
) -> Iterator[None]:
    """Report while the block runs."""
    if progress is None:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SECONDS_BETWEEN_COUNTS):
            here = resumed = 0
            for path in folder.glob(f"*{COUNT}"):
                with contextlib.suppress(OSError, ValueError):  # it is just being written
                    own, known = path.read_text().split()
                    here, resumed = here + int(own), max(resumed, int(known))
            if here or resumed:
                progress(Progress.after(time.monotonic() - started, here + resumed, resumed, total))

    watcher = threading.Thread(target=watch, name="midframe-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
