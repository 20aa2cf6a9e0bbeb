"""The folder beside an output in which its finished segments wait, so that a run that was stopped goes on.

.NAME.midframe/
  run.json           what the segments belong to: source, options, method, versions
  lock               held while a run works here
  000000.segment     finished segments; one appears only when it is whole, and carries its hash
  000000.claim       where several workers share a run: one of them makes this segment
  made.jsonl         the frames that are synthesised, for the sidecar
  joining.partial    the output while the segments are joined
  joined.json        what the output looks like once it has its name: written before it gets it
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from midframe.core.errors import WriteError
from midframe.video import is_whole
from midframe.video.formats import is_pictures

RUN = "run.json"
LOCK = "lock"
JOINED = "joined.json"
SEGMENT = ".segment"
MADE = "made.jsonl"


class WorkFolder:
    """Holds the segments of one output. Use it as a context manager; `remove` it when the output is whole.

    Args:
        target: The output.
        identity: Everything that a segment's frames depend on, as text. Segments of another identity are never mixed
            in.
        restart: Drop what an earlier run left.

    Raises:
        WriteError: Another run works on the same output; or the folder holds segments of another identity and
            `restart` is off; or it cannot be written.
    """

    def __init__(self, target: Path, identity: Mapping[str, str], *, restart: bool = False) -> None:
        self.path = work_folder_of(target)
        self._target, self._identity = target, dict(identity)
        self._made_parent = not target.parent.exists()
        self._lock = FileLock(self.path / LOCK)
        try:
            self.path.mkdir(exist_ok=True, parents=is_pictures(target))  # a folder of pictures is made, no other
            self._lock.acquire(timeout=0)
        except Timeout:
            raise WriteError(f"{target} is being written by another run of midframe.") from None
        except OSError as error:
            raise WriteError(f"{self.path} cannot be written: {error.strerror or error}.") from error
        try:
            self._check(identity, restart)
            for left in self.path.glob("*.partial"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            self.finished = frozenset(
                int(path.stem) for path in self.path.glob(f"*{SEGMENT}") if path.stem.isdigit() and is_whole(path)
            )
        except OSError as error:
            self._lock.release()
            raise WriteError(f"{self.path} cannot be written: {error.strerror or error}.") from error
        except BaseException:
            self._lock.release()
            raise

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        return segment_file(self.path, number)

    def claim(self, number: int) -> bool:
        """Whether a segment is still to be made."""
        return number not in self.finished

    @property
    def joining(self) -> Path:
        """Where the output grows until it is whole."""
        return self.path / "joining.partial"

    def expect(self, output: Path) -> None:
        """Record what the output looks like, just before it gets its name."""
        # One that this run has given its name before stays known until the new one replaces it.
        known = [] if is_pictures(self._target) or not self.has_joined(self._target) else [_looks(self._target)]
        self._write(JOINED, {"identity": self._identity, "looks": [*known, _looks(output)]})

    def has_joined(self, target: Path) -> bool:
        """Whether a file is the whole output of a run of the same identity, stopped before it could tidy up."""
        if is_pictures(target):
            return (self.path / JOINED).exists()  # pictures get their names one by one
        try:
            looks = _looks(target)
        except OSError:
            return False
        joined = self._read(JOINED) or {}
        return joined.get("identity") == self._identity and looks in joined.get("looks", [])

    def remove(self) -> None:
        """Remove the folder and all in it; what says that the output is whole goes last."""
        before = [left for left in self.path.glob("*") if left.name not in (LOCK, JOINED)]
        # The lock is held until all is gone. What tells of the whole output goes last, in one step with the run.
        for left in (*before, self.path / LOCK, self.path / JOINED):
            with contextlib.suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        self._lock.release()
        with contextlib.suppress(OSError):  # another run may be there already
            if os.name == "nt":  # where a file that is open stays
                (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()
            if self._made_parent:
                self.path.parent.rmdir()  # where nothing came into it

    def __enter__(self) -> WorkFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and not holds_segments(self.path):
            self.remove()  # nothing to go on from
        self._lock.release()

    def _read(self, name: str) -> dict | None:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _write(self, name: str, content: dict) -> None:
        partial = self.path / f"{name}.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path / name)

    def _check(self, identity: Mapping[str, str], restart: bool) -> None:
        before = self._read(RUN) or (self._read(JOINED) or {}).get("identity")
        if before == dict(identity) and not restart:
            return
        if before is not None and not restart and holds_segments(self.path):
            changes = "; ".join(
                f"{name} was {before.get(name, 'not set')}, is {value}"
                for name, value in identity.items()
                if before.get(name) != value
            )
            raise WriteError(
                f"{self.path} holds the finished part of a run of other options ({changes}). Give those options "
                "again to go on (--memory and --jobs decide those that save memory), or begin anew with --restart."
            )
        for stale in (*self.path.glob(f"*{SEGMENT}"), self.path / JOINED):
            stale.unlink(missing_ok=True)
        self._write(RUN, self._identity)


def segment_file(folder: Path, number: int) -> Path:
    """The file of a segment in a work folder."""
    return folder / f"{number:06}{SEGMENT}"


def holds_segments(folder: Path) -> bool:
    """Whether there is anything to go on from in a work folder."""
    return any(folder.glob(f"*{SEGMENT}"))


def work_folder_of(target: Path) -> Path:
    """Where the finished segments of an output wait."""
    return target.with_name(f".{target.name}.midframe")


def _looks(file: Path) -> list[int]:
    """What survives a file's getting another name."""
    described = file.stat()
    return [described.st_size, described.st_mtime_ns]
