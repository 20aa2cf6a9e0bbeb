"""A folder of pictures as output: one file for each frame, each of which appears only when it is whole."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from midframe.core.errors import WriteError
from midframe.video.formats import numbered_pictures, picture_path
from midframe.video.probe import reason
from midframe.video.request import WriteRequest, check_target
from midframe.video.segment_file import read_index, read_packets


class PictureWriter:
    """Lays the pictures of finished segments into a folder, numbered from 1.

    Use it, and give it its arguments, as `VideoWriter`. All pictures are written beside each other first and then get
    their names one by one, so a folder holds none that is not whole.

    Raises:
        WriteError: The target must not or cannot be written.
    """

    def __init__(
        self,
        request: WriteRequest,
        partial: Path,
        when_whole: Callable[[Path], None],
    ) -> None:
        check_target(request.source.path, request.target, request.overwrite)
        self._request = request
        self._partial = partial
        self._when_whole = when_whole
        try:
            self._partial.mkdir()
        except OSError as error:
            raise WriteError(f"{request.target} cannot be written: {reason(error)}.") from error

    def join(self, segments: Sequence[Path], end: Fraction) -> None:
        """Write the pictures of all segments; those of a longer row that was there before are removed.

        Args:
            segments: Finished segment files, in order of time.
            end: Output seconds at which the last frame ends, which no picture says.

        Raises:
            MediaError: A segment is not whole.
            WriteError: A picture cannot be written.
        """
        target, written = self._request.target, 0
        try:
            for path in segments:
                for _, packet in read_packets(path, read_index(path)):
                    written += 1
                    with (self._partial / f"{written}").open("wb") as file:
                        file.write(bytes(packet))
                        file.flush()
                        os.fsync(file.fileno())
            self._when_whole(self._partial)
            for number in range(1, written + 1):
                (self._partial / f"{number}").replace(picture_path(target, number))
            # Those that go on where the row ends; others may be pictures of a person's own.
            there = numbered_pictures(target)
            for number in itertools.takewhile(there.__contains__, itertools.count(written + 1)):
                there[number].unlink()
        except OSError as error:
            raise WriteError(f"{target} cannot be completed: {reason(error)}.") from error

    def notes(self) -> list[str]:
        """Nothing is found out on the way."""
        return []

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
