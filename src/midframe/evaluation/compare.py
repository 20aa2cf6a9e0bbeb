"""The same moments of a clip from several methods at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from midframe.core.errors import UsageError
from midframe.core.timeline import RateRule, output_rate, output_time, source_time
from midframe.engine import GapFiller
from midframe.engine.span import SpanFrame, fill_span
from midframe.evaluation.check import Candidate
from midframe.evaluation.clip_targets import to_bytes
from midframe.evaluation.compare_page import PageWriter
from midframe.evaluation.panels import labelled, reduced, tiled
from midframe.video import VideoInfo, mark_cuts, probe
from midframe.video.clip import write_clip
from midframe.video.span import Span, read_span

MOST_PICTURES = 800
"""Pictures on one page: what a browser holds with ease."""
MARGIN = 6
"""Frames beyond each end of the span: what cut detection and methods look at there."""
VIDEO_SIDES = 3840, 2160
"""Pixels that the video's picture stays within."""
LONGEST_ROW = 3


@dataclass(frozen=True)
class Comparison:
    """What was written.

    Attributes:
        page: The HTML file, which needs no other.
        video: All candidates in one picture.
        frames: Moments in each.
        made: How many of them the candidates made; the others are frames of the source.
    """

    page: Path
    video: Path
    frames: int
    made: int


def compare_clip(
    path: Path,
    candidates: Sequence[Candidate],
    span: Span,
    rule: RateRule,
    folder: Path,
    *,
    seed: int = 0,
    on_frame: Callable[[int], None] = lambda done: None,
) -> Comparison:
    """Write `compare.html` and `compare.mp4` of part of a clip, as each candidate would show it.

    Args:
        path: Any video that FFmpeg reads.
        candidates: What is compared, in this order.
        span: The part, in seconds of the clip.
        rule: Instants of the output, as for a whole video.
        folder: For both files, which replace older ones; made if missing.
        seed: Start of the random numbers of a stochastic method.
        on_frame: Called after each moment with how many are done.

    Raises:
        UsageError: No candidate, or a span that is empty, beyond the clip's end, or too long for one page.
        MediaError: The clip cannot be read.
        WriteError: The files cannot be written.
        MissingExtraError: Pillow is not installed.
    """
    if not candidates:
        raise UsageError("At least one method must be named.")
    info = probe(path)
    _check_number(info, len(candidates), span, rule)
    names = [candidate.name for candidate in candidates]
    end = output_time(rule, min(span[1], info.duration or span[1]))
    page = PageWriter(info, names, folder)
    made = 0

    def panels() -> Iterator[tuple[np.ndarray, Fraction]]:
        nonlocal made
        first = None
        for done, moment in enumerate(_moments(info, candidates, span, rule, seed), start=1):
            first = moment[0].time if first is None else first
            upright = [_upright(frame.pixels, info) for frame in moment]
            page.add(moment[0], upright, source_time(rule, moment[0].time))
            made += moment[0].is_made
            yield _tile(names, upright, moment[0].is_made, info), moment[0].time - first
            on_frame(done)

    video = folder / "compare.mp4"
    whole = panels()
    opening = next(whole, None)
    if opening is None:
        raise UsageError(f"No output frame of {path} falls into the part that was asked for.")
    rate = output_rate(rule, info.average_rate) or Fraction(25)
    write_clip(video, itertools.chain([opening], whole), end - page.first_time, rate)
    return Comparison(page.finish(end), video, page.count, made)


def _check_number(info: VideoInfo, candidates: int, span: Span, rule: RateRule) -> None:
    """Refuse, before any work, what would not fit on a page."""
    rate = output_rate(rule, info.average_rate)
    if rate is None:
        return
    lasting = output_time(rule, span[1]) - output_time(rule, span[0])
    pictures = round(lasting * rate) * candidates
    if pictures > MOST_PICTURES:
        seconds = float((span[1] - span[0]) * MOST_PICTURES / candidates / rate / lasting)
        raise UsageError(
            f"{pictures} pictures are too many for one page, which holds {MOST_PICTURES}: ask for {seconds:.1f} "
            "seconds or less, or for fewer methods."
        )


def _moments(
    info: VideoInfo, candidates: Sequence[Candidate], span: Span, rule: RateRule, seed: int
) -> Iterator[tuple[SpanFrame, ...]]:
    """The output frames of all candidates, moment by moment. Memory: a few frames, however long the span."""
    start, end = (output_time(rule, bound) for bound in span)
    copies = itertools.tee(mark_cuts(read_span(info, span, MARGIN)), len(candidates))
    streams = [
        fill_span(
            marked,
            GapFiller(candidate.interpolator, candidate.device, seed),
            candidate.interpolator.spec,
            rule,
            info,
        )
        for candidate, marked in zip(candidates, copies, strict=True)
    ]
    for moment in zip(*streams, strict=True):
        if start <= moment[0].time < end:
            yield moment


def _upright(pixels: np.ndarray, info: VideoInfo) -> np.ndarray:
    """As a player shows it, rounded to 8 bits."""
    return np.ascontiguousarray(np.rot90(to_bytes(pixels), info.quarter_turns))


def _tile(names: Sequence[str], pictures: Sequence[np.ndarray], is_made: bool, info: VideoInfo) -> np.ndarray:
    columns = len(names) if len(names) <= LONGEST_ROW else -(-len(names) // 2)
    rows = -(-len(names) // columns)
    aspect = 1 / info.sample_aspect_ratio if info.quarter_turns % 2 else info.sample_aspect_ratio
    panels = [
        labelled(
            reduced(picture, VIDEO_SIDES[0] // columns - 8, VIDEO_SIDES[1] // rows - 160, aspect),
            name,
            "new" if is_made else "source",
        )
        for name, picture in zip(names, pictures, strict=True)
    ]
    return tiled(panels, columns)
