"""Makes the segments of a run: decoding, synthesis and encoding side by side, in bounded memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

import torch

from midframe.core.method import Interpolator
from midframe.core.repair import Repair
from midframe.core.timeline import HALF, Instant, output_time
from midframe.engine.channel import Channel, Stopped, drain, feed
from midframe.engine.confidence import ConfidenceRecord
from midframe.engine.memory import frames_waiting, gaps_waiting
from midframe.engine.overlays import keep_overlays
from midframe.engine.plan import Plan
from midframe.engine.segments import SegmentCounter, SegmentedOutput, SegmentStore
from midframe.engine.synthesis import GapFiller, Made, nearest_offered
from midframe.engine.windows import Content, GapWindow, gap_windows, window_instants
from midframe.video import (
    Cadence,
    CutList,
    TimedFrame,
    VideoInfo,
    VideoReader,
    WriteRequest,
    drop_copies,
    mark_cuts,
    mark_listed_cuts,
    scan_held,
)
from midframe.video.formats import PIPE
from midframe.video.pipe import PipeOutput


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

    @classmethod
    def after(cls, seconds: float, done: int, resumed: int, total: int | None) -> Progress:
        """Progress of a run that has worked for some seconds, and found `resumed` of its frames done already."""
        speed = (done - resumed) / max(seconds, 1e-9)
        left = None if total is None or not speed else max(0, total - done) / speed
        return cls(done, total, speed, left)


@dataclass(frozen=True, kw_only=True)
class SegmentTask:
    """What has to be known to make any segment of a run: plain values, so that other processes make the same ones.

    Attributes:
        plan: Of the run.
        request: What the encoder is told.
        seed: Start of the random numbers of a stochastic method.
        skip_damaged: Go on without frames that do not decode.
        segment_frames: Output frames after which a segment ends.
    """

    plan: Plan
    request: WriteRequest
    seed: int
    skip_damaged: bool
    segment_frames: int


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What is known of a run when its segments are made; counts are of the whole run, whoever made the frames.

    Attributes:
        frames_in: Source frames read.
        made: Synthesised by the method.
        kept: Source frames shown at their own instant, or held behind the last one.
        held_at_cuts: Repeated, not made, because the next frame opens another scene.
        held_between_equals: Repeated because the next frame is equal, bit for bit.
        copies: Source frames that repeated the one before and left the time base.
        resumed: Frames of segments that an earlier run had finished.
        segments: Numbers of all segments that have frames, in order.
        cut_times: Source seconds at which scenes open.
        end: Output seconds at which the last frame ends.
        remade: Output seconds of the frames that a repair put where none came out of the source.
        notes: What was found on the way.
    """

    frames_in: int
    made: int
    kept: int
    held_at_cuts: int
    held_between_equals: int
    copies: int
    resumed: int
    segments: tuple[int, ...]
    cut_times: tuple[Fraction, ...]
    end: Fraction
    remade: tuple[Fraction, ...]
    notes: tuple[str, ...]

    @property
    def frames_out(self) -> int:
        return self.made + self.kept + self.held_at_cuts + self.held_between_equals


@runtime_checkable
class MadeRecord(Protocol):
    """Takes down each synthesised frame."""

    def add(self, frame: int, instant: Instant, place: Fraction) -> None: ...


