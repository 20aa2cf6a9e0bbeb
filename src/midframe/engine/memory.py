"""How much memory a run takes, and the best way to stay within a bound."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from midframe.core.errors import UsageError
from midframe.core.method import Interpolator
from midframe.core.work_size import Resizable, WorkSize
from midframe.video import Encoding, VideoInfo, encoder_bytes, frame_bytes, reader_bytes, smaller_encodings
from midframe.video.cuts import LOOK_AHEAD

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
MARGIN = 0.9
"""Share of the free memory that a run plans to use where no bound is set: others need some too."""
BASE_BYTES = 340 * 10**6
"""A process with PyTorch, FFmpeg and the weights loaded takes 270 to 290 MB before its first frame; on a busy machine
some fifty more were seen beside the frames that are counted."""
SMALLEST_BOUND = 100 * 10**6
QUEUE_BYTES = 128 * 2**20
"""Of the frames that wait between two threads; one waits in any case."""
MOST_GAPS, MOST_FRAMES = 4, 8
TIMES_PER_CALL = 8
"""Most instants in one call of a method."""
CALL_BYTES = 256 * 2**20
"""Of the frames that one call of a method gives; it makes one in any case."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What a run takes, and why.

    Attributes:
        estimate_bytes: Largest memory of the whole process, as the model of cost has it.
        limit_bytes: The bound; None where there is none and this machine does not tell what it has free.
        size: How the method works; None for one that has no choice.
        notes: One sentence for each thing that is done otherwise than with more memory.
    """

    estimate_bytes: int
    limit_bytes: int | None
    size: WorkSize | None = None
    notes: tuple[str, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """For a person: pairs of a heading and its text."""
        bound = "no bound known" if self.limit_bytes is None else f"bound {in_words(self.limit_bytes)}"
        text = [("memory", f"about {in_words(self.estimate_bytes)} at most, {bound}")]
        return text + ([("size", self.size.sentence())] if self.size else [])


@dataclass(frozen=True)
class _Choice:
    """One way to run."""

    encoding: Encoding
    size: WorkSize | None
    total: int


def parse_size(text: str | int) -> int:
    """Bytes from "4GB", "800MB", "2GiB" or a plain number.

    Raises:
        UsageError: Anything else, or too little for any run.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", str(text))
    unit = found and UNITS.get(found[2].upper())
    if not found or unit is None:
        raise UsageError(f"A size of memory is written as 4GB, 800MB or 2GiB; got '{text}'.")
    size = int(float(found[1]) * unit)
    if size < SMALLEST_BOUND:
        hint = "" if found[2] else " Write the unit: 4GB, 800MB, 2GiB."
        raise UsageError(f"Any run needs at least {in_words(SMALLEST_BOUND)} of memory; got {text}.{hint}")
    return size


def free_bytes() -> int | None:
    """What this process may still take: of the machine, and of the control groups that it runs in."""
    known = [*_group_rooms(), *_machine_room()]
    return min(known) if known else None


