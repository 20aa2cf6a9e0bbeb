"""Candidates remake frames of a user's own clip that are known, and are scored against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import MediaError, UsageError
from midframe.core.method import Interpolator
from midframe.engine import GapFiller, Pixels
from midframe.evaluation.clip_targets import (
    ClipSurvey,
    ClipTarget,
    TargetPictures,
    read_targets,
    spread_targets,
    survey_clip,
    to_bytes,
)
from midframe.evaluation.clock import seconds_now
from midframe.evaluation.exact_frames import EXACT_PSNR
from midframe.evaluation.motion import motion_pixels
from midframe.metrics import psnr, ssim
from midframe.metrics.sample import Sample
from midframe.metrics.sqd import SqueezeDistance
from midframe.video import TimedFrame, VideoReader, mark_cuts, probe
from midframe.video.cuts import LOOK_AHEAD
from midframe.video.span import Span, read_span

HIGHEST_PSNR = EXACT_PSNR
"""Decibels above which no one sees a difference; here no frame counts as more."""

CUT_MARGIN = 2 * LOOK_AHEAD
"""Frames beyond each end of a part of the clip, without which its first change would look like a cut."""


@dataclass(frozen=True)
class Candidate:
    """A method as it would be used.

    Attributes:
        name: What reports call it: the method, and its scale where one was asked for.
        interpolator: Ready to use.
        device: Where its input belongs.
    """

    name: str
    interpolator: Interpolator
    device: torch.device


@dataclass(frozen=True)
class Remake:
    """How well one candidate remade one frame.

    Attributes:
        psnr: Decibels of the 8-bit frame, at most `HIGHEST_PSNR`.
        ssim: Two-dimensional structural similarity.
        sqd: Distance of SqueezeNet features; None where it was not asked for.
        seconds: Wall time, conversion of the pixels included.
    """

    psnr: float
    ssim: float
    seconds: float
    sqd: float | None = None


@dataclass(frozen=True)
class RemadeTarget:
    """One frame of the clip, remade by every candidate.

    Attributes:
        target: The frame and its neighbours.
        motion_pixels: Motion between the two kept frames (see `evaluation.motion`).
        remakes: By name of the candidate.
    """

    target: ClipTarget
    motion_pixels: float
    remakes: Mapping[str, Remake]


@dataclass(frozen=True)
class ClipCheck:
    """All that was measured on a clip.

    Attributes:
        path: The clip.
        size: Width and height.
        rate: Frames per second on average; None where the file does not say.
        candidates: Names, in the order asked for.
        survey: What the clip offers.
        remade: The frames that were tested, in order of time.
    """

    path: Path
    size: tuple[int, int]
    rate: Fraction | None
    candidates: tuple[str, ...]
    survey: ClipSurvey
    remade: tuple[RemadeTarget, ...]


def check_clip(
    path: Path,
    candidates: Sequence[Candidate],
    *,
    span: Span | None = None,
    max_targets: int = 40,
    seed: int = 0,
    distance: SqueezeDistance | None = None,
    on_progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> ClipCheck:
    """Leave every second frame of a clip out, remake some of them, and compare.

    The clip is read twice: to find its scenes and repeats, and to remake. Memory does not grow with its length.

    Args:
        path: Any video that FFmpeg reads.
        candidates: What is compared; all remake the same frames.
        span: Only this part of the clip, in seconds.
        max_targets: Most frames to remake, evenly over all there are.
        seed: Start of the random numbers of a stochastic method.
        distance: Measured too where it is given.
        on_progress: Called with "reading" or "remaking", how much is done, and of how much where that is known.

    Raises:
        MediaError: The clip cannot be read, or holds no frame to leave out.
        UsageError: No candidate, two of one name, or fewer than one target.
    """
    names = tuple(candidate.name for candidate in candidates)
    if not names or len(set(names)) < len(names):
        raise UsageError(f"A check needs candidates with names of their own; got {', '.join(names) or 'none'}.")
    info = probe(path)

    def frames() -> Iterator[TimedFrame]:
        read = VideoReader(info) if span is None else read_span(info, span, CUT_MARGIN)
        for done, frame in enumerate(read, start=1):
            on_progress("reading", done, info.frame_count if span is None else None)
            yield frame

    marked = mark_cuts(frames())
    if span is not None:
        start, end = span
        marked = (
            (frame, opens) for frame, opens in marked if frame.time + frame.duration > start and frame.time < end
        )
    survey = survey_clip(path, marked)
    if not survey.targets:
        raise MediaError(
            f"{path} holds no frame to leave out: that takes three frames of one scene that differ, evenly spaced; "
            f"frames: {survey.frames}, scenes: {survey.scenes}, repeats: {survey.repeats}."
        )
    chosen = spread_targets(survey.targets, max_targets)
    fillers = [(candidate, GapFiller(candidate.interpolator, candidate.device, seed)) for candidate in candidates]
    remade = []
    for target, pictures in zip(chosen, read_targets(info, chosen), strict=True):
        remakes = {
            candidate.name: _remake(candidate, filler, target, pictures, distance) for candidate, filler in fillers
        }
        before, after = (as_tensor(pictures[side]) for side in (target.frames.before, target.frames.after))
        remade.append(RemadeTarget(target, motion_pixels(before, after), remakes))
        on_progress("remaking", len(remade), len(chosen))
    return ClipCheck(path, (info.width, info.height), info.average_rate, names, survey, tuple(remade))


def remade_picture(filler: GapFiller, context: int, target: ClipTarget, pictures: TargetPictures) -> Pixels:
    """What a method puts in the place of a target: RGB of the type of the clip."""
    window = [pictures[reference] for reference in target.frames.window(context)]
    assert target.frames.target.index is not None  # targets of a clip are numbered
    return next(filler.fill(window, [target.frames.time], target.frames.target.index))


def as_tensor(pixels: Pixels) -> UInt8[Tensor, "3 height width"]:
    """A decoded frame as metrics take it: rounded to 8 bits, channels first."""
    return torch.from_numpy(to_bytes(pixels)).permute(2, 0, 1).contiguous()


def _remake(
    candidate: Candidate,
    filler: GapFiller,
    target: ClipTarget,
    pictures: TargetPictures,
    distance: SqueezeDistance | None,
) -> Remake:
    started = seconds_now(candidate.device)
    made = remade_picture(filler, candidate.interpolator.spec.context, target, pictures)
    seconds = seconds_now(candidate.device) - started
    before, truth, after = (
        as_tensor(pictures[frame]) for frame in (target.frames.before, target.frames.target, target.frames.after)
    )
    sample = Sample(prediction=as_tensor(made), target=truth, before=before, after=after)
    return Remake(
        psnr=min(psnr(sample.prediction, truth), HIGHEST_PSNR),
        ssim=ssim(sample.prediction, truth),
        seconds=seconds,
        sqd=None if distance is None else distance(sample),
    )
