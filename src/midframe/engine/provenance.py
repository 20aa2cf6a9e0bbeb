"""The sidecar of an output: what it was made from and with, and every frame that no camera took.

    OUT.mp4.midframe.jsonl    a line of JSON for the run, then one for each synthesised frame:
    {"frame": 1, "seconds": "1/48", "after": 0, "place": "1/2"}

`frame` counts the output's frames from 0, `seconds` is when it is shown, `after` the source frame before it, and
`place` where between that and the next one the method put it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from midframe.core.errors import WriteError
from midframe.core.timeline import Instant

SUFFIX = ".midframe.jsonl"


def sidecar_of(target: Path) -> Path:
    """The sidecar's name, beside the output; that of pictures has the name of their pattern."""
    return target.with_name(target.name + SUFFIX)


class FrameLog:
    """Writes a line for each synthesised frame, in bounded memory. Use it as a context manager.

    Raises:
        WriteError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error

    def add(self, frame: int, instant: Instant, place: Fraction) -> None:
        """Take down one frame.

        Args:
            frame: Its number in the output, from 0.
            instant: When it is shown, and the source frame before it.
            place: Where the method put it, in (0, 1).
        """
        line = {"frame": frame, "seconds": str(instant.time), "after": instant.source, "place": str(place)}
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise WriteError(f"{self._path} cannot be written: {error.strerror or error}.") from error

    def __enter__(self) -> FrameLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            if kind is None:
                raise WriteError(f"{self._path} cannot be written: {failure.strerror or failure}.") from failure


def write_sidecar(target: Path, run: Mapping[str, object], frames: Path) -> Path:
    """Write the sidecar of a finished output, replacing an older one.

    Args:
        target: The output.
        run: What it was made from and with; plain values.
        frames: What `FrameLog` wrote, on the same file system.

    Raises:
        WriteError: It cannot be written.
    """
    sidecar = sidecar_of(target)
    partial = frames.with_name("sidecar.partial")  # there the next run removes what a kill leaves of it
    try:
        with partial.open("wb") as file, frames.open("rb") as lines:
            file.write(json.dumps(dict(run), ensure_ascii=False).encode(errors="surrogateescape") + b"\n")
            shutil.copyfileobj(lines, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(sidecar)
    except OSError as error:
        raise WriteError(f"{sidecar} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return sidecar
