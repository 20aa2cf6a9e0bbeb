"""How sure the method was: a grey map beside the video, and a number for each frame."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float, UInt8

from midframe.core.errors import UsageError, WriteError
from midframe.video import GreyWriter

FULL_SCALE = 0.25
"""Mean absolute error, as a part of the range of colours, that white stands for; more is white too."""
COLUMNS = ("frame", "seconds", "kind", "mean_uncertainty", "worst_percent_uncertainty")
WORST_PERCENT = 99.0


class ConfidenceRecord:
    """Writes `MAP.mkv` and, beside it, `MAP.csv`.

    The map has a frame for each frame of the video: black where a source frame is shown, and otherwise brighter the
    further off the method believes a pixel may be (`FULL_SCALE`). The table gives the map's mean, and the value that
    one pixel of a hundred exceeds, both in levels of 255.

    Use it as a context manager: when the block ends, both files are complete under their own names; when it raises,
    neither is left.

    Args:
        target: The map.
        size: Height and width.
        time_base: Seconds of one tick.
        rate: Nominal frames per second.
        overwrite: Replace files that are there.

    Raises:
        WriteError: One of the files cannot be written.
        UsageError: The table would have the name of the map.
    """

    def __init__(
        self, target: Path, size: tuple[int, int], time_base: Fraction, rate: Fraction, *, overwrite: bool = False
    ) -> None:
        self.table = target.with_suffix(".csv")
        if self.table == target:
            raise UsageError(f"{target} is the name of the table beside the map; end it in .mkv.")
        if self.table.is_dir():
            raise WriteError(f"{self.table} is a folder; the table beside the map would have its name.")
        if self.table.exists() and not overwrite:
            raise WriteError(f"{self.table} exists already; choose another name or allow it to be replaced.")
        self._size = size
        self._writer = GreyWriter(target, size, time_base, rate, overwrite=overwrite)
        self._rows: list[tuple[object, ...]] = []

    def add(self, doubt: Float[np.ndarray, "height width"] | None, time: Fraction) -> None:
        """Record one output frame; None for one of the source."""
        if doubt is None:
            self._writer.write(np.zeros(self._size, np.uint8), time)
            self._rows.append((len(self._rows), float(time), "source", 0.0, 0.0))
            return
        self._writer.write(to_grey(doubt), time)
        worst = float(np.percentile(doubt, WORST_PERCENT))
        self._rows.append(
            (len(self._rows), float(time), "made", round(float(doubt.mean()) * 255, 4), round(worst * 255, 4))
        )

    def __enter__(self) -> ConfidenceRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._writer.__exit__(kind, error, traceback)
            return
        partial = self.table.with_name(f".{self.table.stem}.{secrets.token_hex(4)}.partial")
        try:
            # The table first: a map whose table cannot be written is discarded, not left alone.
            with ExitStack() as files:
                files.push(self._writer)
                with partial.open("w", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerows([COLUMNS, *self._rows])
            partial.replace(self.table)
        except OSError as failure:
            raise WriteError(f"{self.table} cannot be written: {failure}.") from failure
        finally:
            partial.unlink(missing_ok=True)


def check_apart(chart: Path, videos: Iterable[Path]) -> None:
    """Refuse a map under the name of a video of the same run, which one of the two would replace.

    Raises:
        WriteError: The names lead to one file.
    """
    for video in videos:
        if chart.resolve() == video.resolve():
            raise WriteError(f"{chart} is the video itself; choose another name for the map.")


def to_grey(doubt: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Map values as levels of grey."""
    return np.rint(np.clip(doubt / FULL_SCALE, 0, 1) * 255).astype(np.uint8)
