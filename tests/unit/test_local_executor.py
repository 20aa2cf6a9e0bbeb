"""Work in other processes: order, errors, and no process that outlives its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from midframe.backends.local import LocalExecutor
from midframe.core.errors import MediaError, UsageError, WorkerError
from midframe.core.executor import Executor

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Job:
    """Does what its item says, and leaves its process number behind."""

    folder: Path

    def __call__(self, item: str) -> str:
        (self.folder / f"{item}.{os.getpid()}").touch()
        if item == "fail":
            raise MediaError("in.mp4 is damaged.")
        if item == "vanish":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "sleep":
            time.sleep(PATIENCE_SECONDS)
        if item == "slow":
            time.sleep(1)
        return item * 2


def workers(folder: Path) -> list[int]:
    return [int(path.suffix[1:]) for path in folder.iterdir() if path.suffix[1:].isdigit()]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_until_ended(folder: Path) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS / 2
    while any(is_running(process) for process in workers(folder)):
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_results_come_in_the_order_of_the_items(tmp_path: Path):
    executor = LocalExecutor(2)
    assert isinstance(executor, Executor)
    assert list(executor.map(Job(tmp_path), ["slow", "b", "c"])) == ["slowslow", "bb", "cc"]
    assert os.getpid() not in workers(tmp_path)
    wait_until_ended(tmp_path)


def test_an_error_stops_the_others_at_once(tmp_path: Path):
    started = time.monotonic()
    with pytest.raises(MediaError, match=r"in.mp4 is damaged\."):
        list(LocalExecutor(2).map(Job(tmp_path), ["sleep", "fail"]))
    assert time.monotonic() - started < PATIENCE_SECONDS
    wait_until_ended(tmp_path)


def test_a_worker_that_vanishes_is_an_error(tmp_path: Path):
    with pytest.raises(WorkerError, match="Use fewer jobs"):
        list(LocalExecutor(2).map(Job(tmp_path), ["sleep", "vanish"]))
    wait_until_ended(tmp_path)


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path):
    text = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from test_local_executor import Job
from midframe.backends.local import LocalExecutor
if __name__ == "__main__":
    list(LocalExecutor(2).map(Job(Path({str(tmp_path / "marks")!r})), ["sleep", "sleep"]))
"""
    (tmp_path / "marks").mkdir()
    (tmp_path / "parent.py").write_text(text)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")])
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(workers(tmp_path / "marks")) < 2:
        assert time.monotonic() < limit
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    wait_until_ended(tmp_path / "marks")


def test_no_worker_is_no_executor():
    with pytest.raises(UsageError, match="At least one job"):
        LocalExecutor(0)
