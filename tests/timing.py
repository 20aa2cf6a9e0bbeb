"""What every run must keep of time, checked against a source that is decoded here and not by the code under test."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from blend import Blend
from midframe.core.timeline import Multiply, Ramp, RateRule, SlowDown, ToRate, source_time
from midframe.engine import RunResult, run_video
from midframe.video import EncodeOptions

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
LOSSLESS_WITH_B_FRAMES = EncodeOptions(encoder_options={"qp": "0", "bf": "2"}, preset="ultrafast")
MILLISECOND = Fraction(1, 1000)
CONVERSION_LEVELS = 1  # YUV to RGB and back
BLEND_LEVELS = 3  # two conversions, and the rounding of a mixture


@dataclass(frozen=True)
class Decoded:
    """A file as FFmpeg decodes it.

    Attributes:
        times: Of its frames, in seconds on the clock of all its streams.
        luma: Their brightness as stored.
        sound: Times of its audio packets.
        tick: Of the video's stamps.
    """

    times: list[Fraction]
    luma: list[np.ndarray]
    sound: list[Fraction]
    tick: Fraction


def decode(path: Path) -> Decoded:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.pts * frame.time_base, _luma(frame)) for frame in container.decode(stream)]
        tick = stream.time_base
    with av.open(str(path)) as container:
        sound = (
            [p.pts * p.time_base for p in container.demux(*container.streams.audio) if p.pts is not None]
            if (container.streams.audio)
            else []
        )
    times = [time for time, _ in frames]
    if path.suffix == ".avi":  # which stamps frames for decoding
        times.sort()
    return Decoded(times, [luma for _, luma in frames], sorted(sound), tick)


def check_run(source: Path, target: Path, rule: RateRule, duration: Fraction, rate: Fraction) -> RunResult:
    """Run a method whose frames are known over a video, and hold the output against every promise on time.

    Args:
        source: With time stamps.
        target: Its container decides the tick.
        rule: Of the run.
        duration: Seconds that the source lasts, its last frame included.
        rate: Frames per second that the source declares.
    """
    encode = LOSSLESS_WITH_B_FRAMES if isinstance(rule, ToRate) else LOSSLESS
    result = run_video(source, target, Blend(), rule, cuts=False, encode=encode, sidecar=False)
    before, after = decode(source), decode(target)
    assert all(b > a for a, b in pairwise(after.times)), "stamps ascend strictly"
    expected = _count(rule, before, duration, rate)
    assert len(after.times) == result.frames_out == expected, f"{len(after.times)} frames for {expected}"
    _check_sound(before, after, rule)
    _check_duration(target, after, rule, duration)
    _check_pictures(before, after, rule)
    return result


def _count(rule: RateRule, before: Decoded, duration: Fraction, rate: Fraction) -> int:
    """The rules as the guide states them."""
    if isinstance(rule, Multiply):
        return (len(before.times) - 1) * rule.factor + 1
    assert not isinstance(rule, Ramp)
    slower = rule.factor if isinstance(rule, SlowDown) else 1
    shown = (rule.rate or rate) * slower
    rounded = min(MILLISECOND, 1 / (16 * rate), 1 / (4 * shown))  # so near the last frame, an instant is that frame
    before_last = math.ceil((before.times[-1] - before.times[0] - rounded) * shown)
    return max(1, before_last, math.ceil(duration * shown - Fraction(1, 2)))


def _check_sound(before: Decoded, after: Decoded, rule: RateRule) -> None:
    if isinstance(rule, SlowDown) and rule.factor != 1:
        assert not after.sound
        return
    assert len(after.sound) == len(before.sound)
    if before.sound:
        for end in (0, -1):
            distance = before.sound[end] - before.times[0], after.sound[end] - after.times[0]
            assert abs(distance[0] - distance[1]) <= max(before.tick, after.tick, MILLISECOND), (
                "sound keeps its distance"
            )


def _check_duration(target: Path, after: Decoded, rule: RateRule, duration: Fraction) -> None:
    slower = rule.factor if isinstance(rule, SlowDown) else 1
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        if stream.duration is not None:
            declared = stream.duration * stream.time_base
        else:  # Matroska writes the time of the end as a tag
            hours, minutes, seconds = (Fraction(part) for part in stream.metadata["DURATION"].split(":"))
            declared = hours * 3600 + minutes * 60 + seconds - after.times[0]
    assert abs(declared - duration * slower) <= after.tick, "the output lasts as long as the source"


def _check_pictures(before: Decoded, after: Decoded, rule: RateRule) -> None:
    """Each frame is the source frame of its instant, or the mixture of the two around it."""
    starts = [time - before.times[0] for time in before.times]
    kept = 0
    for time, luma in zip(after.times, after.luma, strict=True):
        moment = source_time(rule, time - after.times[0])
        nearest = min(range(len(starts)), key=lambda k: abs(starts[k] - moment))
        if moment >= starts[-1]:
            nearest = len(starts) - 1
        off = np.abs(luma.astype(int) - before.luma[nearest])
        if starts[nearest] == moment or moment >= starts[-1]:
            assert off.max() <= CONVERSION_LEVELS, f"the frame at {float(moment):.4f} s is that of the source"
            kept += 1
            continue
        if abs(starts[nearest] - moment) <= 2 * MILLISECOND and off.max() <= CONVERSION_LEVELS:
            continue  # stamps are rounded: so near a source frame, that frame is shown
        first = bisect_right(starts, moment) - 1
        share = float((moment - starts[first]) / (starts[first + 1] - starts[first]))
        mixed = before.luma[first] * (1 - share) + before.luma[first + 1] * share
        slack = BLEND_LEVELS + 160 * float(MILLISECOND / (starts[first + 1] - starts[first]))
        assert np.abs(luma - mixed).max() <= slack, f"the frame at {float(moment):.4f} s lies between its neighbours"
    assert kept > 0


def _luma(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width].copy()