def fill_segments(
    task: SegmentTask,
    interpolator: Interpolator,
    store: SegmentStore,
    *,
    device: torch.device | None = None,
    count: Callable[[int, int], None] = lambda here, resumed: None,
    confidence: ConfidenceRecord | None = None,
    record: MadeRecord | None = None,
) -> Filled:
    """Make every segment that can be claimed of a store; the others are counted, and their synthesis is left out.

    Args:
        task: What to make.
        interpolator: The method as the plan wants it, on `device` already.
        store: Where segments go.
        device: Where the method runs; the CPU by default.
        count: Called in this thread after each gap, with the frames made here and those resumed, so far.
        confidence: Takes the method's uncertainty of each frame.
        record: Takes down what was synthesised, by whomever.

    Raises:
        MediaError: The source is damaged and `skip_damaged` is not set.
        WriteError: A segment cannot be written.
        UsageError: The method cannot say how sure it is.
    """
    plan = task.plan
    filler = GapFiller(interpolator, device, task.seed, uncertainty=confidence is not None)
    reader = VideoReader(
        plan.source, task.skip_damaged, alpha=plan.keeps_alpha, keep_stored=isinstance(plan.rule, Repair)
    )
    work = _Work(task, filler, store, count, record, interpolator)
    cadence = Cadence()
    frames = drop_copies(reader, cadence) if plan.dedupe else reader
    windows = gap_windows(_marked(frames, plan.cuts, plan.source), interpolator.spec.context)
    to_pipe = task.request.target == PIPE
    with PipeOutput(task.request) if to_pipe else SegmentedOutput(task.request, store) as output:
        _run_side_by_side(windows, work, output, confidence, plan.source)
        output.finish()
    found = [cadence.sentence()] if plan.dedupe else []
    return work.filled((*filler.notes, *reader.notes, *found))


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
    """Turns gaps into output frames, and counts; gaps of segments that are not ours are counted only."""

    def __init__(
        self,
        task: SegmentTask,
        filler: GapFiller,
        store: SegmentStore,
        count: Callable[[int, int], None],
        record: MadeRecord | None,
        interpolator: Interpolator,
    ) -> None:
        self._plan, self._segment_frames = task.plan, task.segment_frames
        self._filler, self._store = filler, store
        self._tell, self._record, self._offer = count, record, interpolator.spec.times
        self._frames_in = self._made = self._kept = self._held_at_cuts = self._held_between_equals = 0
        self._here = self._resumed = self._copies = 0
        self._segments: list[int] = []
        self._cut_times: list[Fraction] = []
        self._remade: list[Fraction] = []
        self._end = Fraction(0)

    def frames(self, windows: Iterable[GapWindow]) -> Iterator[OutputFrame]:
        """Output frames of all segments that this run claims, in order of time."""
        plan = self._plan
        counter = SegmentCounter(self._segment_frames)
        ours = False
        for window in windows:
            self._frames_in += 1 + len(window.before.copies)
            self._copies += len(window.before.copies)
            self._end = output_time(plan.rule, window.gap.end)
            if window.content is Content.CUT:
                self._cut_times.append(window.gap.end)
            instants = window_instants(plan.rule, window, plan.source.average_rate, plan.tolerance)
            if isinstance(plan.rule, Repair):
                self._remade += [instant.time for instant in instants if instant.time != window.gap.start]
                self._end = max(self._end, plan.rule.end) if window.gap.is_last else self._end
            self._write_down(window.content, instants)
            inside = [instant.local for instant in instants if instant.local]
            self._count(window.content, inside, len(instants) - len(inside))
            segment = counter.place(window.content, len(instants))
            if instants and segment not in self._segments[-1:]:
                self._segments.append(segment)
                ours = self._store.claim(segment)
            if instants and not ours:
                self._resumed += len(instants) if segment in self._store.finished else 0
            elif instants:
                between = self._between(window, inside)
                for instant in instants:
                    made = next(between) if instant.local else Made(window.before.pixels, stored=window.before.stored)
                    yield OutputFrame(segment, made, instant.time)
                self._here += len(instants)
            self._tell(self._here, self._resumed)

    def filled(self, notes: tuple[str, ...]) -> Filled:
        return Filled(
            frames_in=self._frames_in,
            made=self._made,
            kept=self._kept,
            held_at_cuts=self._held_at_cuts,
            held_between_equals=self._held_between_equals,
            copies=self._copies,
            resumed=self._resumed,
            segments=tuple(self._segments),
            cut_times=tuple(self._cut_times),
            end=self._end,
            remade=tuple(self._remade),
            notes=notes,
        )

    def _count(self, content: Content, inside: Sequence[Fraction], kept: int) -> None:
        self._kept += kept
        if content is Content.MOTION:
            # A method that does not offer an instant may show the source frame next to it.
            made = sum(0 < nearest_offered(self._offer, place) < 1 for place in inside)
            self._made += made
            self._kept += len(inside) - made
        elif content is Content.CUT:
            self._held_at_cuts += len(inside)
        else:
            self._held_between_equals += len(inside)

    def _write_down(self, content: Content, instants: list[Instant]) -> None:
        if self._record is None or content is not Content.MOTION:
            return
        first = self._made + self._kept + self._held_at_cuts + self._held_between_equals
        for number, instant in enumerate(instants, start=first):
            place = nearest_offered(self._offer, instant.local)
            if 0 < place < 1:
                self._record.add(number, instant, place)

    def _between(self, window: GapWindow, times: list[Fraction]) -> Iterator[Made]:
        if window.content is Content.MOTION and times:
            pictures = [frame.pixels for frame in window.frames]
            made = self._filler.fill_with_uncertainty(pictures, times, window.gap.index)
            if not self._plan.protect_overlays:
                return made
            middle = len(pictures) // 2
            return keep_overlays(made, pictures[middle - 1], pictures[middle], times)
        if window.content is Content.CUT and self._plan.repeat_at_cuts:
            before, after = (frame.pixels for frame in window.frames)
            # Where copies left the time base, the scene is early by half of the last of them, not of the whole stay.
            gap, last = window.gap, (window.gap.start, *window.before.copies)[-1]
            opens = 1 - HALF * (gap.end - last) / gap.duration
            return (Made(before if time < opens else after) for time in times)
        return itertools.repeat(Made(window.before.pixels), len(times))


def progress_teller(progress: Callable[[Progress], None] | None, total: int | None) -> Callable[[int, int], None]:
    """What `fill_segments` calls, for a caller who wants to see `Progress`."""
    if progress is None:
        return lambda here, resumed: None
    started = time.monotonic()

    def tell(here: int, resumed: int) -> None:
        progress(Progress.after(time.monotonic() - started, here + resumed, resumed, total))

    return tell


def _run_side_by_side(
    windows: Iterator[GapWindow],
    work: _Work,
    output: SegmentedOutput | PipeOutput,
    confidence: ConfidenceRecord | None,
    info: VideoInfo,
) -> None:
    """Decode in one thread, synthesise in this one, encode in a third; returns when all frames are written.

    Whatever fails in one of them, Ctrl-C in this one included, stops the others before it is raised here.
    """
    arriving: Channel[GapWindow] = Channel(gaps_waiting(info))
    leaving: Channel[OutputFrame] = Channel(frames_waiting(info))

    def write(frame: OutputFrame) -> None:
        output.write(frame.segment, frame.made.pixels, frame.time, frame.made.stored)
        if confidence is not None:
            confidence.add(frame.made.uncertainty, frame.time)

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


def _marked(
    frames: Iterable[TimedFrame], cuts: bool | CutList, source: VideoInfo
) -> Iterator[tuple[TimedFrame, bool]]:
    """Frames, each with whether it opens a scene."""
    if isinstance(cuts, CutList):
        # Numbers count the frames that the source holds, and not its fields, nor those of them that decode.
        numbered = any(isinstance(place, int) for place in cuts.places)
        return mark_listed_cuts(frames, cuts.timed(scan_held(source)) if numbered else cuts)
    return mark_cuts(frames) if cuts else ((frame, False) for frame in frames)
