"""How far a run is: a bar on a terminal, a line of JSON now and then elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from midframe.core.duration import clock

if TYPE_CHECKING:
    from midframe.core.method import ClipProgress
    from midframe.engine import Progress

SECONDS_BETWEEN_LINES = 1.0


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A callback for the engine that shows frames, speed and time left while the block runs."""
    if console.is_terminal:
        bar = _bar(console)
        task = bar.add_task("", total=None, speed="", left="")

        def update(state: Progress) -> None:
            bar.start()  # Not before there is something to show: what fails at once shows its error alone.
            bar.update(
                task,
                completed=state.frames_done,
                total=state.frames_total,
                speed=f"{state.frames_per_second:.1f} frames/s",
                left="" if state.seconds_left is None else f"{clock(state.seconds_left)} left",
            )

        try:
            yield update
        finally:
            bar.stop()
    else:
        yield _Lines(console)


@contextmanager
def show_clip(console: Console) -> Iterator[Callable[[ClipProgress], None]]:
    """A callback for the making of one clip that shows its steps while the block runs."""
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[apart]}"), TimeRemainingColumn()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, apart="")

        def update(state: ClipProgress) -> None:
            apart = "" if state.disagreement is None else f"directions {state.disagreement:.3f} apart"
            bar.update(task, completed=state.done, total=state.total, apart=apart)

        yield update


def print_event(console: Console, event: str, **values: object) -> None:
    """One JSON object on a line of its own, on the stream of the console."""
    typer.echo(json.dumps({"event": event, **values}), err=console.stderr)


def _bar(console: Console) -> Bar:
    return Bar(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
        TimeElapsedColumn(),
        console=console,
    )


class _Lines:
    """Prints the first state, the last, and one a second between them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_line = 0.0

    def __call__(self, state: Progress) -> None:
        if time.monotonic() >= self._next_line or state.frames_done == state.frames_total:
            print_event(self._console, "progress", **asdict(state))
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
