"""Runs a method over a whole video: decoding, synthesis and encoding side by side, in bounded memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch

from midframe.core.method import Interpolator
from midframe.core.timeline import HALF, RateRule, instants_in_gap, output_time
from midframe.engine.channel import Channel, Stopped, drain, feed
from midframe.engine.confidence import ConfidenceRecord, check_apart
from midframe.engine.identity import run_identity
from midframe.engine.memory import frames_waiting, gaps_waiting
from midframe.engine.plan import Plan, fit_plan, make_plan
from midframe.engine.segments import SegmentCounter, SegmentedOutput, frames_in_segment
from midframe.engine.synthesis import GapFiller, Made
from midframe.engine.windows import Content, GapWindow, gap_windows
from midframe.engine.work_folder import WorkFolder, work_folder_of
from midframe.video import (
    CutList,
    EncodeOptions,
    TimedFrame,
    VideoInfo,
    VideoReader,
    VideoWriter,
    WriteRequest,
    check_target,
    mark_cuts,
    mark_listed_cuts,
    probe,
)


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        frames_done: Output frames made so far.
        frames_total: Output frames of the whole run; None where the source does not say.
        frames_per_second: Output frames for each second of work so far.
        seconds_left: At that speed; None where the total is unknown.
    """

    frames_done: int
    frames_total: int | None
    frames_per_second: float
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run did.

    Attributes:
        target: The file that was written.
        frames_in: Source frames read.
        frames_out: Frames written; the sum of the three that follow.
        made: Synthesised by the method.
        kept: Source frames shown at their own instant, or held behind the last one.
        held_at_cuts: Repeated, not made, because the next frame opens another scene.
        held_between_equals: Repeated because the next frame is equal, bit for bit.
        cut_times: Source seconds at which scenes open.
        duration: Output seconds.
        resumed: Output frames that an earlier run of the same request, which was stopped, had finished.
        seconds: Time that the run took.
        notes: The plan's notes, and what was found while reading.
    """

    target: Path
    frames_in: int
    frames_out: int
    made: int
    kept: int
    held_at_cuts: int
    held_between_equals: int
    cut_times: tuple[Fraction, ...]
    duration: Fraction
    resumed: int
    seconds: float
    notes: tuple[str, ...]


def run_video(
    source: Path,
    target: Path,
    interpolator: Interpolator,
    rule: RateRule,
    *,
    cuts: bool | CutList = True,
    repeat_at_cuts: bool = False,
    encode: EncodeOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    overwrite: bool = False,
    skip_damaged: bool = False,
    confidence: Path | None = None,
    restart: bool = False,
    made_with: Mapping[str, str] | None = None,
    memory_bytes: int | None = None,
) -> RunResult:
    """Raise the frame rate of a video file.

    The work is done in segments, which wait in a folder beside the target until all are there. A run that was
    stopped, in whatever way, goes on from there when it is started again, and gives the same frames.

    Args:
        source: Any video file that FFmpeg reads.
        target: File to write; its suffix chooses the container. It appears only when it is whole.
        interpolator: The method, on `device` already.
        rule: Instants of the output.
        cuts: Detect scene cuts, or take those of a list, and blend across none of them.
        repeat_at_cuts: Show in the gap before a cut the nearer of its two frames, instead of holding the old scene's
            last frame until the cut.
        encode: Codec, quality, pixel format.
        progress: Called in the calling thread after each gap.
        device: Where the method runs; the CPU by default.
        seed: Start of the random numbers of a stochastic method.
        overwrite: Replace a target that exists.
        skip_damaged: Go on without frames that do not decode; the gap is then filled from its neighbours.
        confidence: File for a map of how sure the method is, with a table beside it (see `engine.confidence`). A
            run that makes one begins anew.
        restart: Drop what a run that was stopped has left, and begin anew.
        made_with: What else the frames depend on: weights, precision and options of the method. A run goes on only
            from one with equal entries.
        memory_bytes: Most that the process may take; by default what is free here, with a margin. Too little for
            whole frames is met by tiles, then by flow at a lower scale, and said in the notes.

    Raises:
        MediaError: The source cannot be read, or is damaged and `skip_damaged` is not set.
        WriteError: The target, or the map, cannot be written; or another run writes it, or one with other options
            was stopped and `restart` is not set.
        UsageError: Rule, codec, container or method do not fit the source; or the method cannot say how sure it is.
    """
    started = time.monotonic()
    if confidence is not None:
        check_apart(confidence, (source, target))
    info = probe(source)
    stopped = work_folder_of(target).is_dir()  # its output may be there already; that is settled below
    plan = make_plan(
        info,
        target,
        rule,
        method=interpolator.spec,
        cuts=cuts,
        repeat_at_cuts=repeat_at_cuts,
        encode=encode,
        overwrite=overwrite or stopped,
    )
    interpolator, plan = fit_plan(plan, interpolator, memory_bytes, device)
    filler = GapFiller(interpolator, device, seed, uncertainty=confidence is not None)
    reader = VideoReader(info, skip_damaged)
    request = WriteRequest(
        source=info,
        target=target,
        encoding=plan.encoding,
        streams=plan.streams,
        time_base=plan.time_base,
        rate=plan.rate,
        retime=partial(output_time, rule),
        overwrite=overwrite or stopped,
    )
    identity = run_identity(plan, seed=seed, skip_damaged=skip_damaged, made_with=made_with or {})
    with ExitStack() as files:
        folder = files.enter_context(WorkFolder(target, identity, restart=restart or confidence is not None))
        check_target(source, target, overwrite or folder.has_joined(target))
        with VideoWriter(request, folder.joining):
            pass  # says now, not after hours, what cannot be written
        work = _Work(plan, filler, progress, folder.finished)
        record = None
        if confidence is not None:
            size = (info.height, info.width)
            record = ConfidenceRecord(confidence, size, plan.time_base, plan.rate, overwrite=overwrite)
            files.enter_context(record)
        output = files.enter_context(SegmentedOutput(request, folder))
        windows = gap_windows(_marked(reader, cuts), interpolator.spec.context)
        _run_side_by_side(windows, work, output, record, info)
        output.finish()
        with VideoWriter(request, folder.joining, folder.expect) as writer:
            writer.join([folder.segment(number) for number in work.segments], work.end)
        folder.remove()
    return RunResult(
        target=target,
        frames_in=work.frames_in,
        frames_out=work.frames_out,
        made=work.made,
        kept=work.kept,
        held_at_cuts=work.held_at_cuts,
        held_between_equals=work.held_between_equals,
        cut_times=tuple(work.cut_times),
        duration=work.end,
        seconds=time.monotonic() - started,
        resumed=work.skipped,
        notes=(*plan.notes, *filler.notes, *reader.notes, *writer.notes()),
    )


@dataclass(frozen=True, eq=False)
class OutputFrame:
    """A frame on its way to the encoder.

    Attributes:
        segment: That it belongs to.
        made: Its picture.
        time: Output seconds.
    """

    segment: int
    made: Made
    time: Fraction


class _Work:
    """Turns gaps into output frames, and counts; gaps of finished segments are counted only."""

    def __init__(
        self,
        plan: Plan,
        filler: GapFiller,
        progress: Callable[[Progress], None] | None,
        finished: Collection[int],
    ) -> None:
        self._plan = plan
        self._finished = finished
        self._filler = filler
        self._progress = progress
        self._started = time.monotonic()
        self.frames_in = self.made = self.kept = self.held_at_cuts = self.held_between_equals = 0
        self.skipped = 0
        self.segments: list[int] = []
        self.cut_times: list[Fraction] = []
        self.end = Fraction(0)

    @property
    def frames_out(self) -> int:
        return self.made + self.kept + self.held_at_cuts + self.held_between_equals

    def frames(self, windows: Iterable[GapWindow]) -> Iterator[OutputFrame]:
        """Output frames of all segments that are not finished yet, in order of time."""
        plan = self._plan
        counter = SegmentCounter(frames_in_segment(plan.source.width, plan.source.height))
        for window in windows:
            self.frames_in += 1
            self.end = output_time(plan.rule, window.gap.end)
            if window.content is Content.CUT:
                self.cut_times.append(window.gap.end)
            instants = instants_in_gap(plan.rule, window.gap, plan.source.average_rate, plan.tolerance)
            inside = [instant.local for instant in instants if instant.local]
            self._count(window.content, len(inside), len(instants) - len(inside))
            segment = counter.place(window.content, len(instants))
            if instants and segment not in self.segments[-1:]:
                self.segments.append(segment)
            if segment in self._finished:
                self.skipped += len(instants)
            else:
                between = self._between(window, inside)
                for instant in instants:
                    made = next(between) if instant.local else Made(window.before.pixels)
                    yield OutputFrame(segment, made, instant.time)
            self._report()

    def _count(self, content: Content, inside: int, kept: int) -> None:
        self.kept += kept
        if content is Content.MOTION:
            self.made += inside
        elif content is Content.CUT:
            self.held_at_cuts += inside
        else:
            self.held_between_equals += inside

    def _between(self, window: GapWindow, times: list[Fraction]) -> Iterator[Made]:
        if window.content is Content.MOTION and times:
            pictures = [frame.pixels for frame in window.frames]
            return self._filler.fill_with_uncertainty(pictures, times, window.gap.index)
        if window.content is Content.CUT and self._plan.repeat_at_cuts:
            before, after = (frame.pixels for frame in window.frames)
            return (Made(before if time < HALF else after) for time in times)
        return itertools.repeat(Made(window.before.pixels), len(times))

    def _report(self) -> None:
        if self._progress is None:
            return
        speed = (self.frames_out - self.skipped) / max(time.monotonic() - self._started, 1e-9)
        total = self._plan.frames_out
        left = None if total is None or not speed else max(0, total - self.frames_out) / speed
        self._progress(Progress(self.frames_out, total, speed, left))


def _run_side_by_side(
    windows: Iterator[GapWindow],
    work: _Work,
    output: SegmentedOutput,
    record: ConfidenceRecord | None,
    info: VideoInfo,
) -> None:
    """Decode in one thread, synthesise in this one, encode in a third; returns when all frames are written.

    Whatever fails in one of them, Ctrl-C in this one included, stops the others before it is raised here.
    """
    arriving: Channel[GapWindow] = Channel(gaps_waiting(info))
    leaving: Channel[OutputFrame] = Channel(frames_waiting(info))

    def write(frame: OutputFrame) -> None:
        output.write(frame.segment, frame.made.pixels, frame.time)
        if record is not None:
            record.add(frame.made.uncertainty, frame.time)

    decoder = feed(windows, arriving, "midframe-decode")
    encoder = drain(leaving, write, "midframe-encode")
    try:
        for frame in work.frames(arriving):
            leaving.put(frame)
        leaving.finish()
        encoder.join()
        leaving.raise_error()
    finally:
        for channel, thread in ((arriving, decoder), (leaving, encoder)):
            channel.fail(Stopped())
            thread.join()


def _marked(frames: Iterable[TimedFrame], cuts: bool | CutList) -> Iterator[tuple[TimedFrame, bool]]:
    """Frames, each with whether it opens a scene."""
    if isinstance(cuts, CutList):
        return mark_listed_cuts(frames, cuts)
    return mark_cuts(frames) if cuts else ((frame, False) for frame in frames)
