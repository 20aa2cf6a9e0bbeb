"""What a run will do, known before it starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch

from midframe.core.errors import UsageError
from midframe.core.method import AnyTime, Interpolator, MethodSpec
from midframe.core.ramp import Ramp
from midframe.core.repair import Repair, repaired
from midframe.core.timeline import (
    Multiply,
    RateRule,
    TimedInstant,
    check_gap,
    count_frames,
    fine_time_base,
    gaps,
    keeps_time,
    output_instants,
    output_rate,
    output_time,
)
from midframe.engine.estimate import Estimate
from midframe.engine.memory import TIMES_PER_CALL, MemoryPlan, fit, held_bytes, in_words
from midframe.engine.segments import frames_in_segment
from midframe.engine.synthesis import nearest_offered
from midframe.video import (
    CutList,
    EncodeOptions,
    Encoding,
    StreamFate,
    VideoInfo,
    WriteRequest,
    carries_hdr,
    check_target,
    decide_streams,
    resolve_encoding,
    scan_held,
)
from midframe.video.colour import has_alpha
from midframe.video.copies import LONGEST_HOLD
from midframe.video.formats import check_rate, format_losses, format_notes, format_of
from midframe.video.last_frame import LONGEST_FRAME_SECONDS
from midframe.video.scan import Scan, scan
from midframe.video.write import MATROSKA_TICK

COARSEST_TICK = Fraction(1, 10_000)
STAMP_ERROR = Fraction(1, 1000)
MP4_TICK, LONGEST_TICKS = Fraction(1, 20_000), 2**31 - 1
"""The muxer refines a coarse clock up to this, and stores 31 bits of the distance of two packets."""
MOST_COUNTED = 500_000
"""Output frames up to which a plan looks at each of them: more than two hours at 60 fps. Beyond, a plan would take
minutes; then it says how many there are, and not how many of them are kept."""
MOST_FRAMES = 10**8
"""Most frames of an output: more than 19 days at 60 fps. What asks for more is taken for a mistake or damage."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        source: Facts about the source.
        target: The file that will be written.
        rule: How output instants follow from source instants.
        method: Name of the method; None where the plan was made without one.
        cuts: Scene cuts are detected, or listed; nothing is blended across one.
        repeat_at_cuts: The gap before a cut shows the nearer of its two frames, not only the first.
        dedupe: Frames that repeat the one before leave the time base; `frames_kept` counts them as if they stayed.
        protect_overlays: What stands still while its surroundings move is not warped.
        frames_in: Frames of the source; None where it carries no time stamps and declares no number.
        frames_out: Frames of the output; None where `frames_in` is.
        frames_kept: Output frames that fall on a source frame, or lie behind the last one; None for more than
            `MOST_COUNTED` frames too.
        rate: Nominal frames per second of the output.
        is_variable: The gaps between source frames differ by more than their stamps are rounded.
        duration: Seconds that the output lasts; None where the source does not say.
        time_base: Seconds of one tick of the output's stamps.
        tolerance: Seconds by which an instant may miss a source frame and still be that frame.
        encoding: Codec, pixel format and options.
        streams: What becomes of all other streams.
        memory_bytes: Largest amount of frames held at once: decoded ones, and those of one gap as the method
            takes and gives them. The method's own memory comes on top.
        memory: What the whole process takes, and how the method works; None where no method was given.
        notes: One sentence for each thing worth knowing.
        estimate: Time and disk, where they were measured (`engine.measure`).
    """

    source: VideoInfo
    target: Path
    rule: RateRule
    method: str | None
    cuts: bool | CutList
    repeat_at_cuts: bool
    dedupe: bool
    protect_overlays: bool
    frames_in: int | None
    frames_out: int | None
    frames_kept: int | None
    rate: Fraction
    is_variable: bool
    duration: Fraction | None
    time_base: Fraction
    tolerance: Fraction
    encoding: Encoding
    streams: StreamFate
    memory_bytes: int
    notes: tuple[str, ...]
    memory: MemoryPlan | None = None
    estimate: Estimate | None = None

    @property
    def keeps_alpha(self) -> bool:
        """The source has transparency, and the output too."""
        return self.source.has_alpha and has_alpha(self.encoding.pixel_format)

    def surprises(self, frames_in: int, end: Fraction) -> list[str]:
        """What turned out otherwise than planned: one sentence for each.

        Args:
            frames_in: Frames that were read.
            end: Output seconds that the result lasts.
        """
        found = []
        if self.frames_in is not None and frames_in != self.frames_in:
            found.append(f"The source's packets promised {self.frames_in} frames; {frames_in} came out of it.")
        if self.duration is not None and abs(end - self.duration) > max(self.time_base, STAMP_ERROR):
            found.append(f"{float(self.duration):.3f} s were planned; the result lasts {float(end):.3f} s.")
        return found

    def lines(self) -> list[tuple[str, str]]:
        """The plan for a person: pairs of a heading and its text."""
        info, size = self.source, f"{self.source.width}x{self.source.height}"
        source_rate = f"{float(info.average_rate):.3f} fps" if info.average_rate else "unknown rate"
        encoded = f"{self.encoding.codec}, {self.encoding.pixel_format}, {float(self.rate):.3f} fps"
        counts = [_number(count) for count in (self.frames_in, self.frames_out, self.frames_kept)]
        text = [
            ("source", f"{info.name}: {info.codec}, {size}, {info.pixel_format}, {source_rate}"),
            ("target", f"{self.target}: {encoded}"),
            ("frames", f"{{}} in, {{}} out, {'at most ' if self.dedupe else ''}{{}} kept".format(*counts)),
            ("duration", "unknown" if self.duration is None else f"{float(self.duration):.3f} s"),
            *([("speed", self.rule.sentence())] if isinstance(self.rule, Ramp) else []),
            *([("deinterlaced", f"one frame for each {info.deinterlace[:-1]}")] if info.deinterlace != "off" else []),
            *([("repair", self.rule.sentence())] if isinstance(self.rule, Repair) else []),
            ("colour", info.colour.sentence()),
            *([("hdr", info.hdr.sentence())] if info.hdr else []),
            *([("transparency", "kept")] if self.keeps_alpha else []),
            ("cuts", self._cuts()),
            *([("overlays", "kept from being warped")] if self.protect_overlays else []),
            *([("repeats", f"filled with motion, up to {float(LONGEST_HOLD):g} s each")] if self.dedupe else []),
        ]
        text += self.memory.lines() if self.memory else []
        if self.method is not None:
            most = frames_in_segment(self.source.width, self.source.height)
            text.append(
                ("parts", f"one for each scene, of at most {most} frames; a stopped run keeps the finished ones")
            )
        text += self.estimate.lines() if self.estimate else []
        text.append(("frames held", in_words(self.memory_bytes)))
        text += [("kept", stream.sentence()) for stream in self.streams.kept]
        text += [("note", note) for note in self.notes]
        return text

    def _cuts(self) -> str:
        if not self.cuts:
            return "not looked for"
        found = self.cuts.sentence() if isinstance(self.cuts, CutList) else "detected"
        return f"{found}; {'the nearer frame repeated' if self.repeat_at_cuts else 'the last frame held'} before each"


def make_plan(
    info: VideoInfo,
    target: Path,
    rule: RateRule,
    *,
    method: MethodSpec | None = None,
    cuts: bool | CutList = True,
    repeat_at_cuts: bool = False,
    dedupe: bool = False,
    protect_overlays: bool = False,
    encode: EncodeOptions | None = None,
    overwrite: bool = False,
) -> Plan:
    """Say what a run would do. Reads the source's packets once; decodes and writes nothing.

    Raises:
        UsageError: The rule, the codec or the container does not fit the source.
        WriteError: The target must not or cannot be written.
    """
    check_target(info.path, target, overwrite)
    if isinstance(rule, Repair) and (info.deinterlace != "off" or dedupe):
        raise UsageError("repair keeps all frames as they are; it goes neither with deinterlace nor with dedupe.")
    encode = encode or EncodeOptions()
    encoding = resolve_encoding(info, target, encode)
    scanned = scan(info)
    times = scanned.times if scanned else None
    frames_in = len(times) if times else info.frame_count
    end = _end(info, scanned)
    tolerance = stamp_tolerance(info)
    if isinstance(rule, Repair):
        if times is None or end is None:
            raise UsageError(f"{info.path} carries no time stamps: what is missing from it cannot be told.")
        rule = repaired(times, end, info.time_base)
    time_base = _time_base(info, rule, end)
    tally = frames_out = None
    is_variable = _is_variable(times)
    if isinstance(cuts, CutList) and times is not None and end is not None:
        cuts.check(times if info.deinterlace != "fields" else scan_held(info) or times, end)
    if times is not None and end is not None:
        frames_out = count_frames(rule, len(times), times[-1], end, info.average_rate)
        _check_count(info, frames_out)
        if frames_out <= MOST_COUNTED:
            tally = _tally(output_instants(gaps(times, end), rule, info.average_rate, tolerance), method)
            _check_clock(info, target, tally, time_base)
            frames_out = tally.frames
        else:
            longest = max(gaps(times, end), key=lambda gap: gap.duration)
            check_gap(rule, longest, info.average_rate)
    rate = _rate(info, rule, frames_in, end)
    check_rate(target, rate)
    lost = format_losses(target, info, _keeps_uneven_times(rule, is_variable))
    if lost and not encode.allow_loss:
        raise UsageError(
            f"{target} would lose something: {'; '.join(lost)}. Choose another format, or allow the loss."
        )
    encoding = replace(encoding, losses=(*encoding.losses, *lost))
    streams = decide_streams(info, target, keeps_time=keeps_time(rule))
    return Plan(
        source=info,
        target=target,
        rule=rule,
        method=method.name if method else None,
        cuts=cuts,
        repeat_at_cuts=repeat_at_cuts,
        dedupe=dedupe,
        protect_overlays=protect_overlays,
        frames_in=frames_in,
        frames_out=frames_out,
        frames_kept=tally and tally.kept,
        rate=rate,
        is_variable=is_variable,
        duration=None if end is None else output_time(rule, end),
        time_base=time_base,
        tolerance=tolerance,
        encoding=encoding,
        streams=streams,
        memory_bytes=held_bytes(
            info,
            method.context if method else 1,
            # How many copies leave the time base, and lengthen a gap, is not known before the frames are seen.
            tally.most_in_gap if tally and not dedupe else TIMES_PER_CALL,
        ),
        notes=(
            *_notes(info, encoding, streams, method, tally, scanned, is_variable),
            *format_notes(target, info, rate),
            *_notes_of_repair(rule, info, encoding),
            *_notes_of_ramp(rule, end),
        ),
    )


def fit_plan(
    plan: Plan,
    interpolator: Interpolator,
    limit_bytes: int | None,
    device: torch.device | None,
    workers: int = 1,
) -> tuple[Interpolator, Plan]:
    """Settle how a run stays within its memory; see `engine.memory.fit`.

    Raises:
        UsageError: It cannot.
    """
    on_cpu = device is None or device.type == "cpu"
    interpolator, encoding, memory = fit(
        interpolator,
        plan.source,
        plan.encoding,
        limit_bytes,
        held=plan.memory_bytes,
        on_cpu=on_cpu,
        workers=workers,
    )
    return interpolator, replace(plan, encoding=encoding, memory=memory, notes=(*plan.notes, *memory.notes))


def write_request(plan: Plan, overwrite: bool = False) -> WriteRequest:
    """What a planned run writes."""
    return WriteRequest(
        source=plan.source,
        target=plan.target,
        encoding=plan.encoding,
        streams=plan.streams,
        time_base=plan.time_base,
        rate=plan.rate,
        retime=partial(output_time, plan.rule),
        overwrite=overwrite,
    )


@dataclass(frozen=True)
class _Tally:
    """What is counted of the instants of an output.

    Attributes:
        frames: All of them.
        kept: Those that show a source frame.
        moved: Largest distance, in gaps, to the nearest instant that the method offers.
        shortest: Smallest distance of two of them in seconds; None where there is one alone.
        longest: Most seconds for which one is shown.
        most_in_gap: Most of them inside one gap of the source.
    """

    frames: int
    kept: int
    moved: Fraction
    shortest: Fraction | None
    longest: Fraction
    most_in_gap: int


def _tally(instants: Iterable[TimedInstant], method: MethodSpec | None) -> _Tally:
    """Count in one pass: a long film at a high rate has millions of instants."""
    frames = kept = inside = most_in_gap = 0
    moved = longest = Fraction(0)
    shortest = previous = source = None
    for instant in instants:
        if previous is not None:
            distance = instant.time - previous
            shortest = distance if shortest is None else min(shortest, distance)
        previous = instant.time
        longest = max(longest, instant.duration)
        frames += 1
        kept += instant.local == 0
        inside = (inside if instant.source == source else 0) + (instant.local != 0)
        source, most_in_gap = instant.source, max(most_in_gap, inside)
        if method is not None and not isinstance(method.times, AnyTime):
            moved = max(moved, abs(nearest_offered(method.times, instant.local) - instant.local))
    return _Tally(frames, kept, moved, shortest, longest, most_in_gap)


def _check_count(info: VideoInfo, count: int) -> None:
    if count > MOST_FRAMES:
        raise UsageError(
            f"That would be {count} frames, and {MOST_FRAMES} are the most that midframe makes. Ask for fewer; "
            f"or the rate, the time stamps or the duration in {info.path} are damaged."
        )


def _check_clock(info: VideoInfo, target: Path, tally: _Tally, time_base: Fraction) -> None:
    """Refuse now what encoder or container would refuse after hours: times too close or too far for their clock."""
    muxer = format_of(target).muxer
    tick = max(time_base, MATROSKA_TICK) if muxer in ("matroska", "webm", "webp") else time_base
    if tally.shortest is not None and tally.shortest < tick:
        raise UsageError(
            f"Frames of the output would be {float(tally.shortest):.3g} s apart, and it counts {float(tick):.3g} s: "
            f"the frames of {info.path} are too close for that clock. Ask for a rate with --fps, or for mp4."
        )
    if muxer in ("mp4", "mov") and tally.longest > LONGEST_TICKS * min(time_base, MP4_TICK):
        raise UsageError(
            f"A frame of the output would be shown for {float(tally.longest):.6g} s, which {target.suffix} cannot "
            "say: write mkv, or mend the time stamps of the source first."
        )


def _end(info: VideoInfo, scanned: Scan | None) -> Fraction | None:
    """When the last frame ends, in seconds since the first; where the file is cut short, when it should."""
    if scanned is None:
        return info.duration
    if scanned.is_cut_short and not _ends_early(info, scanned.times):
        return info.duration
    return scanned.end


def _ends_early(info: VideoInfo, times: list[Fraction]) -> bool:
    """Whether the declared end is so far behind the last packet that nobody shows a frame for as long."""
    return info.duration is not None and info.duration - times[-1] > LONGEST_FRAME_SECONDS


def _rate(info: VideoInfo, rule: RateRule, frames_in: int | None, end: Fraction | None) -> Fraction:
    rate = output_rate(rule, info.average_rate)
    if rate is None and frames_in and end:
        rate = output_rate(rule, Fraction(frames_in) / end)
    if isinstance(rule, Repair) and rule.missing and rate and abs(rate * rule.step - 1) > Fraction(1, 100):
        rate = 1 / rule.step  # the source's own counts what came, and not what is missing
    if rate is None:
        raise UsageError(f"{info.path} does not state its frame rate; ask for one instead of a multiple.")
    return rate.limit_denominator(100_000)


def _time_base(info: VideoInfo, rule: RateRule, end: Fraction | None) -> Fraction:
    """A base in which all output instants and the end of the video are whole numbers."""
    if isinstance(rule, Multiply | Repair):
        factor = rule.factor if isinstance(rule, Multiply) else 1
        return fine_time_base([info.time_base / factor, info.start_time])
    rate = output_rate(rule, info.average_rate)
    assert rate is not None  # `Multiply` alone has no rate of its own
    base = fine_time_base([1 / rate, info.start_time], output_time(rule, end or Fraction(0)))
    # The end may turn out a little otherwise than declared, and the clock of mp4 is no coarser than this.
    return base / max(1, math.ceil(base / COARSEST_TICK))


def stamp_tolerance(info: VideoInfo) -> Fraction:
    """The rounding error of a difference of two stamps, at high rates less than a sixteenth of a gap.

    Many containers round stamps to milliseconds, and a file may have passed through one of them: its own time
    base does not tell.
    """
    return min(STAMP_ERROR, 1 / (16 * info.average_rate)) if info.average_rate else STAMP_ERROR


def _is_variable(times: Sequence[Fraction] | None) -> bool:
    if times is None or len(times) < 3:
        return False
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return max(steps) - min(steps) > 2 * STAMP_ERROR


def _keeps_uneven_times(rule: RateRule, is_variable: bool) -> bool:
    if isinstance(rule, Repair):  # it fills the holes of a constant cadence
        return _is_variable(rule.instants)
    return is_variable and isinstance(rule, Multiply)


def _notes(
    info: VideoInfo,
    encoding: Encoding,
    streams: StreamFate,
    method: MethodSpec | None,
    tally: _Tally | None,
    scanned: Scan | None,
    is_variable: bool,
) -> list[str]:
    notes = [*info.notes, *(f"Lost: {loss}." for loss in encoding.losses)]
    notes += [f"Lost: {stream.sentence()}, since {cause}." for stream, cause in streams.lost]
    if not encoding.has_quality:
        notes.append(
            f"No quality set: {encoding.codec} falls back on its own; pass its option with --encoder-option."
        )
    if info.has_alpha and has_alpha(encoding.pixel_format) and method is not None and not method.planes:
        notes.append(f"{method.name} makes each frame twice, on black and on white, to find its transparency.")
    if info.interlaced and info.deinterlace == "off":
        notes.append(
            "The source is interlaced; its fields are treated as whole frames. --deinterlace frames or fields makes "
            "whole ones of them."
        )
    if info.deinterlace != "off" and not info.interlaced:
        notes.append("The source does not say that it is interlaced: all frames are taken for it, top field first.")
    if info.dynamic_hdr:
        notes.append(
            f"Lost: {' and '.join(info.dynamic_hdr)}, which describes each frame anew. Colour tags are kept."
        )
    if info.hdr is not None and not carries_hdr(encoding.codec):
        notes.append(f"Lost: HDR metadata ({info.hdr.sentence()}), for which {encoding.codec} has no place here.")
    if is_variable:
        notes.append("The source has a variable frame rate.")
    if scanned is not None and scanned.step_back is not None:
        notes.append(
            f"Time stamps of the source step back at {float(scanned.step_back):.3f} s, as where files were joined "
            f"byte by byte: {scanned.left_out} frames whose time has been shown already are left out, as is what "
            "belongs to them. Join the files with new time stamps to keep all."
        )
    if scanned is not None and info.duration is not None and _ends_early(info, scanned.times):
        notes.append(
            f"The source declares {float(info.duration):.3f} s, and its last frame starts at "
            f"{float(scanned.times[-1]):.3f} s: it is truncated, or says what is wrong."
        )
    if scanned is None:
        notes.append("The source carries no time stamps; frames are placed at its average rate.")
    if method is not None and tally is not None and tally.moved:
        notes.append(
            f"{method.name} offers {method.times}: instants move by up to {float(tally.moved):.3f} of a gap."
        )
    return notes


def _notes_of_repair(rule: RateRule, info: VideoInfo, encoding: Encoding) -> list[str]:
    if not isinstance(rule, Repair) or encoding.pixel_format == info.pixel_format:
        return []
    return [
        f"Whole frames change a little on the way from {info.pixel_format} to {encoding.pixel_format}: to keep them "
        f"exact, ask for a codec that stores {info.pixel_format}."
    ]


def _notes_of_ramp(rule: RateRule, end: Fraction | None) -> list[str]:
    if not isinstance(rule, Ramp) or end is None:
        return []
    late = [moment for moment, _ in rule.points if moment > end][:1]
    return [
        f"The ramp has a point at {float(moment):g} s, behind the end of the source at {float(end):g} s."
        for moment in late
    ]


def _number(count: int | None) -> str:
    return "unknown" if count is None else str(count)
