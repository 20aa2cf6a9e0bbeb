"""Runs that are worth disturbing: clips of several kinds, each with a method and options."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from fault_campaign.child import Ended, in_child
from fault_campaign.media import Clip, content_of, make
from midframe.engine.provenance import sidecar_of

SEGMENT_FRAMES = 12
"""Output frames of a segment here, so that a short run has many."""
PATIENCE_SECONDS = 240.0

FASTEST = ("--preset", "ultrafast")


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        clip: Its input.
        output: Name of its output.
        options: Beside the two.
    """

    clip: Clip
    output: str
    options: tuple[str, ...]


CASES = [
    Case(
        Clip(name="steady.mp4", scenes=(60,), sound="aac"),
        "out.mp4",
        ("--method", "blend", "--multi", "4", "--preset", "veryfast"),
    ),
    Case(
        Clip(name="variable.mkv", scenes=(30, 25), jitter=Fraction(1, 2), sound="aac"),
        "out.mkv",
        ("--method", "nearest", "--multi", "3", *FASTEST),
    ),
    Case(
        Clip(name="film with cuts.mov", scenes=(20, 18, 22), rate=Fraction(24000, 1001), sound="aac"),
        "out [1].mov",
        ("--method", "blend", "--fps", "60", *FASTEST),
    ),
    Case(
        Clip(name="deep.mkv", scenes=(48,), rate=Fraction(30), pixel_format="yuv420p10le"),
        "-out.mkv",
        ("--method", "blend", "--multi", "3", *FASTEST),
    ),
    Case(
        Clip(name="tiny.mp4", scenes=(14, 12), rate=Fraction(30000, 1001), sound="aac"),
        "out.mp4",
        ("--method", "rife", "--multi", "2", "--precision", "fp32", *FASTEST),
    ),
    Case(
        Clip(name="slow.mp4", scenes=(40,), rate=Fraction(50)),
        "out.mp4",
        ("--method", "blend", "--slow", "3", *FASTEST),
    ),
    Case(
        Clip(name="flow.mkv", scenes=(30,), sound="libopus"),
        "out.webm",
        ("--method", "classical", "--multi", "3", "--codec", "libvpx-vp9", "--encoder-option", "cpu-used=8"),
    ),
]


def cases() -> list[Case]:
    """Those that this machine can run."""
    with_flow = importlib.util.find_spec("cv2") is not None
    return [case for case in CASES if with_flow or "classical" not in case.options]


@dataclass(frozen=True)
class Prepared:
    """A case with its input and the result of a run that nobody disturbed.

    Attributes:
        case: What was run.
        source: Its input.
        digest: Of the result; see `media.content_of`.
        new_frames: Of the result, as its sidecar tells of them.
        size_bytes: Of the result.
        seconds: That the run took.
    """

    case: Case
    source: Path
    digest: str
    new_frames: str
    size_bytes: int
    seconds: float

    def run(self, folder: Path, **bounds: object) -> Ended:
        """The command, with its output in a folder."""
        target = folder / self.case.output
        return in_child(
            lambda: command_line(self.source, target, self.case.options), patience_seconds=PATIENCE_SECONDS, **bounds
        )

    def flaw(self, folder: Path) -> str:
        """What is wrong with a folder after the command ended well; nothing where it is empty."""
        target = folder / self.case.output
        kept = (target, sidecar_of(target))
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path not in kept)
        if _new_frames(target) != self.new_frames:
            return "the sidecar differs from that of an undisturbed run"
        if left:
            return f"left behind: {', '.join(left)}"
        return self.difference(target)

    def difference(self, target: Path) -> str:
        """How a result differs from that of the undisturbed run."""
        seen = in_child(lambda: content_of(target).digest, patience_seconds=PATIENCE_SECONDS)
        if seen.code:
            return f"the output does not decode: {seen.said[-300:]}"
        return "" if seen.value == self.digest else "the output differs from that of an undisturbed run"


def prepare(case: Case, folder: Path) -> Prepared:
    """Make the input, and run the command once in peace."""
    folder.mkdir(parents=True)
    made = in_child(lambda: str(make(case.clip, folder)), patience_seconds=PATIENCE_SECONDS)
    target = folder / case.output
    source = folder / case.clip.name
    ran = in_child(lambda: command_line(source, target, case.options), patience_seconds=PATIENCE_SECONDS)
    seen = in_child(lambda: content_of(target).digest, patience_seconds=PATIENCE_SECONDS)
    if made.code or ran.code or seen.code:
        raise RuntimeError(f"{case.clip.name} cannot be run in peace: {made.said}{ran.said}{seen.said}")
    return Prepared(case, source, seen.value, _new_frames(target), target.stat().st_size, ran.seconds)


def _new_frames(target: Path) -> str:
    """The sidecar behind its first line, which holds names and times of files."""
    sidecar = sidecar_of(target)
    return sidecar.read_text(encoding="utf-8").partition("\n")[2] if sidecar.exists() else "missing"


def command_line(source: Path, target: Path, options: tuple[str, ...]) -> None:
    """`midframe interpolate` as its entry point runs it, with short segments; leaves by `SystemExit`."""
    from midframe import cli
    from midframe.engine import segments

    segments.MOST_FRAMES = segments.FEWEST_FRAMES = SEGMENT_FRAMES
    sys.argv = ["midframe", "interpolate", str(source), str(target), *options]
    cli.main()


def resumed_frames(said: str) -> int | None:
    """Frames that a run found finished, from its last line."""
    for line in reversed(said.splitlines()):
        if line.startswith('{"event": "done"'):
            return json.loads(line)["frames_resumed"]
    return None