def resident_bytes() -> int:
    """What this process holds now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def in_words(size_bytes: int) -> str:
    """For a person."""
    if size_bytes >= 10**9:
        return f"{size_bytes / 1e9:.2f} GB"
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes >= 10**6 else f"{size_bytes / 1e3:.0f} KB"


def gaps_waiting(info: VideoInfo) -> int:
    """Gaps that may wait between decoder and method."""
    return max(1, min(MOST_GAPS, QUEUE_BYTES // rgb_bytes(info)))


def frames_waiting(info: VideoInfo) -> int:
    """Frames that may wait between method and encoder."""
    return max(1, min(MOST_FRAMES, QUEUE_BYTES // rgb_bytes(info)))


def times_per_call(height: int, width: int) -> int:
    """Instants in one call of a method: memory grows neither with the rate nor with the length of a gap."""
    return max(1, min(TIMES_PER_CALL, CALL_BYTES // (height * width * 12)))


def at_the_door(info: VideoInfo) -> int:
    """Bytes of a pixel in float32, on its way into a method: with alpha, and on a ground, where it has some."""
    return 16 + 12 if info.has_alpha else 12


def rgb_bytes(info: VideoInfo) -> int:
    """A decoded frame."""
    return info.width * info.height * (4 if info.has_alpha else 3) * (1 if info.bit_depth <= 8 else 2)


def held_bytes(info: VideoInfo, context: int, instants: int) -> int:
    """Decoded frames on their way from the reader to the writer, and those at the method's door in float32.

    Args:
        info: The source.
        context: Frames that the method takes on each side of a gap.
        instants: Most that are made inside one gap.
    """
    decoded = LOOK_AHEAD + 1 + 2 * context + gaps_waiting(info) + frames_waiting(info) + 1
    # What is not large is kept converted for the next gap.
    at_the_method = 2 * context + min(max(2, instants), times_per_call(info.height, info.width))
    return decoded * rgb_bytes(info) + at_the_method * info.width * info.height * at_the_door(info)


def fit(
    interpolator: Interpolator,
    info: VideoInfo,
    encoding: Encoding,
    limit_bytes: int | None,
    *,
    held: int,
    on_cpu: bool = True,
    workers: int = 1,
) -> tuple[Interpolator, Encoding, MemoryPlan]:
    """Choose how to run within a bound: first as if there were none, then in tiles, then with flow at a lower scale.

    Tiles come first since they give the frame of the whole, and a lower scale gives another one.

    Args:
        interpolator: The method.
        info: The source.
        encoding: As asked for.
        limit_bytes: Of the whole process; None for what is free here, with a margin.
        held: Bytes of all frames that are held at once, as `held_bytes` says.
        on_cpu: The method works in the same memory as everything else.
        workers: Processes that share the bound; the plan is of each of them.

    Returns:
        The method in the chosen size, the encoding, and the plan.

    Raises:
        UsageError: Nothing fits into a bound that was asked for; says what would.
    """
    limit = limit_bytes
    if limit is None and (free := free_bytes()) is not None:
        limit = int(MARGIN * free) + resident_bytes()
    if limit is not None and workers > 1:
        limit = max(0, limit - resident_bytes()) // workers  # this process stays beside them
    fixed = BASE_BYTES + held + frame_bytes(info) + reader_bytes(info)
    choices = list(_choices(interpolator, info, encoding, fixed, on_cpu))
    fitting = [choice for choice in choices if limit is None or choice.total <= limit]
    least = min(choices, key=lambda choice: choice.total)
    notes = []
    if not fitting and limit_bytes is not None:
        jobs = f" for each of {workers} jobs" if workers > 1 else ""
        raise UsageError(
            f"{interpolator.spec.name} needs about {in_words(least.total)}{jobs} for frames of "
            f"{info.width}x{info.height}; the bound is {in_words(limit_bytes)}. Allow more, or "
            f"{'take fewer jobs, or ' if workers > 1 else ''}a method that needs less, such as blend."
        )
    if not fitting and limit is not None:
        notes.append(f"About {in_words(least.total)} are needed, and {in_words(limit)} are free: this may fail.")
    chosen = fitting[0] if fitting else least
    best = choices[0]
    if chosen.size and best.size and chosen.size != best.size:
        notes.append(
            f"Too little memory for {best.size.sentence()} ({in_words(best.total)}): {chosen.size.sentence()}."
        )
    if chosen.encoding.options != encoding.options:
        changed = [f"{k}={v}" for k, v in chosen.encoding.options.items() if encoding.options.get(k) != v]
        notes.append(f"To save memory, {encoding.codec} works with {', '.join(changed)}.")
    if chosen.size is not None and isinstance(interpolator, Resizable):
        interpolator = interpolator.resized(chosen.size)
    plan = MemoryPlan(estimate_bytes=chosen.total, limit_bytes=limit, size=chosen.size, notes=tuple(notes))
    return interpolator, chosen.encoding, plan


def _choices(
    interpolator: Interpolator, info: VideoInfo, encoding: Encoding, fixed: int, on_cpu: bool
) -> Iterator[_Choice]:
    """All ways, the best first: a lower scale of the flow is the last resort. `fixed` bytes are common to all."""
    sizes: list[WorkSize | None] = [None]
    if isinstance(interpolator, Resizable):
        sizes = [*interpolator.sizes(info.height, info.width)]
    for scale in dict.fromkeys(size and size.scale for size in sizes):
        for variant in (encoding, *smaller_encodings(encoding, info)):
            for size in sizes:
                if (size and size.scale) == scale:
                    own = size.size_bytes if size else interpolator.spec.pixel_bytes * info.width * info.height
                    total = fixed + encoder_bytes(variant, info) + (own if on_cpu else 0)
                    yield _Choice(variant, size, total)


def _machine_room() -> Iterator[int]:
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    yield int(line.split()[1]) * 1024
                    return
    except OSError:
        pass
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names:  # no better figure on macOS
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _group_rooms(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """What each control group above this process has left, in either version of the interface."""
    try:
        places = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, place in places:
        version_two = controllers == ""
        if not version_two and "memory" not in controllers.split(","):
            continue
        base = root if version_two else root / "memory"
        limit_name, used_name = (
            ("memory.max", "memory.current") if version_two else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        folder = base / place.strip("/")
        for group in (folder, *folder.parents):
            limit, used = _number(group / limit_name), _number(group / used_name)
            if limit is not None and used is not None and limit < 2**60:
                # Files in the cache count as used, and make room when asked.
                yield max(0, limit - used + (_cached(group) or 0))
            if group == base:
                break


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _cached(group: Path) -> int | None:
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return None
    return next(
        (int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "total_inactive_file "))), None
    )
