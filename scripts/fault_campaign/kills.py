"""Runs that are stopped at random moments, by signals and by full disks, and started again."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fault_campaign.cases import Prepared, cases, prepare, resumed_frames
from fault_campaign.child import CRASHED, Ended
from midframe.engine.work_folder import work_folder_of
from midframe.video.segment_file import is_whole, read_index

SIGNALS = (signal.SIGKILL,) * 6 + (signal.SIGTERM, signal.SIGINT)
EXIT_CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
MOST_STOPS = 4
"""Of one run, before it is left in peace."""
ROOM_BYTES = 64 * 2**20
JOINED_BYTES = 10_000
"""More than the header that is written once before the work, to see whether it can be."""


@dataclass
class Tally:
    """What a campaign came to.

    Attributes:
        stopped: Runs that were stopped, by how.
        finished: Outputs that were compared with those of undisturbed runs.
        failures: One sentence for each.
    """

    stopped: dict[str, int] = field(default_factory=dict)
    finished: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, how: str) -> None:
        """One more run was stopped in this way."""
        self.stopped[how] = self.stopped.get(how, 0) + 1

    @property
    def total(self) -> int:
        """Runs that were stopped."""
        return sum(self.stopped.values())


def prepared_cases(folder: Path, most: int, report: Callable[[str], None]) -> list[Prepared]:
    """The first `most` cases, each run once in peace."""
    found = []
    for number, case in enumerate(cases()[:most]):
        found.append(prepare(case, folder / f"case {number}"))
        report(f"{case.clip.name}: {' '.join(case.options)}: {found[-1].seconds:.2f} s undisturbed")
    return found


def kill_runs(ready: list[Prepared], kills: int, seed: int, folder: Path, report: Callable[[str], None]) -> Tally:
    """Stop runs until `kills` were; each is started again by the same command until it ends."""
    tally = Tally()
    number = 0
    while tally.total < kills and not _hopeless(tally):
        rng = random.Random(f"kill {seed} {number}")
        case = ready[number % len(ready)]
        place = folder / f"run {number}"
        place.mkdir()
        before = len(tally.failures)
        for _ in range(min(rng.randint(1, MOST_STOPS), kills - tally.total)):
            chosen = rng.choice(SIGNALS)
            moment = _joining(case, place, rng) if rng.random() < 0.25 else _anywhere(case, rng)
            if _is_over(case, place):
                break
            ended = case.run(place, signal_now=lambda elapsed, m=moment, s=chosen: s if m(elapsed) else None)
            flaw = _after_signal(case, place, ended)
            if flaw:
                tally.failures.append(f"run {number} of {case.case.clip.name}: {flaw}")
            if ended.sent is None or ended.code == 0:
                break  # it had ended before
            tally.count(signal.Signals(ended.sent).name)
        flaw = _go_on(case, place)
        tally.finished += 1
        if flaw:
            tally.failures.append(f"run {number} of {case.case.clip.name}: {flaw}")
        if len(tally.failures) == before:
            shutil.rmtree(place)
        number += 1
        if number % 25 == 0:
            report(f"{tally.total} of {kills} kills, {len(tally.failures)} failures")
    return tally


def fill_disks(ready: list[Prepared], fills: int, seed: int, folder: Path, report: Callable[[str], None]) -> Tally:
    """Run on file systems that have room for a random part of what is needed, then make room and go on."""
    tally = Tally()
    for number in range(fills):
        rng = random.Random(f"disk {seed} {number}")
        case = ready[number % len(ready)]
        place = folder / f"disk {number}"
        room_bytes = int(case.size_bytes * rng.uniform(0.05, 2.2))
        with _small_disk(place, room_bytes) as (how, bounds, make_room):
            ended = case.run(place, **bounds)
            flaw = _after_full_disk(case, place, ended)
            if ended.code:
                tally.count(how)
            make_room()
            flaw = flaw or (case.flaw(place) if ended.code == 0 else _go_on(case, place))
            tally.finished += 1
            if flaw:
                tally.failures.append(f"disk {number} of {case.case.clip.name}, {room_bytes} bytes: {flaw}")
        if _hopeless(tally):
            break
    report(f"{tally.total} full disks of {tally.finished}, {len(tally.failures)} failures")
    return tally


def _hopeless(tally: Tally) -> bool:
    return len(tally.failures) >= 20


def _anywhere(case: Prepared, rng: random.Random) -> Callable[[float], bool]:
    """At a moment of an undisturbed run, all equally likely."""
    moment = rng.uniform(0, case.seconds)
    return lambda elapsed: elapsed >= moment


def _joining(case: Prepared, place: Path, rng: random.Random) -> Callable[[float], bool]:
    """Shortly after the parts are begun to be joined: the file under a temporary name grows."""
    delay, begun = rng.uniform(0, 0.02), []
    folder = work_folder_of(place / case.case.output)

    def moment(elapsed: float) -> bool:
        with contextlib.suppress(OSError):  # it is not there yet, or no longer
            if (
                not begun
                and any(folder.glob("*.segment"))
                and (folder / "joining.partial").stat().st_size > JOINED_BYTES
            ):
                begun.append(elapsed)
        return bool(begun) and elapsed >= begun[0] + delay

    return moment


def _after_signal(case: Prepared, place: Path, ended: Ended) -> str:
    """What is wrong after a run was stopped."""
    if ended.hung:
        return "it hung"
    if "Traceback" in ended.said or ended.code == CRASHED:
        return f"a traceback: {ended.said[-400:]}"
    target = place / case.case.output
    if ended.sent is None:
        return "" if ended.code == 0 else f"it ended with {ended.code}: {ended.said[-300:]}"
    if ended.code not in (0, EXIT_CODES[signal.Signals(ended.sent)], -ended.sent):
        return f"it ended with {ended.code} after {signal.Signals(ended.sent).name}: {ended.said[-300:]}"
    if target.exists() and (difference := case.difference(target)):
        return f"after {signal.Signals(ended.sent).name}, {difference}"
    return ""


def _after_full_disk(case: Prepared, place: Path, ended: Ended) -> str:
    if ended.hung:
        return "it hung"
    if "Traceback" in ended.said or ended.code not in (0, 1):
        return f"it ended with {ended.code}: {ended.said[-400:]}"
    if ended.code == 1 and not any(words in ended.said for words in ("No space left", "File too large")):
        return f"it does not say why: {ended.said[-300:]}"
    if ended.code == 1 and (place / case.case.output).exists():
        return "an output appeared that is not whole"
    return ""


def _is_over(case: Prepared, place: Path) -> bool:
    """Whether the run has tidied up: the same command would be right to refuse to replace its output."""
    target = place / case.case.output
    folder = work_folder_of(target)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()  # it was killed before its very last step, which the next run with this output would take
    return target.exists() and not folder.exists()


def _go_on(case: Prepared, place: Path) -> str:
    """Run the same command in peace; what is wrong with how it goes on."""
    target = place / case.case.output
    if _is_over(case, place):
        return case.flaw(place)
    waiting = 0
    if not target.exists():
        parts = work_folder_of(target).glob("*.segment")
        waiting = sum(len(read_index(part).packets) for part in parts if is_whole(part))
    ended = case.run(place)
    if ended.hung or ended.code:
        return f"started again, it {'hung' if ended.hung else f'ended with {ended.code}'}: {ended.said[-400:]}"
    if (found := resumed_frames(ended.said) or 0) < waiting:
        return f"{waiting} frames were finished, and it went on from {found}"
    return case.flaw(place)


@contextmanager
def _small_disk(place: Path, room_bytes: int) -> Iterator[tuple[str, dict[str, int], Callable[[], object]]]:
    """A folder with little room: a file system of its own, or where that is forbidden a bound on each file's size."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(room_bytes, resource.getpagesize())}", "tmpfs", str(place)]
    mounted = (
        shutil.which("mount") is not None and not subprocess.run(mount, capture_output=True, check=False).returncode
    )
    if not mounted:
        yield "file size limit", {"file_bytes": room_bytes // 2}, lambda: None
        return
    try:
        larger = ["mount", "-o", f"remount,size={ROOM_BYTES}", str(place)]
        yield "full tmpfs", {}, lambda: subprocess.run(larger, check=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)
