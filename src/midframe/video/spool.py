"""Standard input as a file: it is read once, and a video is looked at more often than that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from midframe.core.errors import MediaError, WriteError
from midframe.video.formats import PIPE
from midframe.video.probe import SPOOLED, reason
from midframe.video.request import check_target

STANDARD_INPUT = 0
BLOCK_BYTES = 1 << 20


@contextmanager
def spooled(source: Path, target: Path, overwrite: bool) -> Iterator[Path]:
    """The source itself; for standard input a file beside the target, which is removed when the block ends.

    What a run that was killed has left of it is written over by the next run.

    Args:
        source: A path, or `PIPE`.
        target: The output; its folder is where there has to be room.
        overwrite: The target may be there already.

    Raises:
        WriteError: The target must not be written; there is no room; or another run reads into the same place.
        MediaError: Nothing comes in.
    """
    if source != PIPE:
        yield source
        return
    if target == PIPE:
        with TemporaryDirectory() as folder:
            yield _filled(Path(folder) / SPOOLED)
        return
    folder = target.parent if target.parent.is_dir() else target.parent.parent  # that of pictures is made later
    own = target.name if folder == target.parent else f"{target.parent.name} {target.name}"
    path = folder / f".{own}{SPOOLED}"
    check_target(path, target, overwrite)
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WriteError(f"{target} is being written by another run of midframe.") from None
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {reason(error)}.") from error
    try:
        yield _filled(path)
    finally:
        path.unlink(missing_ok=True)
        if os.name != "nt":  # where a file that is open stays
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        if os.name == "nt":
            with suppress(OSError):  # another run may hold it already
                Path(lock.lock_file).unlink(missing_ok=True)


def _filled(path: Path) -> Path:
    try:
        with os.fdopen(os.dup(STANDARD_INPUT), "rb") as source, path.open("wb") as file:
            shutil.copyfileobj(source, file, BLOCK_BYTES)
    except OSError as error:
        raise WriteError(f"Standard input cannot be kept in {path}: {reason(error)}.") from error
    if path.stat().st_size == 0:
        raise MediaError("Standard input is empty.")
    return path
