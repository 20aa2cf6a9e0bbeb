"""Standard input as a file."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from midframe.video import spool
from midframe.video.formats import PIPE


def test_the_lock_is_removed_where_files_that_are_open_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    locks: list[FileLock] = []

    def lock_at(path: Path) -> FileLock:
        locks.append(FileLock(path))
        return locks[-1]

    remove = Path.unlink

    def remove_unless_open(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".lock" and locks[0].is_locked:
            raise PermissionError(errno.EACCES, "in use")
        remove(path, missing_ok)

    source = tmp_path / "source"
    source.write_bytes(b"a video")
    with source.open("rb") as stream:
        monkeypatch.setattr(spool, "STANDARD_INPUT", stream.fileno())
        monkeypatch.setattr(spool, "os", SimpleNamespace(name="nt", dup=os.dup, fdopen=os.fdopen))
        monkeypatch.setattr(spool, "FileLock", lock_at)
        monkeypatch.setattr(Path, "unlink", remove_unless_open)
        with spool.spooled(PIPE, tmp_path / "out.mp4", overwrite=False) as path:
            assert path.read_bytes() == b"a video"
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
